"""Opening a file for its only writer. Called by `datastore` and `history`."""

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from wig import errors
from wig.sqlite import connections, lock, migrations
from wig.sqlite.connections import Kind

W = TypeVar("W")


def opened(
    path: Path,
    make: Callable[[Path, lock.Lock, sqlite3.Connection], W],
    kind: Kind | None = None,
    steps: Mapping[int, migrations.Step] | None = None,
) -> W:
    """Lock a file, bring it to the current format, and return what `make` makes of it.

    `kind` None: a datastore's. Raises `Unusable` (missing, not a database, in use, read-only),
    `Damaged` (truncated) or `Unsupported` (from a newer program), each with a hint; the file is
    let go then.
    """
    connections.check_header(path, kind)
    held = lock.Lock(path)
    try:
        with connections.translated(path):
            connection = connections.writer(path)
            try:
                migrations.migrate(path, connection, kind, steps)
                return make(path, held, connection)
            except BaseException:
                connection.close()
                raise
    except BaseException as error:
        held.release()
        if isinstance(error, errors.Unavailable):
            raise errors.Unusable(error.message, field=error.field, hint=error.hint) from error
        raise
