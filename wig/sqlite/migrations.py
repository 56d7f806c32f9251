"""From an older file to the current schema, one numbered step at a time.

Called when a database is made or opened for writing. The number is in `PRAGMA user_version`, in
the file's header, so that an old program can tell a newer file without reading a table. All
steps that a file needs run in one transaction: it is never half-way.

A release that adds a field to an object or a kind of op raises the number too, even if no table
changes: an older program would read such bodies and entries as damaged.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from wig import errors
from wig.sqlite import connections, sql
from wig.sqlite.connections import Kind

Step = Callable[[Any], None]
"""Changes a `sqlite_utils.Database` inside a transaction that it neither begins nor ends.

Not with its `transform`, which loses CHECK constraints and fails without rowid: such tables are
made anew in SQL. `wig verify` of a migrated file must find what `schema.sql` says.
"""

STEPS: dict[int, Step] = {}
"""The step that brings a file to each version, from version 2 on."""


def create(connection: sqlite3.Connection, kind: Kind | None = None) -> None:
    """Make the tables of the current version, inside the caller's transaction."""
    kind = kind or connections.datastore()
    for statement in _statements(sql.schema(kind.schema)):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {kind.application_id}")
    connection.execute(f"PRAGMA user_version = {kind.version}")


def migrate(
    path: Path,
    connection: sqlite3.Connection,
    kind: Kind | None = None,
    steps: Mapping[int, Step] | None = None,
) -> None:
    """Bring the file to the current version, and make sure that it can be written at all.

    Raises `Unsupported` if it is of a newer version than this program.
    """
    kind = kind or connections.datastore()
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connections.check_version(path, version, kind)
        if version < kind.version:
            _run_steps(connection, range(version + 1, kind.version + 1), steps or STEPS)
        # Written even if it is right already: BEGIN IMMEDIATE does not fail on a read-only file.
        connection.execute(f"PRAGMA user_version = {kind.version}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _run_steps(
    connection: sqlite3.Connection, numbers: Iterable[int], steps: Mapping[int, Step]
) -> None:
    # Loaded here, since it costs 100 ms, and there is something to migrate once in a year.
    database = import_module("sqlite_utils").Database(connection)
    bodies_as_bytes, connection.text_factory = connection.text_factory, str
    for number in numbers:
        steps[number](database)
    connection.text_factory = bodies_as_bytes
    if broken := connection.execute("PRAGMA foreign_key_check").fetchone():
        raise errors.Damaged(f"db: a row of {broken[0]} names nothing after the migration")


def _statements(script: str) -> list[str]:
    """Split a script; unlike `executescript`, this leaves the caller's transaction open."""
    found, lines = [], ""
    for line in script.splitlines(keepends=True):
        lines += line
        if sqlite3.complete_statement(lines):
            found.append(lines)
            lines = ""
    return found
