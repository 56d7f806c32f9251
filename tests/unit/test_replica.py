"""A downstream's decisions, event by event."""

from collections.abc import Sequence
from typing import Any

import pytest

from wig import errors, log
from wig import replica_actions as do
from wig import replica_events as on
from wig.log import Fork, Position, Record
from wig.replica import (
    APPLY_ENTRIES_MAX,
    ATTACH_TIMEOUT_S,
    REFUSED_RETRY_S,
    RETRY_S_MAX,
    SILENCE_S_MAX,
    UNSUPPORTED_RETRY_S,
    Phase,
    Replica,
)
from wig.replication import Answer, Beacon, Continue, Refused, Root, Snapshot, Wait
from wig.snapshot import Header
from wig.upstream import REBUILD_S
from wig.upstream import SILENCE_S_MAX as BEACON_SILENCE_S_MAX


def records(count: int, branch: str = "") -> list[Record]:
    """Return a log's first entries; logs of different branches differ from the first one."""
    made, digest = [], log.ZERO_DIGEST
    for seq in range(1, count + 1):
        payload = f"{branch}{seq}".encode()
        digest = log.chain(digest, payload)
        made.append(Record(seq, payload, digest))
    return made


LOG = records(3000)
FIRST = Fork(epoch="e1", parent="", seq=0, digest=log.ZERO_DIGEST.hex())


def at(seq: int, epoch: str = "e1", chain: Sequence[Record] = LOG) -> Position:
    digest = chain[seq - 1].digest if seq else log.ZERO_DIGEST
    return Position(epoch=epoch, seq=seq, digest=digest.hex())


def fork(epoch: str, parent: str, seq: int) -> Fork:
    return Fork(epoch=epoch, parent=parent, seq=seq, digest=at(seq).digest)


def beacon(position: Position | None, counter: int = 1, **fields: Any) -> Beacon:
    root = None
    if position is not None:
        root = Root(epoch=position.epoch, seq=position.seq, age_s=0.0, path=("hub",))
    given = {
        "node": "hub", "instance": "h", "version": "1", "role": "primary", "root": root,
    }  # fmt: skip
    return Beacon(**given | {"position": position, "counter": counter} | fields)


def header(seq: int, epoch: str = "e1", database: str = "db") -> Header:
    return Header(
        database=database, position=at(seq, epoch), lineage=(FIRST,), state_digest="", objects=0
    )


class Driven:
    """A replica, its clock, and what it did last."""

    def __init__(self, position: Position | None = None, **fields: Any) -> None:
        self.replica = Replica("gw1", **{"position": position, "database": "db"} | fields)
        self.now = 1000.0
        self.counter = 0
        self.lineage: log.Lineage = (FIRST,)

    def feed(self, event: on.Event, after_s: float = 0.0) -> list[do.Action]:
        self.now += after_s
        return self.replica.handle(event, self.now)

    @property
    def attempt(self) -> int:
        return self.replica.attempt

    def answered(self, answer: Answer | None) -> list[do.Action]:
        if isinstance(answer, Continue):
            self.lineage = answer.lineage
        return self.feed(on.Answered(self.attempt, answer))

    def arrived(self, *entries: Record) -> list[do.Action]:
        epoch = log.epoch_at(self.lineage, entries[0].seq) if entries else ""
        return self.feed(on.Arrived(self.attempt, entries, epoch))

    def applied(self, position: Position | None, **fields: Any) -> list[do.Action]:
        return self.feed(on.Applied(position, **fields))

    def hears(self, position: Position | None, after_s: float = 0.0, **fields: Any):
        self.counter += 1
        return self.feed(on.Heard(beacon(position, self.counter, **fields)), after_s)


def connected(position: Position | None = None, **fields: Any) -> Driven:
    one = Driven(position, **fields)
    one.feed(on.Connected())
    return one


def following(position: Position, lineage: log.Lineage = (FIRST,), **fields: Any) -> Driven:
    one = connected(position, **fields)
    one.answered(Continue(position.seq + 1, lineage))
    assert one.replica.phase is Phase.FOLLOWING
    return one


def loading(position: Position | None = None, **fields: Any) -> Driven:
    one = connected(position, **fields)
    one.answered(Snapshot("it holds nothing"))
    assert one.replica.phase is Phase.LOADING
    return one


def only(kind: type[Any], actions: Sequence[do.Action]) -> Any:
    """Return the one action of a kind."""
    (found,) = [action for action in actions if isinstance(action, kind)]
    return found


# Attaching.


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


# Entries.


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


# Epochs.


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


# What the sink says.


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


# Snapshots.


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


# Beacons.


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


# Being confirmed.


def root(seq: int, epoch: str = "e1", age_s: float = 0.0) -> Root:
    return Root(epoch=epoch, seq=seq, age_s=age_s, path=("hub",))


def test_it_is_confirmed_once_it_has_reached_the_head_that_the_root_had_when_it_attached():
    """Not the current head: under load it would never be."""
    one = following(at(5))
    assert not one.replica.confirmed(one.now)
    one.hears(at(6), root=root(7))
    assert not one.replica.confirmed(one.now)

    one.arrived(*LOG[5:7])
    one.applied(at(7))
    one.hears(at(9), root=root(9))

    assert one.replica.confirmed(one.now)


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(lambda one: one.hears(at(5), root=root(5, age_s=6.0)), id="an old root"),
        pytest.param(lambda one: one.hears(at(5), root=None), id="no root"),
        pytest.param(lambda one: one.feed(on.Arrived(one.attempt), 6.0), id="silence"),
        pytest.param(lambda one: one.hears(at(5), root=root(5, "e2")), id="a new epoch"),
        pytest.param(lambda one: one.feed(on.Disconnected()), id="no connection"),
        pytest.param(lambda one: one.feed(on.Connected()), id="attaching again"),
    ],
)
def test_it_is_not_confirmed_without_a_root(lost):
    """It must not take anything away from others then."""
    one = following(at(5))
    one.hears(at(5))
    assert one.replica.confirmed(one.now)

    lost(one)

    assert not one.replica.confirmed(one.now)


def test_what_was_concluded_for_an_earlier_attachment_does_not_count():
    """The upstream may have become another one; its next beacon has to confirm it again."""
    one = following(at(5))
    one.hears(at(5))
    one.feed(on.Connected())
    one.answered(Continue(6, (FIRST,)))

    assert one.replica.phase is Phase.FOLLOWING
    assert not one.replica.confirmed(one.now)
    one.hears(at(5))
    assert one.replica.confirmed(one.now)


def test_it_tells_the_root_on_with_its_own_name_in_the_path():
    """And with the age that the knowledge has by now."""
    one = following(at(5))
    assert one.replica.upstream.root(one.now) is None
    one.hears(at(5), root=root(8, age_s=0.5))

    told = one.replica.upstream.root(one.now + 1)

    assert told == Root(epoch="e1", seq=8, age_s=1.5, path=("hub", "gw1"))
