"""The queries and the schema as text."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from wig.sqlite import migrations, sql

FOLDER = Path(sql.__file__).parent


def test_every_query_is_named_once_and_described():
    """Name, sentence, statement."""
    text = (FOLDER / "queries.sql").read_text()
    names = re.findall(r"^-- name: (\w+)\n-- [A-Z].*[.;]\n", text, re.MULTILINE)

    assert len(names) == text.count("-- name:") == len(sql.names()) == len(set(names))


def test_every_query_is_used():
    """What nobody asks for is not kept."""
    source = "".join(path.read_text() for path in FOLDER.glob("*.py"))
    templates = {"peer_ranges_4", "peer_ranges_6"}
    cleared = {name for name in sql.names() if name.endswith("_clear")}

    unused = {name for name in sql.names() - templates - cleared if f'"{name}"' not in source}

    assert unused == set()


def test_an_unknown_name_is_an_error_at_once():
    """A typing error shows at import."""
    with pytest.raises(KeyError):
        sql.query("nope")


WHOLE = {"peer_all", "peer_columns", "entry_all", "request_all", "request_oldest"}
"""Queries that walk over a large table on purpose; the last one by its LIMIT."""


@pytest.mark.parametrize("name", sorted(sql.names() - WHOLE))
def test_no_query_walks_over_all_peers_entries_or_outcomes(name):
    """A million of them must not be slower than a thousand."""
    statement = sql.query(name)
    if statement.startswith("DELETE") and "WHERE" not in statement:
        return  # empties a table, which SQLite does page by page
    with closing(sqlite3.connect(":memory:")) as connection:
        migrations.create(connection)
        parameters = ("[]",) * statement.count("?")
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()

    for *_, step in plan:
        assert not re.match("SCAN (peer|entry|request)", step), step


def test_every_table_is_strict():
    """SQLite checks the types that Python assumes."""
    tables = re.findall(r"^CREATE TABLE .*?^\)(.*?);", sql.schema(), re.MULTILINE | re.DOTALL)

    assert len(tables) == 8
    assert all("STRICT" in options for options in tables)
