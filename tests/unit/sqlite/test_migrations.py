"""From an older format to this one: all of it, once, or not at all."""

import sqlite3
from contextlib import closing

import pytest

from tests import datastores
from tests.builders import create_interface, create_peer
from wig import errors, sqlite
from wig.sqlite import connections, migrations


@pytest.fixture
def path(tmp_path):
    """A closed database of version 1."""
    path = tmp_path / "wig.db"
    datastores.make(path, create_interface(), create_peer(1)).close()
    return path


@pytest.fixture
def upgraded(monkeypatch):
    """Let this program know two further versions."""
    monkeypatch.setattr(connections, "SCHEMA_VERSION", 3)
    monkeypatch.setitem(migrations.STEPS, 2, add_note)
    monkeypatch.setitem(migrations.STEPS, 3, add_index)


def add_note(database):
    database["token"].add_column("note", str)
    database["token"].update("admin", {"note": "first"})


def add_index(database):
    database["token"].create_index(["note"], "token_by_note")


def version_of(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA user_version").fetchone()[0]


def columns_of(path):
    with closing(sqlite3.connect(path)) as connection:
        return [name for _, name, *_ in connection.execute("PRAGMA table_info(token)")]


def test_an_older_file_is_brought_up_to_date_when_it_is_opened(path, upgraded):
    """Every step in order; contents stay, and it is used at once."""
    with sqlite.Datastore.open(path) as datastore:
        assert datastores.ask(datastore, create_peer(2))["peer"]["ip"] == "10.0.0.3"

    assert version_of(path) == 3
    assert columns_of(path) == ["id", "body", "note"]


def test_steps_run_once(path, upgraded, monkeypatch):
    """The number in the file says which are done."""
    sqlite.Datastore.open(path).close()
    monkeypatch.setitem(migrations.STEPS, 2, None)

    sqlite.Datastore.open(path).close()

    assert version_of(path) == 3


@pytest.mark.parametrize("failure", [sqlite3.OperationalError("disk full"), ZeroDivisionError()])
def test_a_migration_that_fails_leaves_the_file_as_it_was(path, upgraded, monkeypatch, failure):
    """An older program can still use it."""

    def fail(database):
        add_index(database)
        raise failure

    before = path.read_bytes()
    monkeypatch.setitem(migrations.STEPS, 3, fail)

    with pytest.raises((errors.Damaged, ZeroDivisionError, errors.Unusable)):
        sqlite.Datastore.open(path)

    assert version_of(path) == 1
    assert path.read_bytes() == before
    monkeypatch.setattr(connections, "SCHEMA_VERSION", 1)
    sqlite.verify(path)
    sqlite.Datastore.open(path).close()


def test_a_migration_that_orphans_rows_is_undone(path, upgraded, monkeypatch):
    """Foreign keys are checked at the end, since a step may rebuild tables."""

    def orphan(database):
        database.execute("PRAGMA defer_foreign_keys = on")
        database.execute("UPDATE interface SET name = 'other'")

    monkeypatch.setitem(migrations.STEPS, 3, orphan)

    with pytest.raises(errors.Damaged, match="names nothing after the migration"):
        sqlite.Datastore.open(path)

    assert version_of(path) == 1


def test_there_is_a_step_to_every_version():
    """From 2 on."""
    assert set(migrations.STEPS) == set(range(2, connections.SCHEMA_VERSION + 1))


def test_a_reader_does_not_migrate(path, upgraded):
    """It may be another user's file; the writer's next start does it."""
    with sqlite.Reader(path) as reader:
        assert reader.counts().peers == 1

    assert version_of(path) == 1
