"""Is a database file what it claims to be? Called by `wig verify`.

Everything that is stored twice is compared, and every digest is computed again: pages and
indexes, the chain of the log, the objects against their columns, their entries and the state
digest, islands against ranges. One read transaction, beside a writer if there is one.
"""

import re
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from wig import codec, errors, log, ops
from wig.codec import Value
from wig.log import Position, Record
from wig.model import Interface, Object, Peer, Token
from wig.sqlite import connections, islands, meta, migrations, rows, sql
from wig.sqlite.transaction import decode_entry

ObjectT = TypeVar("ObjectT", Interface, Peer, Token)

Progress = Callable[[str, int], None]
"""Called now and then with what is being checked, and how many of it were."""

PROGRESS_ROWS = 10_000  # between two calls of it


class Report(Value, frozen=True, kw_only=True):
    """What was checked, and found right."""

    database: str
    position: Position
    entries: int
    """Kept entries, of which the first comes after `base`."""
    base: int
    interfaces: int
    peers: int
    tokens: int
    requests: int
    """Recorded outcomes."""
    seconds: float


def verify(path: str | Path, progress: Progress | None = None) -> Report:
    """Check a database file; raise `Damaged` that names the place, or what `open` raises."""
    path = Path(path)
    connections.check_header(path)
    with connections.translated(path), closing(connections.reader(path)) as connection:
        connection.execute("BEGIN")
        return _Verification(connection, progress or _silent).report()


def _silent(_what: str, _count: int) -> None:
    """Show nothing."""


