"""How a downstream attaches, and loads snapshots."""

import pytest

from tests.driven_replica import (
    FIRST,
    Driven,
    at,
    connected,
    following,
    header,
    loading,
    only,
)
from wig import errors
from wig import replica_actions as do
from wig import replica_events as on
from wig.replica import (
    ATTACH_TIMEOUT_S,
    REFUSED_RETRY_S,
    RETRY_S_MAX,
    UNSUPPORTED_RETRY_S,
    Phase,
)
from wig.replication import Continue, Refused, Snapshot, Wait


def test_it_attaches_with_its_position_as_soon_as_it_is_connected():
    """The upstream decides; the replica only says what it has."""
    one = Driven(at(5))

    assert one.feed(on.Tick()) == []
    assert one.feed(on.Connected()) == [do.Attach(one.attempt, "db", at(5), whole=False)]


def test_a_sink_that_holds_nothing_says_what_its_device_shows_and_wants_the_whole_state():
    """So that an upstream that knows less lets it wait."""
    one = Driven(None, floor=at(7))

    assert one.feed(on.Connected()) == [do.Attach(one.attempt, "db", at(7), whole=True)]


def test_to_replace_the_database_it_names_none():
    """Then the upstream's is as good as its own."""
    one = Driven(at(5), replace=True)

    assert only(do.Attach, one.feed(on.Connected())).database is None


def test_without_an_answer_it_asks_again():
    """At most a second after it gave up, with the same claim."""
    one = connected(at(5))

    assert one.feed(on.Tick(), ATTACH_TIMEOUT_S - 0.01) == []
    one.feed(on.Tick(), 0.01)

    assert only(do.Attach, one.feed(on.Tick(), RETRY_S_MAX)).position == at(5)


@pytest.mark.parametrize("answer", [Wait("not yet"), None, Refused(errors.Conflict("in use"))])
def test_retries_are_paced(answer):
    """Nobody is asked more than ten times a second, nor forgotten for more than a second."""
    one = connected(at(5))
    longest_s = REFUSED_RETRY_S if isinstance(answer, Refused) else RETRY_S_MAX
    for _ in range(10):
        one.answered(answer)
        assert one.replica.phase is Phase.DETACHED
        assert one.feed(on.Tick(), 0.01) == []
        assert only(do.Attach, one.feed(on.Tick(), longest_s))


def test_a_refusal_is_an_alert_and_says_why():
    """An operator has to act; it goes on serving."""
    one = connected(at(5))
    refusal = errors.Conflict("identity: in use")

    assert only(do.Alert, one.answered(Refused(refusal))).error is refusal
    assert one.replica.alert is refusal
    assert one.replica.why == "identity: in use"


def test_the_same_alert_is_told_once():
    """Until it is over."""
    one = connected(at(5))
    one.answered(Refused(errors.Conflict("in use")))
    one.feed(on.Tick(), REFUSED_RETRY_S)

    actions = one.answered(Refused(errors.Conflict("in use")))

    assert [action for action in actions if isinstance(action, do.Alert)] == []


def test_a_late_answer_of_an_earlier_attempt_is_ignored():
    """Only the newest attach has a consumer."""
    one = connected(at(5))
    old = one.attempt
    one.feed(on.Connected())

    assert one.feed(on.Answered(old, Continue(6, (FIRST,)))) == []
    assert one.replica.phase is Phase.ATTACHING


def test_a_repeated_answer_is_ignored():
    """It already follows."""
    one = following(at(5))

    assert one.answered(Continue(6, (FIRST,))) == []


@pytest.mark.parametrize(
    ("position", "lineage"),
    [
        pytest.param(None, (FIRST,), id="a sink that holds nothing"),
        pytest.param(at(5, "e9"), (FIRST,), id="an epoch that is not in the lineage"),
    ],
)
def test_an_answer_that_does_not_fit_the_position_is_not_followed(position, lineage):
    """Whatever the upstream thinks, its entries cannot be applied here."""
    one = connected(position)

    assert one.answered(Continue(6, lineage)) == []
    assert one.replica.phase is Phase.DETACHED


def test_a_lost_connection_detaches_and_a_new_one_attaches_at_once():
    """Whatever was asked for is lost with the connection."""
    one = following(at(5))

    assert one.feed(on.Disconnected()) == [do.Release(one.attempt - 1)]
    assert one.feed(on.Tick(), 60) == []
    assert only(do.Attach, one.feed(on.Connected())).position == at(5)


def test_a_snapshot_is_fetched_checked_loaded_and_followed():
    """The four steps of a bootstrap."""
    one = connected(None, database=None)

    assert one.answered(Snapshot("it holds nothing")) == [do.Fetch(one.attempt)]
    assert one.feed(on.Offered(one.attempt, header(9))) == [do.Load(one.attempt)]
    one.applied(at(9))
    assert one.replica.database == "db"
    assert only(do.Attach, one.feed(on.Tick(), RETRY_S_MAX)).position == at(9)


def test_a_snapshot_of_another_database_is_not_loaded():
    """The upstream may have changed between two messages."""
    one = loading(at(5))

    actions = one.feed(on.Offered(one.attempt, header(9, database="theirs")))

    assert isinstance(only(do.Alert, actions).error, errors.Foreign)
    assert [action for action in actions if isinstance(action, do.Load)] == []


def test_a_second_offer_is_ignored():
    """One load at a time."""
    one = loading()
    one.feed(on.Offered(one.attempt, header(9)))

    assert one.feed(on.Offered(one.attempt, header(9))) == []


def test_a_transfer_that_fails_is_tried_again():
    """Whatever was taken of it is rolled back by the sink."""
    one = loading(at(5))

    one.feed(on.Broken(one.attempt, errors.Unavailable("no piece for 10 s")))

    assert one.replica.alert is None
    assert only(do.Attach, one.feed(on.Tick(), RETRY_S_MAX)).position == at(5)


def test_a_snapshot_of_a_newer_version_is_an_alert():
    """Until this node is upgraded."""
    one = loading(at(5))

    actions = one.feed(on.Broken(one.attempt, errors.Unsupported("snapshot: upgrade this node")))

    assert only(do.Alert, actions).error.message == "snapshot: upgrade this node"
    one.feed(on.Tick(), UNSUPPORTED_RETRY_S - 1)
    assert one.replica.phase is Phase.DETACHED


def test_a_damaged_snapshot_changes_nothing():
    """It is found at the end, and the load is undone."""
    one = loading(at(5))
    one.feed(on.Offered(one.attempt, header(9)))

    one.applied(at(5), error=errors.Damaged("snapshot: its bytes do not match its digest"))

    assert only(do.Attach, one.feed(on.Tick(), RETRY_S_MAX)).position == at(5)


def test_a_load_whose_connection_broke_is_no_alert():
    """It is released, and that is why it fails."""
    one = loading(at(5))
    one.feed(on.Offered(one.attempt, header(9)))
    one.feed(on.Disconnected())

    assert one.applied(at(5), error=errors.Unavailable("not wanted any more")) == []
    assert one.replica.alert is None
