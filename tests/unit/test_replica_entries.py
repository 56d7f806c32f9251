"""Which entries a downstream applies."""

import pytest

from tests.driven_replica import (
    FIRST,
    LOG,
    at,
    connected,
    following,
    fork,
    only,
    records,
)
from wig import errors
from wig import replica_actions as do
from wig import replica_events as on
from wig.log import Fork, Record
from wig.replica import (
    APPLY_ENTRIES_MAX,
    RETRY_S_MAX,
    UNSUPPORTED_RETRY_S,
    Phase,
)
from wig.replication import Continue


def test_entries_that_continue_the_chain_are_applied_then_acknowledged():
    """In this order: an entry that is acknowledged survives."""
    one = following(at(5))

    assert one.arrived(*LOG[5:8]) == [do.Apply("e1", tuple(LOG[5:8]))]
    assert one.applied(at(8)) == [do.Acknowledge(one.attempt, 8)]
    assert one.replica.position == at(8)


def test_what_arrives_meanwhile_is_applied_in_one_go():
    """Apply never overlaps apply; a busy sink gets larger batches."""
    one = following(at(0))
    one.arrived(LOG[0])

    assert one.arrived(LOG[1]) == []
    assert one.arrived(LOG[2]) == []
    assert one.replica.backlog == 2
    assert only(do.Apply, one.applied(at(1))).records == tuple(LOG[1:3])


def test_one_apply_has_a_limit():
    """A transaction stays short."""
    one = following(at(0))
    one.arrived(LOG[0])
    one.arrived(*LOG[1:3000])

    assert len(only(do.Apply, one.applied(at(1))).records) == APPLY_ENTRIES_MAX


def test_entries_that_it_has_are_acknowledged_again_and_not_applied():
    """The acknowledgement was lost, or the sink was ahead of it."""
    one = following(at(5))

    assert one.arrived(*LOG[2:5]) == [do.Acknowledge(one.attempt, 5)]


def test_entries_that_come_twice_are_applied_once():
    """Redelivery is the normal case."""
    one = following(at(5))
    one.arrived(*LOG[5:8])

    assert one.arrived(*LOG[5:9]) == []
    assert only(do.Apply, one.applied(at(8))).records == (LOG[8],)


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        pytest.param([LOG[6]], "entry 7 follows entry 5", id="a gap"),
        pytest.param([LOG[5], LOG[7]], "entry 8 follows entry 6", id="a gap inside"),
    ],
)
def test_a_gap_is_never_jumped(entries, why):
    """It attaches again from where it is."""
    one = following(at(5))

    one.arrived(*entries)

    assert one.replica.why == why
    assert only(do.Attach, one.feed(on.Tick(), RETRY_S_MAX)).position == at(5)


BROKEN = [
    pytest.param(Record(6, b"x", LOG[5].digest), id="another payload"),
    pytest.param(Record(6, LOG[5].payload, bytes(32)), id="another digest"),
    pytest.param(Record(6, LOG[5].payload, b""), id="no digest"),
    pytest.param(records(6, "other")[5], id="an entry of another timeline"),
]


@pytest.mark.parametrize("entry", BROKEN)
def test_an_entry_that_breaks_the_chain_is_refused_and_counted(entry):
    """Invariant 7: it is never applied."""
    one = following(at(5))

    actions = one.arrived(entry)

    assert [action for action in actions if isinstance(action, do.Apply)] == []
    assert isinstance(only(do.Alert, actions).error, errors.Damaged)
    assert one.replica.refused_entries == 1


def test_an_entry_that_breaks_the_chain_twice_leads_to_a_snapshot():
    """The upstream says that the position is good, and yet its entries do not follow it."""
    one = following(at(5))
    bad = BROKEN[0].values[0]
    one.arrived(bad)
    again = only(do.Attach, one.feed(on.Tick(), RETRY_S_MAX))
    one.answered(Continue(6, (FIRST,)))
    one.arrived(bad)

    assert again.whole is False
    assert only(do.Attach, one.feed(on.Tick(), RETRY_S_MAX)).whole is True


def test_a_good_entry_after_a_broken_one_ends_the_alert():
    """The damage was on the way."""
    one = following(at(5))
    one.arrived(BROKEN[0].values[0])
    one.feed(on.Tick(), RETRY_S_MAX)
    one.answered(Continue(6, (FIRST,)))
    one.arrived(LOG[5])

    assert only(do.Alert, one.applied(at(6))).error is None


def test_entries_of_an_earlier_attempt_are_ignored():
    """They may be of another timeline."""
    one = following(at(5))
    old = one.attempt
    one.feed(on.Connected())
    one.answered(Continue(6, (FIRST,)))

    assert one.feed(on.Arrived(old, (LOG[5],), "e1")) == []


