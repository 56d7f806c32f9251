"""Commands, in groups, once each, all or nothing."""

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
from tests.datastores import ask, codes, commit, request
from wig import log, sqlite
from wig.commands import DeleteInterface, DeleteToken, ImportPeers, UpdateInterface, UpdatePeer


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


def test_a_bulk_larger_than_what_waits_in_memory_is_whole(datastore, monkeypatch):
    """Peers and entries are written in between, and undone all the same."""
    monkeypatch.setattr("wig.sqlite.view.PENDING_PEERS_MAX", 3)
    monkeypatch.setattr("wig.sqlite.transaction.PENDING_ENTRIES_MAX", 4)
    good = ImportPeers(peers=tuple(spec(n) for n in range(20)))
    bad = ImportPeers(peers=(*(spec(n) for n in range(20, 40)), spec("x", interface="x")))

    assert codes(commit(datastore, request(good), request(bad))) == ["ok", "not_found"]

    assert datastore.position().seq == 22
    sqlite.verify(datastore.path)
