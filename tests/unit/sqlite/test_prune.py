"""What the log forgets, and what it never does."""

from datetime import timedelta

import pytest

from tests import datastores
from tests.builders import NOON, create_interface, create_peer
from tests.datastores import commit, request
from wig import sqlite

DAY = timedelta(days=1)


@pytest.fixture
def datastore(tmp_path):
    """Entries 1 and 2 of NOON, then one entry and outcome a day: 3 to 12."""
    with datastores.make(tmp_path / "wig.db", create_interface()) as datastore:
        for day in range(1, 11):
            commit(datastore, request(create_peer(day), f"r{day}"), now=NOON + day * DAY)
        yield datastore


def test_old_entries_and_outcomes_are_forgotten(datastore):
    """The log begins later, at the digest that the forgotten ones led to."""
    digest = datastore.digest_at(7)

    pruned = datastore.prune(NOON + 10 * DAY, 4 * DAY, keep_entries=1)

    assert pruned == 7 + 5
    assert datastore.base() == (7, digest)
    assert datastore.oldest() == 8
    assert datastore.digest_at(7) == digest
    assert datastore.digest_at(6) is None
    assert [record.seq for record in datastore.records(0, 3)] == [8, 9, 10]
    report = sqlite.verify(datastore.path)
    assert (report.base, report.entries, report.requests) == (7, 5, 5)


def test_pruning_is_done_when_it_returns_nothing(datastore):
    """A second call finds nothing to do."""
    datastore.prune(NOON + 10 * DAY, 4 * DAY, keep_entries=1)

    assert datastore.prune(NOON + 10 * DAY, 4 * DAY, keep_entries=1) == 0


def test_work_is_done_in_pieces(datastore, monkeypatch):
    """So that commands can be decided in between."""
    monkeypatch.setattr("wig.sqlite.oplog.PRUNED_ROWS_MAX", 3)

    pieces = iter(lambda: datastore.prune(NOON + 10 * DAY, 4 * DAY, keep_entries=1), 0)

    assert list(pieces) == [3 + 3, 3 + 2, 1]
    assert datastore.oldest() == 8


@pytest.mark.parametrize(
    ("limits", "oldest"),
    [
        pytest.param({"keep_entries": 0}, 12, id="the-last-entry-always-stays"),
        pytest.param({"keep_entries": 5}, 8, id="so-many-stay"),
        pytest.param({"keep_entries": 1, "keep_from_seq": 4}, 4, id="a-running-snapshot"),
        pytest.param({"keep_entries": 100}, 1, id="more-than-there-are"),
        pytest.param({"keep_entries": 1, "keep_from_seq": 1}, 1, id="all-of-them"),
    ],
)
def test_what_must_stay_stays_however_old(datastore, limits, oldest):
    """By number, and for whoever still needs them."""
    datastore.prune(NOON + 1000 * DAY, DAY, **limits)

    assert datastore.oldest() == oldest
    sqlite.verify(datastore.path)


def test_a_clock_that_was_ahead_keeps_what_follows(datastore):
    """Entries go from the old end only, up to the first one that is young."""
    commit(datastore, request(create_peer("ahead"), "a"), now=NOON + 900 * DAY)
    commit(datastore, request(create_peer("after"), "b"), now=NOON + 11 * DAY)
    commit(datastore, request(create_peer("last"), "c"), now=NOON + 12 * DAY)

    datastore.prune(NOON + 500 * DAY, 100 * DAY, keep_entries=1)

    assert datastore.oldest() == 13
    assert sqlite.verify(datastore.path).requests == 3


def test_a_forgotten_request_is_a_new_one(datastore):
    """The promise of a safe retry lasts as long as the log."""
    datastore.prune(NOON + 1000 * DAY, DAY, keep_entries=1)

    (outcome,) = datastore.commit([request(create_peer(1), "r1")], NOON)

    assert not outcome.repeated


def test_a_pruned_log_goes_on_after_a_restart(datastore):
    """The base is in the file."""
    datastore.prune(NOON + 1000 * DAY, DAY, keep_entries=2)
    base, position = datastore.base(), datastore.position()
    datastore.close()

    with sqlite.Datastore.open(datastore.path) as again:
        assert (again.base(), again.position()) == (base, position)
        datastores.ask(again, create_peer("next"))
        sqlite.verify(again.path)
