"""Reading beside the writer: objects, entries, and snapshots.

Called by whatever answers queries, from another thread than the writer's. Each call sees one
committed state; a snapshot sees one for as long as it takes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

from wig import errors, log
from wig.log import Entry, Position, Record
from wig.model import Interface, Object, Peer, Token
from wig.snapshot import Header
from wig.sqlite import connections, meta, oplog, rows, sql
from wig.sqlite.transaction import decode_entry

SMALL_INTERFACE_PEERS = 5_000  # so few are sorted in 10 ms
SNAPSHOT_ROWS = 1000  # fetched at once
WAL_BYTES_MAX = 1 << 30  # on disk, while a snapshot is read: 20 s of the fastest writing


class Counts(NamedTuple):
    """How many objects of each kind there are."""

    interfaces: int
    peers: int
    tokens: int


class LoggedEntry(NamedTuple):
    """An entry with the chain's digest after it."""

    entry: Entry
    digest: bytes


class Reader:
    """A connection that only reads; one thread at a time."""

    def __init__(self, path: str | Path) -> None:
        """Open the file; raises `Unusable`, `Damaged` or `Unsupported` like `Datastore.open`."""
        self.path = Path(path)
        connections.check_header(self.path)
        with connections.translated(self.path):
            self._connection = connections.reader(self.path)

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Hold it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def position(self) -> Position | None:
        """Return the position of the state; None: it holds nothing."""
        with connections.translated(self.path):
            head = meta.read(self._connection)
        return head.position() if head.database else None

    def interface(self, name: str) -> Interface | None:
        """Return the interface, or None."""
        found = self._one("interface_get", (name,))
        return None if found is None else rows.decode_interface(found[0])

    def interfaces(self) -> list[Interface]:
        """Return all interfaces by name."""
        return [rows.decode_interface(body) for (body,) in self._all("interface_list", ())]

    def peer(self, public_key: str) -> Peer | None:
        """Return the peer, or None."""
        found = self._one("peer_get", (public_key,))
        return None if found is None else rows.decode_peer(found[0])

    def peers(
        self, after: str | None = None, limit: int = 1000, interface: str | None = None
    ) -> list[Peer]:
        """Return up to `limit` peers whose keys come after `after`, by key.

        There is no index on (interface, key), which would double the cost of creating a peer. A
        small interface's peers are all read and sorted; of a large one, enough are met on the
        walk along all keys.
        """
        if interface is None:
            found = self._all("peer_page", (after or "", limit))
        else:
            counted = self._one("interface_peers", (interface,))
            small = counted is not None and counted[0] <= SMALL_INTERFACE_PEERS
            name = "peer_page_of_small" if small else "peer_page_of_large"
            found = self._all(name, (after or "", interface, limit))
        return [rows.decode_peer(body) for body, _ in found]

    def expired(self, now: datetime, limit: int) -> list[Peer]:
        """Return up to `limit` peers that expire at `now` or before, the most overdue first."""
        found = self._all("peer_expired", (rows.micros(now), limit))
        return [rows.decode_peer(body) for (body,) in found]

    def tokens(self) -> list[Token]:
        """Return all tokens by id."""
        return [rows.decode_token(body) for (body,) in self._all("token_list", ())]

    def counts(self) -> Counts:
        """Return how many objects of each kind there are."""
        return Counts(*self._all("counts", ())[0])

    def entries(self, after: int, limit: int) -> list[LoggedEntry]:
        """Return up to `limit` entries after sequence `after`, in order."""
        found = self.records(after, limit)
        return [LoggedEntry(decode_entry(record), record.digest) for record in found]

    def entry(self, seq: int) -> LoggedEntry | None:
        """Return one entry; None: it is not kept, or not there yet."""
        found = self._one("entry_get", (seq,))
        return None if found is None else LoggedEntry(decode_entry(Record(*found)), found[2])

    def records(self, after: int, limit: int) -> list[Record]:
        """Return up to `limit` entries after sequence `after` as they are published."""
        with connections.translated(self.path):
            return oplog.records(self._connection, after, limit)

    def digest_at(self, seq: int) -> bytes | None:
        """Return the chain's digest at `seq`; None: it is not kept, or not there yet."""
        with connections.translated(self.path):
            head = meta.read(self._connection)
            return oplog.digest_at(self._connection, (head.base_seq, head.base_digest), seq)

    @contextmanager
    def snapshot(self) -> Iterator[tuple[Header, Iterator[Object]]]:
        """Read everything as it is now, in one read transaction that the block holds open.

        Objects come in a fixed order, in bounded memory: interfaces, peers, tokens, each by its
        identity. The reader can do nothing else meanwhile.

        Raises `Conflict` if there is nothing. The objects raise `Unavailable` when the WAL, which
        cannot be reused while they are read, has grown by too much.
        """
        connection = self._connection
        with connections.translated(self.path):
            connection.execute("BEGIN")
            try:
                head = meta.read(connection)
                if not head.database:
                    raise errors.Conflict("snapshot: the database holds nothing")
                header = Header(
                    database=head.database,
                    position=head.position(),
                    lineage=meta.read_lineage(connection),
                    state_digest=log.state_digest_text(head.state_digest),
                    objects=sum(self.counts()),
                )
                yield header, self._objects()
            finally:
                connection.execute("ROLLBACK")

    def _objects(self) -> Iterator[Object]:
        yield from self.interfaces()
        cursor = self._connection.execute(sql.query("peer_all"))
        while page := cursor.fetchmany(SNAPSHOT_ROWS):
            for (body,) in page:
                yield rows.decode_peer(body)
            if connections.wal_bytes(self.path) > WAL_BYTES_MAX:
                raise errors.Unavailable(
                    f"snapshot: the writer has written {WAL_BYTES_MAX >> 20} MiB meanwhile",
                    hint="begin again",
                )
        yield from self.tokens()

    def _one(self, query: str, parameters: tuple[object, ...]) -> tuple[Any, ...] | None:
        found = self._all(query, parameters)
        return found[0] if found else None

    def _all(self, query: str, parameters: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with connections.translated(self.path):
            return self._connection.execute(sql.query(query), parameters).fetchall()
