"""What a downstream concludes from beacons, and from silence."""

import pytest

from tests.driven_replica import (
    FIRST,
    LOG,
    at,
    beacon,
    connected,
    following,
    fork,
    only,
    records,
)
from wig import errors
from wig import replica_actions as do
from wig import replica_events as on
from wig.replica import (
    REFUSED_RETRY_S,
    RETRY_S_MAX,
    SILENCE_S_MAX,
)
from wig.replication import Continue, Refused, Root
from wig.upstream import REBUILD_S
from wig.upstream import SILENCE_S_MAX as BEACON_SILENCE_S_MAX


@pytest.mark.parametrize(
    ("position", "why"),
    [
        pytest.param(at(5, "e2"), "the upstream is in another epoch", id="another epoch"),
        pytest.param(at(3), "the upstream is behind", id="behind"),
        pytest.param(at(5, "e1", records(5, "other")), "the upstream has another past", id="past"),
    ],
)
def test_a_beacon_that_does_not_fit_makes_it_attach_again(position, why):
    """The attach will tell what is wrong."""
    one = following(at(5))
    one.hears(at(5))

    assert only(do.Attach, one.hears(position, 1.0)).whole is False
    assert one.replica.upstream.beacon is not None
    assert one.replica.why == why


def test_an_upstream_in_a_later_epoch_that_is_on_its_way_is_no_reason_to_attach():
    """Its entries, and so its epoch, are still coming."""
    one = following(at(5), (FIRST, fork("e2", "e1", 8)))

    assert one.hears(at(9, "e2")) == []


def test_entries_that_overtake_a_beacon_are_no_reason_to_attach():
    """A beacon that was sent before them may be heard after them."""
    one = following(at(5))
    one.hears(at(5))
    one.arrived(LOG[5])
    one.applied(at(6))

    assert one.hears(at(5)) == []


def test_a_primary_that_counts_a_large_commit_late_is_not_behind():
    """Its position moves with commits, its root's sequence with entries."""
    one = following(at(8))
    one.hears(at(8))
    root = Root(epoch="e1", seq=8, age_s=0.0, path=("hub",))

    assert one.hears(at(3), root=root) == []


def test_a_wrong_state_under_a_right_position_leads_to_a_snapshot():
    """The state digest finds what the chain cannot."""
    one = following(at(5), state_digest="mine")

    actions = one.hears(at(5), state_digest="theirs")

    assert isinstance(only(do.Alert, actions).error, errors.Damaged)
    assert only(do.Attach, one.feed(on.Tick(), RETRY_S_MAX)).whole is True


def test_being_where_the_upstream_is_ends_an_alert():
    """All is well."""
    one = connected(at(5), state_digest="same")
    one.answered(Refused(errors.Conflict("in use")))
    one.feed(on.Tick(), REFUSED_RETRY_S)
    one.answered(Continue(6, (FIRST,)))

    assert one.hears(at(5), state_digest="same") == [do.Alert(None)]


def test_being_behind_without_any_progress_makes_it_attach_again():
    """The consumer is there, and yet nothing comes."""
    one = following(at(5))
    one.hears(at(6))
    one.feed(on.Arrived(one.attempt), 1.0)
    assert one.hears(at(6)) == []
    one.feed(on.Arrived(one.attempt), 1.0)

    assert one.hears(at(6), 0.1) == [do.Release(one.attempt - 1)]
    assert one.replica.why == "nothing arrives"


def test_a_sink_that_is_busy_is_not_stalled():
    """It takes its time."""
    one = following(at(5))
    one.arrived(LOG[5])
    for _ in range(5):
        one.feed(on.Arrived(one.attempt), 1.0)
        assert one.hears(at(9)) == []


@pytest.mark.parametrize("position", [at(3), None])
def test_stale_beacons_and_those_of_a_node_that_holds_nothing_change_nothing(position):
    """Beacons may be repeated and reordered."""
    one = following(at(5))
    one.hears(at(5))

    if position is not None:
        assert one.feed(on.Heard(beacon(position, 1))) == []
    else:
        assert one.hears(None) == []


def test_it_never_follows_itself():
    """A loop is found by the path in the beacon, and left when the path has changed."""
    one = following(at(5))
    loop = Root(epoch="e1", seq=5, age_s=0.0, path=("hub", "gw1", "mid"))

    actions = one.hears(at(5), root=loop)

    assert "hub → gw1 → mid" in only(do.Alert, actions).error.message
    assert one.hears(at(5), REFUSED_RETRY_S * 2, root=loop) == []
    assert only(do.Attach, one.hears(at(5), 3.0) + one.feed(on.Tick(), 1.0))


def test_an_upstream_that_comes_back_is_attached_to_at_once():
    """Its first beacon ends the wait."""
    one = connected(at(5))
    one.hears(at(5))
    for _ in range(9):
        one.feed(on.Tick(), 3.0)
        one.answered(None)

    one.hears(at(5))

    assert only(do.Attach, one.feed(on.Tick(), 0.1))


def test_a_silent_stream_is_attached_again():
    """Heartbeats are missing: the consumer or the way to it is gone."""
    one = following(at(5))
    one.feed(on.Arrived(one.attempt), 1.0)

    assert one.feed(on.Tick(), SILENCE_S_MAX) == []
    assert one.feed(on.Tick(), 0.01) == [do.Release(one.attempt - 1)]
    assert only(do.Attach, one.feed(on.Tick(), RETRY_S_MAX)).position == at(5)


def test_without_beacons_the_client_is_rebuilt_but_not_all_the_time():
    """It may be deaf; or the upstream is simply down."""
    one = connected(at(5))

    assert only(do.Rebuild, one.feed(on.Tick(), BEACON_SILENCE_S_MAX + 0.1))
    one.feed(on.Disconnected())
    assert one.feed(on.Tick(), BEACON_SILENCE_S_MAX) == []
    one.feed(on.Connected())
    quiet = [one.feed(on.Tick(), 1.0) for _ in range(int(REBUILD_S) - 7)]
    assert not [it for actions in quiet for it in actions if isinstance(it, do.Rebuild)]
    assert only(do.Rebuild, one.feed(on.Tick(), 5.0))


def root(seq: int, epoch: str = "e1", age_s: float = 0.0) -> Root:
    return Root(epoch=epoch, seq=seq, age_s=age_s, path=("hub",))


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(lambda one: one.feed(on.Tick(), 6.0), id="silence"),
        pytest.param(lambda one: one.hears(at(5, "e2")), id="a new epoch"),
        pytest.param(lambda one: one.feed(on.Disconnected()), id="no connection"),
        pytest.param(lambda one: one.feed(on.Connected()), id="attaching again"),
    ],
)
def test_it_is_confirmed_while_its_upstream_lets_it_follow(lost):
    """It must not take anything away from others otherwise."""
    one = following(at(5))
    assert one.replica.confirmed

    lost(one)

    assert not one.replica.confirmed


def test_it_tells_the_root_on_with_its_own_name_in_the_path():
    """And with the age that the knowledge has by now."""
    one = following(at(5))
    assert one.replica.upstream.root(one.now) is None
    one.hears(at(5), root=root(8, age_s=0.5))

    told = one.replica.upstream.root(one.now + 1)

    assert told == Root(epoch="e1", seq=8, age_s=1.5, path=("hub", "gw1"))
