"""Opening a database file, and SQLite's errors in the words of wig.

Called by everything in this folder that opens a file. This is the one border at which
`sqlite3.Error` becomes a `WigError`.

WAL: readers and backups never block the writer. A reader that stays open keeps SQLite from
reusing the WAL file, which then grows by what is written meanwhile; so snapshots end when it
passes a limit (`reader.py`). FULL: a commit is on disk when it returns.

**Invariant:** while this process has a connection to a file, it opens that file in no other way.
Closing any descriptor of a file drops all locks that the process has on it (fcntl(2)), SQLite's
among them; the next program that closes the database then believes to be the last one, and
deletes the WAL under the writer (https://www.sqlite.org/howtocorrupt.html, section 2.2).
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote
from weakref import WeakSet

from wig import errors

APPLICATION_ID = 0x77696721  # "wig!"
SCHEMA_VERSION = 1  # `PRAGMA user_version` of files that this program writes

BUSY_TIMEOUT_S = 5.0  # another program may hold a lock for a moment: a backup tool, a shell
CACHE_KIB = 64 * 1024  # the index of a million keys is 60 MB
CHECKPOINT_PAGES = 64_000  # 256 MB of WAL: `checkpoints` moves it long before, if it can
WAL_KEPT_BYTES = 64 * 1024 * 1024  # what a WAL file that had to grow is cut back to


class Kind(NamedTuple):
    """One kind of database file."""

    application_id: int
    version: int
    """The newest `PRAGMA user_version` that this program understands, and what it writes."""
    called: str
    schema: str
    """The file with its tables."""


def datastore() -> Kind:
    """Return the kind that a primary or a follower has."""
    return Kind(APPLICATION_ID, SCHEMA_VERSION, "a database of wig", "schema.sql")


_MAGIC = b"SQLite format 3\0"  # https://www.sqlite.org/fileformat.html, section 1.3
_HEADER_BYTES = 100


def writer(path: Path) -> sqlite3.Connection:
    """Return the connection of the one writer; the caller holds the file's lock."""
    connection = _connect(path, "rw")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")  # see `spilling`
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute("PRAGMA threads = 1")  # a second one to sort with, when indexes are built
    connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
    return connection


def reader(path: Path) -> sqlite3.Connection:
    """Return a connection that cannot write; one thread at a time may use it."""
    connection = _connect(path, "ro")
    connection.execute("PRAGMA query_only = ON")
    return connection


def checkpointer(path: Path) -> sqlite3.Connection:
    """Return a connection that moves the WAL into the file, beside the writer's."""
    connection = _connect(path, "rw")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


@contextmanager
def spilling(connection: sqlite3.Connection) -> Iterator[None]:
    """Keep in a file what the transactions of this block need beside the database.

    What a statement of several rows or a savepoint may have to undo is kept in memory otherwise:
    written to a file it is two fifths of all that a group of commands writes. But it is every
    page that changes, and building an index sorts all of it.
    """
    connection.execute("PRAGMA temp_store = FILE")
    try:
        yield
    finally:
        connection.execute("PRAGMA temp_store = MEMORY")


