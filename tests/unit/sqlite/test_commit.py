"""Commands, in groups, once each, all or nothing."""

import sqlite3

import msgspec
import pytest

from tests import datastores
from tests.builders import (
    NOON,
    create_interface,
    create_peer,
    create_token,
    delete_peer,
    key,
    peer,
    spec,
)
from tests.datastores import ask, commit, request
from wig import log, sqlite
from wig.commands import DeleteInterface, DeleteToken, ImportPeers, UpdateInterface, UpdatePeer
from wig.sqlite import crash


def codes(replies):
    return [reply.get("error", {}).get("code", "ok") for reply in replies]


def test_a_command_is_answered_with_the_position_that_it_made(datastore):
    """The reply holds the object, and where the log is now."""
    (reply,) = commit(datastore, request(create_peer(1)))

    assert reply["ok"]["peer"]["ip"] == "10.0.0.2"
    assert reply["ok"]["peer"]["revision"] == f"{datastore.position().epoch}:3"
    assert msgspec.convert(reply["position"], log.Position) == datastore.position()


def test_state_and_log_are_there_after_a_restart(datastore):
    """What was committed is in the file."""
    ask(datastore, create_peer(1))
    before = datastores.contents(datastore), datastore.records(0, 10)
    datastore.close()

    with sqlite.Datastore.open(datastore.path) as again:
        assert (datastores.contents(again), again.records(0, 10)) == before
        assert again.position().seq == 3


def test_the_log_holds_who_asked_when_and_as_which_request(datastore):
    """One entry per op, chained."""
    commit(datastore, request(create_peer(1), "r1", actor="alice"))

    (record,) = datastore.records(2, 10)
    entry = log.decode_entry(record.payload)
    assert (entry.seq, entry.actor, entry.request, entry.time) == (3, "alice", "r1", NOON)
    assert entry.op.peer == peer(1, ip="10.0.0.2", ip6="fd00::2")
    assert record.digest == log.chain(datastore.digest_at(2), record.payload)


@pytest.mark.parametrize("limit", [1, 3, 4, 100])
@pytest.mark.parametrize("after", [0, 2, 3, 5, 6])
def test_the_entries_of_the_last_commit_are_those_in_the_file(datastore, monkeypatch, after, limit):
    """They come from memory, as far as it goes, and never with what was undone."""
    monkeypatch.setattr("wig.sqlite.transaction.WRITTEN_ENTRIES_MAX", 3)
    undone = ImportPeers(peers=(spec(8), spec(9, interface="x")))
    commit(datastore, request(create_peer(1)), request(undone), *(
        request(create_peer(n)) for n in (2, 3, 4)
    ))  # fmt: skip

    with datastore.reader() as reader:
        assert datastore.records(after, limit) == reader.records(after, limit)


def test_requests_of_a_group_see_each_other(datastore):
    """They are decided in order, in one transaction."""
    replies = commit(
        datastore,
        request(create_interface("wg1", port=1, addresses=("10.1.0.1/24",))),
        request(create_peer(1, interface="wg1")),
        request(delete_peer(1)),
        request(create_peer(1, interface="wg1")),
        request(create_peer(2, interface="wg1")),
    )

    assert codes(replies) == ["ok"] * 5
    assert [reply["ok"]["peer"]["ip"] for reply in replies[3:]] == ["10.1.0.2", "10.1.0.3"]
    sqlite.verify(datastore.path)


def test_an_error_leaves_the_others_of_its_group_alone(datastore):
    """Those before it and those after it."""
    replies = commit(
        datastore,
        request(create_peer(1)),
        request(create_peer(2, interface="nope")),
        request(create_peer(3)),
    )

    assert codes(replies) == ["ok", "not_found", "ok"]
    assert replies[1]["error"]["field"] == "interface"
    assert datastore.position().seq == 4


def test_an_import_that_fails_half_way_leaves_nothing(datastore):
    """Neither its ops, nor entries, nor used addresses; the group around it stays."""
    bad = ImportPeers(peers=(spec(2), spec(3), spec(4, ip="10.9.9.9")))

    replies = commit(datastore, request(create_peer(1)), request(bad), request(create_peer(5)))

    assert codes(replies) == ["ok", "invalid", "ok"]
    assert replies[2]["ok"]["peer"]["ip"] == "10.0.0.3"
    assert datastore.position().seq == 4
    sqlite.verify(datastore.path)


def test_an_import_is_one_entry_per_new_peer(datastore):
    """Those that exist as asked are counted as unchanged."""
    ask(datastore, create_peer(1))

    answer = ask(datastore, ImportPeers(peers=tuple(spec(n) for n in range(1, 6))))

    assert answer == {"created": 4, "unchanged": 1}
    assert datastore.position().seq == 7
    sqlite.verify(datastore.path)


