"""The queries and the schema as text."""

import re
from pathlib import Path

import pytest

from wig import sqlite
from wig.sqlite import sql

FOLDER = Path(sqlite.__file__).parent


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


def test_every_table_is_strict():
    """SQLite checks the types that Python assumes."""
    tables = re.findall(r"^CREATE TABLE .*?^\)(.*?);", sql.schema(), re.MULTILINE | re.DOTALL)

    assert len(tables) == 8
    assert all("STRICT" in options for options in tables)
