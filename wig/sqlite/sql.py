"""The queries of `queries.sql` by name. Called by every module of this folder at import."""

import re
import sqlite3
from collections.abc import Sequence
from functools import cache
from importlib import resources
from itertools import chain
from typing import Any

_ROWS_AT_ONCE = (64, 8, 1)

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def load(file: str) -> dict[str, str]:
    """Return the statements of one file by name, without their comments."""
    text = resources.files(__package__).joinpath(file).read_text("utf-8")
    _, *parts = _NAME.split(text)
    return {
        name: " ".join(
            line.strip() for line in body.splitlines() if not line.startswith("--")
        ).strip("; ")
        for name, body in zip(parts[::2], parts[1::2], strict=True)
    }


_QUERIES = load("queries.sql")


def query(name: str) -> str:
    """Return the statement of one name; a name that is not in the file raises KeyError."""
    return _QUERIES[name]


def insert_all(connection: sqlite3.Connection, name: str, rows: Sequence[Sequence[Any]]) -> None:
    """Insert many rows by the `INSERT … VALUES (…)` of one name.

    Up to 64 rows a statement: a third less time than `executemany` for peers, and Python's lock
    is let go (and has to be won back from a busy thread) once per statement, not once per row.
    """
    start = 0
    for count in _ROWS_AT_ONCE:
        while len(rows) - start >= count:
            part = rows[start : start + count]
            connection.execute(_multiple(name, count), list(chain.from_iterable(part)))
            start += count


@cache
def _multiple(name: str, count: int) -> str:
    """Return an insertion of `count` rows."""
    head, values, row = query(name).partition("VALUES ")
    return head + values + ", ".join([row] * count)


def names() -> frozenset[str]:
    """Return every name in the file."""
    return frozenset(_QUERIES)


def schema(file: str = "schema.sql") -> str:
    """Return the statements that make an empty database of the current version."""
    return resources.files(__package__).joinpath(file).read_text("utf-8")
