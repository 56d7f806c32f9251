"""The open write transaction: ops become entries and state, and are stored together.

Called by the datastore, for commands (`append`) and for entries of an upstream (`follow`).
Entries wait in memory until `flush`, and so do the new peers in the view.

    begin ──▶ append, append, … ──▶ flush ──▶ commit
                 └── savepoint / undo for a command of several ops
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from wig import errors, log
from wig.log import Entry, Record
from wig.ops import Op
from wig.sqlite import connections, crash, meta, rows, sql
from wig.sqlite.checkpoints import Checkpoints
from wig.sqlite.view import View

PENDING_ENTRIES_MAX = 10_000  # entries that wait for `flush`; 5 MB
WRITTEN_ENTRIES_MAX = 12_000  # remembered for who publishes them; 6 MB


class Transaction:
    """The writer's connection, the view on it, and the head as it will be."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """Read the head; no transaction is open.

        `head` is what the open transaction makes of `committed`, which other threads may look at.
        `written` are the first entries of the last transaction: they are published next, and
        reading them back would cost more than writing them did.
        """
        self.connection = connection
        self.view = View(connection)
        self.head = meta.read(connection)
        self.committed = replace(self.head)
        self.lineage = meta.read_lineage(connection)
        self.written: list[Record] = []
        self._entries: list[tuple[int, int, bytearray, bytearray]] = []
        self._data_version = self._read_data_version()
        self._saved: tuple[meta.Head, int] | None = None
        self._in_doubt = False
        self._checkpoints = Checkpoints(path, connection)

    def close(self) -> None:
        """End what goes on beside the writer."""
        self._checkpoints.close()

    @contextmanager
    def writing(self, path: Path) -> Iterator[None]:
        """Begin, and commit when the block ends or undo everything when it fails."""
        with connections.translated(path):
            try:
                self.begin()
                yield
                self.commit()
            except BaseException:
                self.rollback()
                raise

    def begin(self) -> None:
        """Start writing, with what is in the file now.

        Raises `Unavailable` for ever after a COMMIT that the disk may or may not have kept: what
        SQLite believes and what a restart will find could differ.
        """
        if self._in_doubt:
            raise errors.Unavailable(
                "db: the disk failed while it was asked to keep what was written",
                field="db",
                hint="check the disk, then restart",
            )
        self._checkpoints.between()
        self.connection.execute("BEGIN IMMEDIATE")
        self.written.clear()
        if (version := self._read_data_version()) != self._data_version:
            # Somebody wrote to the file with another program: what we remember may be wrong.
            self._data_version = version
            self.reload()

    def append(self, op: Op, *, now: datetime, actor: str, request: str) -> None:
        """Decide `op`: apply it, and make it the next entry."""
        head = self.head
        seq = head.seq + 1
        payload = log.encode_entry(Entry(seq=seq, time=now, actor=actor, request=request, op=op))
        self.view.apply_op(op, head.epoch, seq)
        self._store(seq, rows.micros(now), payload, log.chain(head.digest, payload))

    def follow(self, record: Record, epoch: str) -> None:
        """Apply an entry that an upstream decided; raise `Unsupported` if it is not understood."""
        if record.seq != self.head.seq + 1:
            raise errors.Damaged(f"log: entry {record.seq} follows entry {self.head.seq}")
        if log.chain(self.head.digest, record.payload) != record.digest:
            raise errors.Damaged(f"log: entry {record.seq} does not match its digest")
        entry = decode_entry(record)
        self.view.apply_op(entry.op, epoch, record.seq)
        self._store(record.seq, rows.micros(entry.time), record.payload, record.digest)

    def begin_epoch(self, epoch: str) -> None:
        """Leave the current epoch for another one, here."""
        self.lineage = log.extended(self.lineage, epoch, self.head.position())
        meta.add_fork(self.connection, self.lineage[-1])
        self.head.epoch = epoch

    def _store(self, seq: int, time: int, payload: bytes, digest: bytes) -> None:
        if len(self.written) < WRITTEN_ENTRIES_MAX:
            self.written.append(Record(seq, payload, digest))
        self._entries.append((seq, time, bytearray(payload), bytearray(digest)))
        self.head.seq = seq
        self.head.digest = digest
        if len(self._entries) >= PENDING_ENTRIES_MAX:
            self._insert_entries()

    def savepoint(self) -> None:
        """Remember this place for `undo`."""
        self.flush()
        self.connection.execute("SAVEPOINT command")
        self._saved = replace(self.head), self.view.digest_change

    def release(self) -> None:
        """Keep what was done since `savepoint`."""
        self.connection.execute("RELEASE command")
        self._saved = None

    def undo(self) -> None:
        """Forget what was done since `savepoint`."""
        assert self._saved is not None, "savepoint comes first"
        self.connection.execute("ROLLBACK TO command")
        self.connection.execute("RELEASE command")
        self._entries.clear()
        self.view.forget()
        self.head, self.view.digest_change = self._saved
        self._saved = None
        while self.written and self.written[-1].seq > self.head.seq:
            self.written.pop()

    def flush(self) -> None:
        """Write everything but the head; the state digest is true afterwards."""
        self.view.flush()
        crash.point("commit: peers written")
        self._insert_entries()
        crash.point("commit: entries written")
        self.head.state_digest = log.state_digest_add(
            self.head.state_digest, self.view.digest_change
        )
        self.view.digest_change = 0

    def _insert_entries(self) -> None:
        if self._entries:
            sql.insert_all(self.connection, "entry_insert", self._entries)
            self._entries.clear()

    def commit(self) -> None:
        """Store the head and make everything durable."""
        self.flush()
        meta.write(self.connection, self.head)
        crash.point("commit: position written")
        try:
            self.connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._in_doubt = connections.may_be_kept(error)
            raise
        self.committed = replace(self.head)
        self._checkpoints.committed()

    def rollback(self) -> bool:
        """End the transaction as if it had not been; return whether it may have been kept."""
        try:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            self.reload()
        except sqlite3.Error:
            self._in_doubt = True
        return self._in_doubt

    def reload(self) -> None:
        """Remember nothing, and read the head again."""
        self._entries.clear()
        self._saved = None
        self.written.clear()
        self.view.forget()
        self.head = meta.read(self.connection)
        self.committed = replace(self.head)
        self.lineage = meta.read_lineage(self.connection)

    def _read_data_version(self) -> int:
        """Return a number that changes when another connection has written."""
        return int(self.connection.execute("PRAGMA data_version").fetchone()[0])


def decode_entry(record: Record) -> Entry:
    """Return the entry of a record."""
    try:
        return log.decode_entry(record.payload)
    except errors.Invalid as error:
        raise errors.Unsupported(
            f"log: entry {record.seq} is not understood: {error.message}",
            hint="upgrade wig on this host",
        ) from None