class _Verification:
    """One pass over a file."""

    def __init__(self, connection: sqlite3.Connection, progress: Progress) -> None:
        self._connection = connection
        self._progress = progress
        self._started = time.monotonic()
        self._head = meta.read(connection)
        self._total = 0
        self._peers: Counter[str] = Counter()

    def report(self) -> Report:
        self._check_file()
        self._check_lineage()
        entries = self._check_log()
        interfaces = self._check_interfaces()
        peers = self._check_peers()
        tokens = self._check_tokens()
        if self._total != self._head.state_digest:
            raise errors.Damaged("state: the objects do not match the state digest")
        self._check_pools()
        return Report(
            database=self._head.database,
            position=self._head.position(),
            entries=entries,
            base=self._head.base_seq,
            interfaces=interfaces,
            peers=peers,
            tokens=tokens,
            requests=self._check_requests(),
            seconds=round(time.monotonic() - self._started, 3),
        )

    def _walk(self, what: str, query: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query, and tell how far it is."""
        for count, row in enumerate(self._connection.execute(sql.query(query))):
            if count % PROGRESS_ROWS == 0:
                self._progress(what, count)
            yield row

    def _check_file(self) -> None:
        """Pages, indexes and constraints, by SQLite itself."""
        self._progress("pages", 0)
        (found,) = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != b"ok":
            raise errors.Damaged(f"file: {found.decode(errors='replace')}")
        if row := self._connection.execute("PRAGMA foreign_key_check").fetchone():
            raise errors.Damaged(f"file: a {row[0].decode()} names no {row[2].decode()}")
        with closing(sqlite3.connect(":memory:")) as fresh:
            migrations.create(fresh)
            wanted = dict(fresh.execute(sql.query("schema_all")))
        stored = self._connection.execute(sql.query("schema_all"))
        found = {name.decode(): statement.decode() for name, statement in stored}
        for name, statement in wanted.items():
            if _plain(found.get(name, "")) != _plain(statement):
                raise errors.Damaged(f"file: {name!r} is not defined as this version does it")

    def _check_lineage(self) -> None:
        lineage = meta.read_lineage(self._connection)
        parent, seq = "", 0
        if len(lineage) >= log.EPOCHS_MAX:
            parent = lineage[0].parent  # what was before is forgotten
        for fork in lineage:
            if fork.parent != parent or fork.seq < seq:
                raise errors.Damaged(f"lineage: epoch {fork.epoch} does not follow {parent!r}")
            parent, seq = fork.epoch, fork.seq
        if parent != self._head.epoch or seq > self._head.seq:
            raise errors.Damaged(f"lineage: it does not end with epoch {self._head.epoch!r}")

    def _check_log(self) -> int:
        """Check the chain from the base to the head; return how many entries there are."""
        head = self._head
        seq, digest = head.base_seq, head.base_digest
        for row_seq, row_time, payload, row_digest in self._walk("entries", "entry_all"):
            record = Record(row_seq, payload, row_digest)
            log.follow(digest, seq, [record])
            entry = decode_entry(record)
            if entry.seq != row_seq or rows.micros(entry.time) != row_time:
                raise errors.Damaged(f"log: entry {row_seq} does not match its row")
            seq, digest = row_seq, row_digest
        if (seq, digest) != (head.seq, head.digest):
            raise errors.Damaged(f"log: it ends at entry {seq}, the position is {head.seq}")
        return seq - head.base_seq

    def _check_interfaces(self) -> int:
        count = 0
        for body, *columns, peers in self._walk("interfaces", "interface_columns"):
            interface = self._decode(rows.decode_interface, body, columns[0])
            name, port = interface.name, interface.port
            self._check_object(interface, f"interface {name}", body, columns, (name, port))
            self._peers[name] = peers
            count += 1
        return count

    def _check_peers(self) -> int:
        counted: Counter[str] = Counter()
        for body, *columns in self._walk("peers", "peer_columns"):
            peer = self._decode(rows.decode_peer, body, columns[0])
            wanted = rows.peer_row(peer, body)[:-1]
            self._check_object(peer, f"peer {peer.public_key}", body, columns, wanted)
            counted[peer.interface] += 1
        if +counted != +self._peers:
            raise errors.Damaged("interfaces: their numbers of peers are not right")
        return counted.total()

    def _check_tokens(self) -> int:
        count = 0
        for body, *columns in self._walk("tokens", "token_columns"):
            token = self._decode(rows.decode_token, body, columns[0])
            self._check_object(token, f"token {token.id}", body, columns, (token.id,))
            count += 1
        return count

    def _decode(self, decode: Callable[[bytes], ObjectT], body: bytes, key: bytes) -> ObjectT:
        """Return a stored object, or say which one it is that cannot be read."""
        try:
            return decode(body)
        except errors.Damaged as error:
            raise errors.Damaged(f"{error.message} ({key.decode()})") from None

    def _check_object(
        self, thing: Object, which: str, body: bytes, columns: list[Any], wanted: tuple[Any, ...]
    ) -> None:
        """Check an object against its row and its entry, and count its digest."""
        found = tuple(
            each.decode() if _is_text(each, want) else each
            for each, want in zip(columns, wanted, strict=True)
        )
        if found != wanted or codec.encode(thing) != body:
            raise errors.Damaged(f"{which}: it does not match its row")
        self._total = log.state_digest_add(self._total, rows.digest_of(body))
        epoch, _, seq = thing.revision.rpartition(":")
        if not epoch or not seq.isdecimal() or int(seq) > self._head.seq:
            raise errors.Damaged(f"{which}: its revision {thing.revision!r} is not in the log")
        if int(seq) > self._head.base_seq and self._logged(epoch, int(seq)) != thing:
            raise errors.Damaged(f"{which}: it is not what entry {seq} made it")

    def _logged(self, epoch: str, seq: int) -> Object | None:
        """Return the object that an entry made; None: it made none."""
        row = self._connection.execute(sql.query("entry_get"), (seq,)).fetchone()
        match decode_entry(Record(*row)).op:
            case ops.PeerCreate(peer=thing) | ops.PeerUpdate(peer=thing):
                return ops.stamped(thing, epoch, seq)
            case ops.InterfaceCreate(interface=thing) | ops.InterfaceUpdate(interface=thing):
                return ops.stamped(thing, epoch, seq)
            case ops.TokenCreate(token=thing) | ops.TokenUpdate(token=thing):
                return ops.stamped(thing, epoch, seq)
            case _:
                return None

    def _check_pools(self) -> None:
        """Compare the used addresses with what the objects use."""
        for (body,) in self._connection.execute(sql.query("interface_list")).fetchall():
            interface = rows.decode_interface(body)
            for version in (4, 6):
                self._progress(f"addresses of {interface.name}", 0)
                wanted = islands.sweep(self._connection, interface, version)
                found = islands.stored(self._connection, interface.name, version)
                if any(one != other for one, other in zip_longest(wanted, found)):
                    deque(wanted, maxlen=0)  # two owners of an address are the better message
                    raise errors.Damaged(
                        f"interface {interface.name!r}: its used IPv{version} addresses are not "
                        "those of its peers"
                    )

    def _check_requests(self) -> int:
        count = 0
        for actor, request, head, reply in self._walk("outcomes", "request_all"):
            if head > self._head.seq or not _is_reply(reply):
                which = f"request {request.decode()!r} of {actor.decode()!r}"
                raise errors.Damaged(f"{which}: its outcome is not one")
            count += 1
        return count


def _plain(statement: str) -> str:
    """Return a definition without what a migration may write differently."""
    return re.sub(r"--.*|[\s\"]", "", statement)


def _is_text(stored: Any, wanted: Any) -> bool:
    return isinstance(stored, bytes) and isinstance(wanted, str)


def _is_reply(reply: bytes) -> bool:
    """Say whether bytes are a reply as it travels."""
    try:
        decoded = msgspec.json.decode(reply)
    except msgspec.DecodeError:
        return False
    return isinstance(decoded, dict) and bool({"ok", "error"} & decoded.keys())
