"""The head of a database: which one it is, where its state is, and its lineage.

Called by the datastore, its readers, and what makes and checks files.
"""

import sqlite3
from dataclasses import dataclass

from wig import errors, log
from wig.log import Fork, Lineage, Position
from wig.sqlite import sql


@dataclass
class Head:
    """The row of `meta`; the writer changes its copy as it decides, and stores it at commit."""

    database: str
    role: str
    fenced: str
    generation: str
    epoch: str
    seq: int
    digest: bytes
    state_digest: int
    base_seq: int
    base_digest: bytes

    def position(self) -> Position:
        """Return the position of the state."""
        return Position(epoch=self.epoch, seq=self.seq, digest=self.digest.hex())


def read(connection: sqlite3.Connection) -> Head:
    """Return the stored head."""
    row = connection.execute(sql.query("meta_get")).fetchone()
    if row is None:
        raise errors.Damaged("meta: the database does not say what it is")
    return Head(
        database=row[0].decode(),
        role=row[1].decode(),
        fenced=row[2].decode(),
        generation=row[3].decode(),
        epoch=row[4].decode(),
        seq=row[5],
        digest=row[6],
        state_digest=int.from_bytes(row[7], "big"),
        base_seq=row[8],
        base_digest=row[9],
    )


def write(connection: sqlite3.Connection, head: Head) -> None:
    """Store position and state digest."""
    connection.execute(
        sql.query("meta_head"), (head.epoch, head.seq, head.digest, digest_blob(head.state_digest))
    )


def digest_blob(number: int) -> bytes:
    """Return a state digest as it is stored."""
    return number.to_bytes(log.DIGEST_BYTES, "big")


def read_lineage(connection: sqlite3.Connection) -> Lineage:
    """Return the epochs up to the current one."""
    return tuple(
        Fork(epoch=epoch.decode(), parent=parent.decode(), seq=seq, digest=digest.hex())
        for epoch, parent, seq, digest in connection.execute(sql.query("lineage_list"))
    )


def add_fork(connection: sqlite3.Connection, fork: Fork) -> None:
    """Store one more epoch, and forget the oldest when there are too many."""
    connection.execute(
        sql.query("lineage_insert"),
        (fork.epoch, fork.parent, fork.seq, bytes.fromhex(fork.digest)),
    )
    connection.execute(sql.query("lineage_forget"), (log.EPOCHS_MAX,))
