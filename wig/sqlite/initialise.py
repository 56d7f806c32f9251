"""New database files: a primary's, and the empty one of a follower.

Called by `wig init` and by a follower's first start.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
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
    with new_file(Path(path)) as unfinished:
        _create(unfinished, database, epoch)
        if token is not None:
            with Datastore.open(unfinished) as datastore:
                datastore.append([ops.TokenCreate(token=token)], actor=actor, now=now)


def init_empty(path: str | Path) -> None:
    """Make a database that holds nothing and belongs to nobody until it loads a snapshot."""
    with new_file(Path(path)) as unfinished:
        _create(unfinished, "", "")


def set_aside(path: str | Path) -> Path:
    """Move a file that is damaged, with what belongs to it, out of the way; return its new name.

    For what can be had again from elsewhere. An older one in that place goes.
    """
    path = Path(path)
    aside = path.with_name(path.name + ".damaged")
    with lock.Lock(path):
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        path.replace(aside)
        _sync(path.parent)
    return aside


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a file to fill, which gets the name `path` when the block ends well.

    So `path` is a whole database or does not exist, even if the power fails meanwhile. Raises
    `Unusable` if there is a file already, which stays as it is.
    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    _refuse_existing(path)
    try:
        # SQLite gives -wal and -shm the mode of the file itself.
        os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise errors.Unusable(
            f"db: {errors.quoted(path)} cannot be made: {error.strerror}", field="db"
        ) from None
    try:
        with connections.translated(path):
            yield unfinished
        _sync(unfinished)
        with suppress(FileExistsError):
            os.link(unfinished, path)  # unlike a rename, this never replaces a file
            _sync(path.parent)
            return
        _refuse_existing(path)
    finally:
        for suffix in ("", "-wal", "-shm", "-journal", ".lock"):
            unfinished.with_name(unfinished.name + suffix).unlink(missing_ok=True)


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise errors.Unusable(
            f"db: {errors.quoted(path)} exists already",
            field="db",
            hint="a database is never overwritten: move it away, or choose another name",
        )


def _sync(path: Path) -> None:
    """Make a file, or the names in a directory, durable."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _create(path: Path, database: str, epoch: str) -> None:
    with closing(connections.writer(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        migrations.create(connection)
        zero = log.ZERO_DIGEST
        role = "primary" if epoch else "follower"
        connection.execute(
            sql.query("meta_insert"),
            (database, role, epoch, 0, zero, meta.digest_blob(0), 0, zero),
        )
        if epoch:
            meta.add_fork(connection, Fork(epoch=epoch, parent="", seq=0, digest=zero.hex()))
        connection.execute("COMMIT")