def test_while_something_is_applied_nothing_is_attached():
    """An attach must name the true position of the sink."""
    one = following(at(5))
    one.arrived(LOG[5])

    assert one.feed(on.Broken(one.attempt, errors.Unavailable("gone"))) == [
        do.Release(one.attempt - 1)
    ]
    assert one.feed(on.Tick(), 5) == []
    assert one.applied(at(6)) == [do.Attach(one.attempt, "db", at(6), whole=False)]


def test_an_epoch_without_entries_begins_at_once():
    """Otherwise the replica would seem to be in another epoch than its upstream for ever."""
    one = connected(at(5))
    lineage = (FIRST, fork("e2", "e1", 5), fork("e3", "e2", 5))

    actions = one.answered(Continue(6, lineage))

    assert actions[-1] == do.Apply("e2", ())
    assert only(do.Apply, one.applied(at(5, "e2"))) == do.Apply("e3", ())
    assert one.applied(at(5, "e3")) == [do.Acknowledge(one.attempt, 5)]


def test_entries_are_split_where_an_epoch_begins():
    """Objects carry the epoch of the op that changed them."""
    one = following(at(5), (FIRST, fork("e2", "e1", 7)))

    assert one.arrived(LOG[5]) == [do.Apply("e1", (LOG[5],))]
    assert one.arrived(LOG[6]) + one.arrived(*LOG[7:9]) == []
    assert only(do.Apply, one.applied(at(6))) == do.Apply("e1", (LOG[6],))
    assert only(do.Apply, one.applied(at(7))) == do.Apply("e2", ())
    assert only(do.Apply, one.applied(at(7, "e2"))) == do.Apply("e2", tuple(LOG[7:9]))


@pytest.mark.parametrize("epoch", ["e2", ""])
def test_entries_of_an_epoch_that_is_not_in_the_lineage_are_not_applied(epoch):
    """The upstream has gone on into a new epoch since the attach; its fork is not known here."""
    one = following(at(5))

    actions = one.feed(on.Arrived(one.attempt, (LOG[5],), epoch))

    assert [action for action in actions if isinstance(action, do.Apply)] == []
    assert only(do.Attach, one.feed(on.Tick(), RETRY_S_MAX)).position == at(5)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(Fork(epoch="e2", parent="e1", seq=5, digest="other"), id="another past"),
        pytest.param(Fork(epoch="e2", parent="e1", seq=4, digest=at(4).digest), id="passed"),
    ],
)
def test_an_epoch_that_began_in_another_past_is_not_entered(wrong):
    """The upstream's answer contradicts itself."""
    one = connected(at(5))

    actions = one.answered(Continue(6, (FIRST, wrong)))

    assert [action for action in actions if isinstance(action, do.Apply)] == []
    assert one.replica.phase is Phase.DETACHED
    assert one.replica.refused_entries == 1


@pytest.mark.parametrize("kind", [errors.Unsupported, errors.Invalid])
def test_an_entry_of_a_newer_version_stops_it_where_it_is(kind):
    """It serves on, with an alert, and looks again from time to time."""
    one = following(at(5))
    one.arrived(*LOG[5:8])

    actions = one.applied(at(6), error=kind("entry: upgrade this node"))

    assert only(do.Alert, actions).error.message == "entry: upgrade this node"
    one.feed(on.Tick(), UNSUPPORTED_RETRY_S - 1)
    assert one.replica.phase is Phase.DETACHED
    assert only(do.Attach, one.feed(on.Tick(), 1)).position == at(6)


def test_a_sink_that_fails_for_now_is_tried_again_from_where_it_is():
    """A full disk, say."""
    one = following(at(5))
    one.arrived(*LOG[5:8])

    actions = one.applied(at(5), error=errors.Unavailable("disk full"))

    assert only(do.Alert, actions).error.message == "disk full"
    assert only(do.Attach, one.feed(on.Tick(), RETRY_S_MAX)).position == at(5)


def test_a_sink_whose_state_does_not_take_an_entry_gets_a_snapshot():
    """It cannot be the state of its position, so to try again would not help."""
    one = following(at(5))
    one.arrived(*LOG[5:8])

    one.applied(at(6), error=errors.Damaged("op: no such peer"))

    attach = only(do.Attach, one.feed(on.Tick(), RETRY_S_MAX))
    assert (attach.position, attach.whole) == (at(6), True)


def test_a_sink_that_is_not_where_it_should_be_gets_a_snapshot():
    """The same property, asserted before the write and after it."""
    one = following(at(5))
    one.arrived(LOG[5])

    one.applied(at(7))

    assert isinstance(one.replica.alert, errors.Damaged)
    assert only(do.Attach, one.feed(on.Tick(), RETRY_S_MAX)).whole is True