def test_deleting_an_interface_with_peers_logs_every_op(datastore):
    """Peers first."""
    ask(datastore, ImportPeers(peers=tuple(spec(n) for n in range(5))))

    answer = ask(datastore, DeleteInterface(name="wg0", with_peers=True))

    assert answer == {"deleted": {"interfaces": 1, "peers": 5}}
    kinds = [type(log.decode_entry(one.payload).op).__name__ for one in datastore.records(7, 9)]
    assert kinds == ["PeerDelete"] * 5 + ["InterfaceDelete"]
    sqlite.verify(datastore.path)


def test_every_kind_of_update_and_delete_keeps_the_file_true(datastore):
    """State digest, columns, used addresses and counts, after each."""
    ask(datastore, ImportPeers(peers=(spec(1), spec(2, ip="10.0.0.8/29"), spec(3, ip6=None))))

    for command in (
        UpdatePeer(public_key=key(1), ip="10.0.0.77", name="a"),
        UpdatePeer(public_key=key(2), ip=None, ip6="fd00::100/120"),
        UpdatePeer(public_key=key(3), ip6="auto", enabled=False),
        UpdateInterface(name="wg0", addresses=("10.0.0.200/24", "fd00::1/64"), port=7),
        delete_peer(2),
        create_token("gw1", role="gateway"),
        DeleteToken(id="gw1"),
    ):
        ask(datastore, command)
        sqlite.verify(datastore.path)


def test_unchanged_makes_no_entry(datastore):
    """A create that already holds is a success that says so."""
    ask(datastore, create_peer(1))
    before = datastore.position()

    assert ask(datastore, create_peer(1))["unchanged"]
    assert datastore.position() == before


def test_a_repeated_request_returns_what_was_answered_first(datastore):
    """Byte for byte, however late, and nothing happens again."""
    (first,) = datastore.commit([request(create_peer(1), "r1")], NOON)
    ask(datastore, delete_peer(1))
    before = datastore.position()

    (again,) = datastore.commit([request(create_peer(1), "r1")], NOON)

    assert again == (first.reply, first.head, True)
    assert datastore.position() == before


def test_a_request_repeated_within_its_group_is_done_once(datastore):
    """The second of them waits for the same head."""
    first, second = datastore.commit([request(create_peer(1), "r1")] * 2, NOON)

    assert second == first._replace(repeated=True)
    assert datastore.position().seq == 3


def test_another_command_under_a_known_request_id_is_not_carried_out(datastore):
    """The id names the outcome, whatever comes with it."""
    (first,) = datastore.commit([request(create_peer(1), "r1")], NOON)

    (other,) = datastore.commit([request(create_peer(2), "r1")], NOON)

    assert other.reply == first.reply
    assert datastore.position().seq == 3


def test_the_same_request_id_of_another_actor_is_another_request(datastore):
    """Ids are chosen by clients that do not know each other."""
    commit(datastore, request(create_peer(1), "r1", actor="alice"))

    (reply,) = commit(datastore, request(create_peer(2), "r1", actor="bob"))

    assert reply["ok"]["peer"]["public_key"] == key(2)


def test_an_error_is_repeated_too(datastore):
    """Even when the command could succeed by now."""
    (refused,) = commit(datastore, request(create_peer(1, interface="wg9"), "r1"))
    ask(datastore, create_interface("wg9", port=9, addresses=()))

    assert commit(datastore, request(create_peer(1, interface="wg9"), "r1")) == [refused]


def test_requests_without_an_id_are_not_recorded(datastore):
    """They promise nothing, and cost nothing."""
    ask(datastore, create_peer(1))

    assert sqlite.verify(datastore.path).requests == 0


def test_an_outcome_names_the_head_that_it_depends_on(datastore):
    """Errors and unchanged answers depend on what was committed before them."""
    outcomes = datastore.commit(
        [request(create_peer(1)), request(create_peer(1)), request(create_peer(2, interface="x"))],
        NOON,
    )

    assert [outcome.head for outcome in outcomes] == [3, 3, 3]


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


def test_a_bulk_larger_than_what_waits_in_memory_is_whole(datastore, monkeypatch):
    """Peers and entries are written in between, and undone all the same."""
    monkeypatch.setattr("wig.sqlite.view.PENDING_PEERS_MAX", 3)
    monkeypatch.setattr("wig.sqlite.transaction.PENDING_ENTRIES_MAX", 4)
    good = ImportPeers(peers=tuple(spec(n) for n in range(20)))
    bad = ImportPeers(peers=(*(spec(n) for n in range(20, 40)), spec("x", interface="x")))

    assert codes(commit(datastore, request(good), request(bad))) == ["ok", "not_found"]

    assert datastore.position().seq == 22
    sqlite.verify(datastore.path)
