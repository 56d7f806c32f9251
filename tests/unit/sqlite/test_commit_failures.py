"""What a commit answers when the disk, another program or a defect is in its way."""

import sqlite3

import pytest

from tests import datastores
from tests.builders import (
    create_peer,
    delete_peer,
    key,
    spec,
)
from tests.datastores import ask, codes, commit, request
from wig import sqlite
from wig.commands import ImportPeers
from wig.sqlite import crash


def test_a_full_disk_refuses_the_whole_group_and_changes_nothing(datastore):
    """And the next group succeeds once there is room."""
    pages = datastore._connection.execute("PRAGMA page_count").fetchone()[0]
    datastore._connection.execute(f"PRAGMA max_page_count = {pages}")
    before = datastores.contents(datastore)
    many = ImportPeers(peers=tuple(spec(n) for n in range(200)))

    replies = commit(datastore, request(create_peer(1000), "r1"), request(many))

    assert codes(replies) == ["unavailable"] * 2
    assert "cannot grow" in replies[0]["error"]["message"]
    assert datastores.contents(datastore) == before
    datastore._connection.execute("PRAGMA max_page_count = 1000000")
    assert codes(commit(datastore, request(create_peer(1000), "r1"))) == ["ok"]
    sqlite.verify(datastore.path)


def test_a_lock_of_another_program_is_unavailable_not_empty(datastore):
    """Nothing is decided on what cannot be read."""
    datastore._connection.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(datastore.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    (reply,) = commit(datastore, request(create_peer(1)))
    other.execute("ROLLBACK")
    other.close()

    assert reply["error"]["code"] == "unavailable"
    assert "locked by another program" in reply["error"]["message"]
    assert ask(datastore, create_peer(1))["peer"]["ip"] == "10.0.0.2"


def test_what_another_program_wrote_is_seen(datastore):
    """Whatever was remembered is read again."""
    ask(datastore, create_peer(1))
    other = sqlite3.connect(datastore.path)
    other.execute("UPDATE interface SET body = replace(body, '10.0.0.1/24', '10.0.0.1/25')")
    other.commit()
    other.close()

    (reply,) = commit(datastore, request(create_peer(2, ip="10.0.0.200")))

    assert reply["error"]["code"] == "invalid"


def test_damage_is_told_to_who_meets_it_and_to_nobody_else(datastore):
    """Addresses that are not marked as used cannot be released, half-way through a delete."""
    ask(datastore, ImportPeers(peers=(spec(1), spec(2, ip6=None))))
    other = sqlite3.connect(datastore.path)
    other.execute("UPDATE island SET last = first WHERE version = 6")
    other.commit()
    other.close()
    digest = datastore.state_digest()

    replies = commit(
        datastore,
        request(create_peer(3, ip6=None), "r3"),
        request(delete_peer(1), "r1"),
        request(delete_peer(2), "r2"),
        request(delete_peer(3), "r4"),
        request(create_peer(2, ip6=None), "r5"),
    )

    assert codes(replies) == ["ok", "damaged", "ok", "ok", "ok"]
    assert datastore.state_digest() != digest
    assert datastore.reader().peer(key(1)) is not None
    other = sqlite3.connect(datastore.path)
    other.execute("UPDATE island SET last = x'fd000000000000000000000000000002' WHERE version = 6")
    other.commit()
    other.close()
    assert codes(commit(datastore, request(delete_peer(1), "r1"))) == ["ok"]
    assert sqlite.verify(datastore.path).peers == 1


@pytest.fixture
def failing():
    """Install an error at a crash point."""

    def install(name, error):
        def hook(point):
            if point == name:
                raise error

        crash.install(hook)

    yield install
    crash.install(None)


def test_a_programming_error_undoes_the_group(datastore, failing):
    """It is not answered, it is raised; and nothing of it is left."""
    before = datastores.contents(datastore)
    failing("commit: outcome noted", ZeroDivisionError())

    with pytest.raises(ZeroDivisionError):
        commit(datastore, request(create_peer(1), "r1"))
    crash.install(None)

    assert datastores.contents(datastore) == before
    assert codes(commit(datastore, request(create_peer(1), "r1"))) == ["ok"]


def test_nobody_sees_a_position_before_it_is_committed(datastore):
    """Other threads look at position, state digest and base while a group is decided."""
    seen = set()
    before = datastore.position(), datastore.state_digest()
    crash.install(lambda _: seen.add((datastore.position(), datastore.state_digest())))
    try:
        commit(datastore, request(create_peer(1)), request(create_peer(2)))
    finally:
        crash.install(None)

    assert seen == {before, (datastore.position(), datastore.state_digest())}
    assert datastore.position().seq == 4


def sqlite_error(name):
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = name
    error.sqlite_errorcode = getattr(sqlite3, name)
    return error


class Failing:
    """A connection whose COMMIT fails like a disk does."""

    def __init__(self, connection, error):
        self._connection, self._error = connection, error

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def execute(self, statement, parameters=()):
        if statement == "COMMIT" and self._error is not None:
            error, self._error = self._error, None
            raise error
        return self._connection.execute(statement, parameters)


def test_a_failed_sync_is_unknown_and_stops_the_writer(datastore):
    """A restart may find the group committed: the client must repeat, not give up."""
    transaction = datastore._transaction
    transaction.connection = Failing(transaction.connection, sqlite_error("SQLITE_IOERR_FSYNC"))

    replies = commit(datastore, request(create_peer(1), "r1"))
    later = commit(datastore, request(create_peer(2), "r2"))

    assert codes(replies + later) == ["unknown", "unavailable"]
    assert later[0]["error"]["hint"] == "check the disk, then restart"


def test_a_failed_write_of_a_commit_is_undone(datastore):
    """The commit record comes last, so it was not written."""
    transaction = datastore._transaction
    transaction.connection = Failing(transaction.connection, sqlite_error("SQLITE_IOERR_WRITE"))

    replies = commit(datastore, request(create_peer(1), "r1"))
    later = commit(datastore, request(create_peer(1), "r1"))

    assert codes(replies + later) == ["unavailable", "ok"]
    sqlite.verify(datastore.path)
