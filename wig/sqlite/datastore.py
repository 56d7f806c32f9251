"""The datastore: one SQLite file with the state, the log, and what was answered.

Called by the primary's writer thread (`commit`) and by replication (`apply`, `load`); a Sink.
Everything here is synchronous and belongs to one thread at a time; readers have connections of
their own. State, entries and outcomes change in one transaction, or not at all.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from wig import errors, log
from wig.commands import DeleteInterface
from wig.log import Lineage, Position, Record
from wig.model import Object
from wig.ops import Op
from wig.snapshot import Header
from wig.sqlite import connections, crash, loading, lock, opening, oplog, rows, sql
from wig.sqlite.group import Group, Outcome, Request, refusal
from wig.sqlite.reader import Reader
from wig.sqlite.transaction import Transaction

__all__ = ["Datastore", "Outcome", "Request"]


class Datastore:
    """The writer of one database file."""

    def __init__(self, path: Path, held: lock.Lock, connection: sqlite3.Connection) -> None:
        """Take over a lock and a connection; use `open`."""
        self.path = path
        self._lock = held
        self._connection = connection
        self._transaction = Transaction(path, connection)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a file as its only writer, and bring it to the current format.

        Raises `Unusable` (missing, not a database, in use, read-only), `Damaged` (truncated) or
        `Unsupported` (from a newer program), each with a hint.
        """
        return opening.opened(Path(path), cls)

    def close(self) -> None:
        """Let the file go; committed work is safe with or without this."""
        self._transaction.close()
        self._connection.close()
        self._lock.release()

    def __enter__(self) -> Self:
        """Hold it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    # What it is. These are committed values in memory, which other threads may look at, too.

    @property
    def database(self) -> str:
        """The database's id; empty: it belongs to nobody yet."""
        return self._transaction.committed.database

    @property
    def role(self) -> str:
        """`primary` or `follower`: who may write to it."""
        return self._transaction.head.role

    @property
    def fenced(self) -> str:
        """Why this primary must not write any more; empty: it may."""
        return self._transaction.head.fenced

    @property
    def lineage(self) -> Lineage:
        """The epochs up to the current one."""
        return self._transaction.lineage

    @property
    def generation(self) -> str:
        """The generation of the stream; empty: there is none yet."""
        return self._transaction.committed.generation

    def position(self) -> Position | None:
        """Return the position of the state; None: it holds nothing."""
        head = self._transaction.committed
        return head.position() if head.database else None

    def state_digest(self) -> str:
        """Return the sum of the digests of all objects, hexadecimal."""
        return log.state_digest_text(self._transaction.committed.state_digest)

    def base(self) -> tuple[int, bytes]:
        """Return sequence and digest before the first entry that is kept."""
        head = self._transaction.committed
        return head.base_seq, head.base_digest

    def oldest(self) -> int:
        """Return the sequence of the first entry that is kept, or that will be the next."""
        return self._transaction.committed.base_seq + 1

    # Commands.

    def commit(self, requests: Sequence[Request], now: datetime) -> list[Outcome]:
        """Decide requests in one transaction, in order; durable on return.

        An error of one leaves the others alone. A request whose (actor, id) was decided before
        is answered as it was then, even if its command differs now. If the transaction itself
        fails (disk full, locked), every request gets `unavailable` and nothing has changed; or
        `unknown`, if the disk failed while it was asked to keep what was written. After that,
        only a restart finds out what it kept, and everything is refused.
        """
        deletes = any(isinstance(request.command, DeleteInterface) for request in requests)
        with connections.spilling(self._connection) if deletes else nullcontext():
            try:
                return self._commit(requests, now, careful=False)
            except errors.Damaged:
                # What is stored contradicts itself somewhere. Only who meets it shall suffer.
                return self._commit(requests, now, careful=True)

    def _commit(
        self, requests: Sequence[Request], now: datetime, *, careful: bool
    ) -> list[Outcome]:
        crash.point("commit: before begin")
        group = Group(self._transaction, now, careful=careful)
        try:
            self._transaction.begin()
            crash.point("commit: begun")
            outcomes = group.decide(requests)
            self._transaction.flush()
            group.record()
            crash.point("commit: outcomes written")
            self._transaction.commit()
        except (sqlite3.Error, errors.Unavailable) as error:
            return [self._failed(error)] * len(requests)
        except BaseException:
            self._transaction.rollback()
            raise
        crash.point("commit: committed")
        return outcomes

    def _failed(self, error: sqlite3.Error | errors.Unavailable) -> Outcome:
        """Roll back, and return what every request of the group is told."""
        if isinstance(error, errors.Unavailable):
            told: errors.Temporary = error
        else:
            why = connections.translation(self.path, error)
            in_doubt = self._transaction.rollback()
            kind = errors.Unknown if in_doubt else errors.Unavailable
            told = kind(why.message, field=why.field, hint=why.hint)
        return refusal(told, self._transaction.committed.seq)

    def append(self, ops: Iterable[Op], *, actor: str, now: datetime) -> None:
        """Commit ops that no command asked for, such as the first token."""
        with self._transaction.writing(self.path):
            for op in ops:
                self._transaction.append(op, now=now, actor=actor, request="")

    def mint(self, epoch: str) -> None:
        """Begin a new epoch at the current position, durably."""
        with self._transaction.writing(self.path):
            self._transaction.begin_epoch(epoch)

    def promote(self, epoch: str) -> None:
        """Become the primary, and begin its epoch here, durably."""
        with self._transaction.writing(self.path):
            self._connection.execute(sql.query("meta_promote"))
            self._transaction.begin_epoch(epoch)
        self._transaction.reload()

    def fence(self, reason: str) -> None:
        """Remember, durably, why this primary must not write any more."""
        with self._transaction.writing(self.path):
            self._connection.execute(sql.query("meta_fence"), (reason,))
        self._transaction.head.fenced = reason

    def set_generation(self, generation: str) -> None:
        """Store the stream's generation, durably."""
        with self._transaction.writing(self.path):
            self._connection.execute(sql.query("meta_generation"), (generation,))
            self._transaction.head.generation = generation

    # Replication.

    def apply(self, epoch: str, records: Sequence[Record]) -> None:
        """Apply entries that were decided in `epoch` and continue the position; durable on return.

        Another epoch than the current one begins at the current position, with or without
        entries, and is added to the lineage. Raises `Damaged`, having changed nothing, at an
        entry that breaks the chain or cannot be applied; `Unsupported` at one of an unknown
        kind, having applied those before it.
        """
        transaction = self._transaction
        if not self.database:
            raise errors.Conflict("position: the database holds nothing, a snapshot comes first")
        strange: errors.Unsupported | None = None
        with transaction.writing(self.path):
            if epoch != transaction.head.epoch:
                transaction.begin_epoch(epoch)
            try:
                for record in records:
                    transaction.follow(record, epoch)
            except errors.Unsupported as error:
                strange = error
        if strange is not None:
            raise strange

    def load(self, header: Header, objects: Iterable[Object], *, replace: bool = False) -> None:
        """Replace everything by a snapshot, in one transaction: all of it or nothing.

        The log is cleared and begins after the snapshot's position. Raises `Foreign` if it is of
        another database, unless this one holds nothing or `replace` means it; `Damaged` if the
        objects are not what the header promises; and whatever `objects` raises.
        """
        if self.database not in {"", header.database} and not replace:
            raise errors.Foreign(
                f"database: the snapshot is of {header.database}, this file is {self.database}",
                field="database",
                hint="to lose what is in this file, start with --replace",
            )
        spilling = connections.spilling(self._connection)
        with spilling, self._transaction.writing(self.path):
            loading.load(self._transaction, header, objects)
        with connections.translated(self.path):
            connections.shrink_wal(self._connection)

    # The log.

    def records(self, after: int, limit: int) -> list[Record]:
        """Return up to `limit` entries after sequence `after`, in order.

        Those of the last commit come from memory.
        """
        written = self._transaction.written
        if written and written[0].seq == after + 1:
            whole = written[-1].seq == self._transaction.head.seq
            if whole or len(written) >= limit:
                return written[:limit]
        with connections.translated(self.path):
            return oplog.records(self._connection, after, limit)

    def digest_at(self, seq: int) -> bytes | None:
        """Return the chain's digest at `seq`; None: it is not kept, or not there yet."""
        with connections.translated(self.path):
            return oplog.digest_at(self._connection, self.base(), seq)

    def prune(
        self, now: datetime, max_age: timedelta, keep_entries: int, keep_from_seq: int | None = None
    ) -> int:
        """Forget old entries and outcomes; return how many rows went. 0: there is nothing to do.

        What goes is older than `max_age`, not among the last `keep_entries` (at least 1), and
        before `keep_from_seq` (a running snapshot's, say). One call is one transaction of a few
        milliseconds: repeat it until it returns 0.
        """
        with self._transaction.writing(self.path):
            return oplog.prune(
                self._transaction, rows.micros(now - max_age), keep_entries, keep_from_seq
            )

    def reader(self) -> Reader:
        """Return a connection that only reads, for another thread; the writer never blocks it."""
        return Reader(self.path)
