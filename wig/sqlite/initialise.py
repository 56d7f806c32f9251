"""New database files: a primary's, and the empty one of a follower.

Called by `wig init` and by a follower's first start.
"""

import os
import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from wig import errors, log, ops
from wig.log import Fork
from wig.model import Token
from wig.sqlite import connections, lock, meta, migrations, sql
from wig.sqlite.datastore import Datastore


def init(
    path: str | Path,
    *,
    now: datetime,
    entropy: Callable[[int], bytes],
    token: Token | None = None,
    actor: str = "init",
) -> None:
    """Make a primary's database, readable by its owner only, with `token` as its first op.

    `entropy(n)` returns n random bytes. Raises `Unusable` if there is a file already.
    """
    database, epoch = entropy(16).hex(), log.epoch_id(now, entropy(4))
    with _new_file(Path(path)):
        _fill(Path(path), database, epoch)
        if token is not None:
            with Datastore.open(path) as datastore:
                datastore.append([ops.TokenCreate(token=token)], actor=actor, now=now)


def init_empty(path: str | Path) -> None:
    """Make a database that holds nothing and belongs to nobody until it loads a snapshot."""
    with _new_file(Path(path)):
        _fill(Path(path), "", "")


class _new_file:  # noqa: N801 - reads as the context manager it is
    """A file that is there, whole, when the block ends, or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        try:
            # SQLite gives -wal and -shm the mode of the file itself.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            raise errors.Unusable(
                f"db: {errors.quoted(self._path)} exists already",
                field="db",
                hint="a database is never overwritten: move it away, or choose another name",
            ) from None
        except OSError as error:
            raise errors.Unusable(
                f"db: {errors.quoted(self._path)} cannot be made: {error.strerror}", field="db"
            ) from None

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            for suffix in ("", "-wal", "-shm", ".lock"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


def _fill(path: Path, database: str, epoch: str) -> None:
    with lock.Lock(path), connections.translated(path):
        connection = connections.writer(path)
        try:
            _create(connection, database, epoch)
        finally:
            connection.close()


def _create(connection: sqlite3.Connection, database: str, epoch: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    migrations.create(connection)
    zero = log.ZERO_DIGEST
    connection.execute(
        sql.query("meta_insert"), (database, epoch, 0, zero, meta.digest_blob(0), 0, zero)
    )
    if epoch:
        meta.add_fork(connection, Fork(epoch=epoch, parent="", seq=0, digest=zero.hex()))
    connection.execute("COMMIT")