def shrink_wal(connection: sqlite3.Connection) -> None:
    """Move the WAL into the file and empty it, unless a reader is in the way."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


class _Connection(sqlite3.Connection):
    """A connection that `check_header` knows of until it is closed."""

    inode: tuple[int, int]

    def close(self) -> None:
        """Close it, and only then forget it."""
        super().close()
        with _guard:
            _open.discard(self)


_open: "WeakSet[_Connection]" = WeakSet()
_guard = threading.Lock()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    with _guard:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode={mode}",
            uri=True,
            isolation_level=None,
            timeout=BUSY_TIMEOUT_S,
            check_same_thread=False,
            factory=_Connection,
        )
        connection.inode = _inode(path.stat())
        _open.add(connection)
    # Text comes as bytes: bodies are decoded from bytes, and a listing skips a copy of each.
    connection.text_factory = bytes
    return connection


def _inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def check_header(path: Path, kind: Kind | None = None) -> None:
    """Raise `Unusable`, `Unsupported` or `Damaged` unless `path` is a whole database of its kind.

    A file that this process has open was checked when it was opened, and is not touched.
    """
    kind = kind or datastore()
    try:
        with _guard:
            status = path.stat()
            if any(each.inode == _inode(status) for each in _open):
                return
            with path.open("rb") as file:
                head = file.read(_HEADER_BYTES)
    except FileNotFoundError:
        raise errors.Unusable(
            f"db: {errors.quoted(path)} does not exist",
            field="db",
            hint=f"`wig init --db {path}` makes a new one",
        ) from None
    except OSError as error:
        raise errors.Unusable(
            f"db: {errors.quoted(path)} cannot be read: {error.strerror}", field="db"
        ) from None
    if not head or (head.startswith(_MAGIC) and len(head) < _HEADER_BYTES):
        raise _truncated(path, f"it has {len(head)} bytes")
    if not head.startswith(_MAGIC):
        raise errors.Unusable(f"db: {errors.quoted(path)} is not a database", field="db")
    if int.from_bytes(head[68:72], "big") != kind.application_id:
        raise errors.Unusable(f"db: {errors.quoted(path)} is not {kind.called}", field="db")
    check_version(path, int.from_bytes(head[60:64], "big"), kind)
    page_bytes = int.from_bytes(head[16:18], "big")
    wanted = (65536 if page_bytes == 1 else page_bytes) * int.from_bytes(head[28:32], "big")
    if status.st_size < wanted and not wal_bytes(path):
        raise _truncated(path, f"{status.st_size} bytes instead of {wanted}")


def _truncated(path: Path, why: str) -> errors.Damaged:
    return errors.Damaged(
        f"db: {errors.quoted(path)} is truncated: {why}",
        field="db",
        hint="restore it from a backup",
    )


def check_version(path: Path, version: int, kind: Kind) -> None:
    """Raise `Unsupported` for a file that a newer wig wrote."""
    if version > kind.version:
        raise errors.Unsupported(
            f"db: {errors.quoted(path)} has format {version}, this program knows {kind.version}",
            field="db",
            hint="upgrade wig on this host",
        )


def wal_bytes(path: Path) -> int:
    """Return the size of the WAL, which may hold what the file itself lacks after a crash."""
    wal = path.with_name(path.name + "-wal")
    return wal.stat().st_size if wal.exists() else 0


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into `Unavailable` (busy, full disk), `Damaged` or `Unusable`."""
    try:
        yield
    except sqlite3.Error as error:
        raise translation(path, error) from error


def may_be_kept(error: sqlite3.Error) -> bool:
    """Say whether a COMMIT that failed like this may be found committed after a restart.

    The commit record is the last thing written before the file is synced. If a write failed, it
    is not there; if the sync failed, it may be.
    """
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_IOERR)
    return bool(code & 0xFF == sqlite3.SQLITE_IOERR and code != sqlite3.SQLITE_IOERR_WRITE)


_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}  # the latter: of the WAL's index


def translation(path: Path, error: sqlite3.Error) -> errors.WigError:
    """Return what a person is told about an error of SQLite."""
    code = getattr(error, "sqlite_errorcode", None)
    which = errors.quoted(path)
    if code in _NO_ROOM:
        return errors.Unavailable(
            f"db: {which} cannot grow: {error}", field="db", hint="free some disk space"
        )
    match None if code is None else code & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return errors.Unavailable(
                f"db: {which} is locked by another program",
                field="db",
                hint="close programs that write to it, such as a `sqlite3` shell",
            )
        case (
            sqlite3.SQLITE_CORRUPT
            | sqlite3.SQLITE_NOTADB
            | sqlite3.SQLITE_CONSTRAINT
            | sqlite3.SQLITE_ERROR  # a table or a column is not there
        ):
            return errors.Damaged(
                f"db: {which} is damaged: {error}", field="db", hint="restore it from a backup"
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN:
            return errors.Unusable(
                f"db: {which} cannot be written: {error}",
                field="db",
                hint="file and directory must belong to the user that wig runs as",
            )
        case _:
            return errors.Unusable(f"db: {which} cannot be used: {error}", field="db")
