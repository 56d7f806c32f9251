"""How an upstream answers who attaches."""

from typing import Any

import pytest

from wig import errors
from wig.log import Fork, Loss, Position
from wig.replication import (
    Answer,
    AttachRequest,
    Continue,
    Refused,
    Root,
    Serving,
    Snapshot,
    Wait,
    answer,
)

LINEAGE = (
    Fork(epoch="e1", parent="", seq=0, digest="00"),
    Fork(epoch="e2", parent="e1", seq=50, digest="d50"),
)


def at(epoch: str, seq: int, digest: str | None = None) -> Position:
    return Position(epoch=epoch, seq=seq, digest=digest or f"d{seq}")


def request(position: Position | None = None, **fields: Any) -> AttachRequest:
    given = {"node": "gw1", "instance": "i", "kind": "gateway", "version": "1", "inbox": "x"}
    return AttachRequest(**given | {"position": position} | fields)


def root(seq: int = 100, epoch: str = "e2", age_s: float = 0.5, *path: str) -> Root:
    return Root(epoch=epoch, seq=seq, age_s=age_s, path=path or ("hub", "mid"))


def follower(**fields: Any) -> Serving:
    given: dict[str, Any] = {
        "node": "mid",
        "database": "db",
        "position": at("e2", 100),
        "state_digest": "",
        "lineage": LINEAGE,
        "oldest": 11,
        "root": root(),
        "confirmed": True,
    }
    return Serving(**given | fields)


def primary(**fields: Any) -> Serving:
    return follower(**{"node": "hub", "root": root(100, "e2", 0.0, "hub")} | fields)


def unconfirmed(**fields: Any) -> Serving:
    return follower(**{"confirmed": False} | fields)


def ask(serving: Serving | None, position: Position | None, **more: Any) -> Answer:
    waited_s = more.pop("waited_s", 0.0)
    known = more.pop("known", f"d{position.seq}" if position else None)
    return answer(request(position, **more), serving, known, waited_s)


@pytest.mark.parametrize("serving", [primary(), follower(), unconfirmed(), follower(root=None)])
@pytest.mark.parametrize(
    "position",
    [
        pytest.param(at("e2", 100), id="at the head"),
        pytest.param(at("e2", 60), id="behind"),
        pytest.param(at("e2", 50), id="at the fork, in the new epoch"),
        pytest.param(at("e1", 50), id="at the fork, in the old epoch"),
        pytest.param(at("e1", 10), id="in an old epoch, the oldest that continues"),
    ],
)
def test_a_position_in_the_past_of_any_node_continues(serving, position):
    """Entries take nothing away, so even a node that knows little may give them."""
    assert ask(serving, position) == Continue(position.seq + 1, LINEAGE)


def test_a_position_before_the_oldest_entry_of_the_stream_needs_a_snapshot():
    """Its next entry is pruned."""
    assert ask(follower(), at("e1", 9)) == Snapshot("the entries it needs are pruned")


@pytest.mark.parametrize("serving", [primary(), follower(), unconfirmed(), follower(root=None)])
def test_who_holds_nothing_gets_a_snapshot_from_any_node(serving):
    """Nothing can be taken away from it."""
    assert ask(serving, None) == Snapshot("it holds nothing")


def test_who_wants_the_whole_state_at_a_good_position_gets_it():
    """A gateway whose process restarted holds only what its device shows."""
    assert ask(unconfirmed(), at("e1", 40), whole=True) == Snapshot("it asked for the whole state")


def test_a_node_that_holds_nothing_lets_everybody_wait():
    """It has nothing to give."""
    assert isinstance(ask(None, at("e2", 60)), Wait)
    assert isinstance(ask(None, None), Wait)


def loss(first: int, last: int) -> Loss:
    return Loss(first=first, last=last, exact=False)


def soon_lost(position: Position) -> Loss | None:
    """Return what is beyond the head of those that serve."""
    return loss(101, position.seq) if position.seq > 100 else None


LOST = [
    pytest.param(at("e1", 70), "x", loss(51, 70), id="on the branch that was left"),
    pytest.param(at("e2", 60, "other"), "d60", loss(60, 60), id="same epoch, another past"),
    pytest.param(at("e0", 70), "x", loss(70, 70), id="an epoch that is not in this timeline"),
    pytest.param(at("e0", 70), "d70", None, id="an epoch that is lost, without an entry"),
    pytest.param(at("e0", 5), None, None, id="an epoch that is not known, at a pruned entry"),
    pytest.param(at("e0", 170), None, loss(101, 170), id="unknown epoch, and ahead"),
]


@pytest.mark.parametrize(("position", "known", "lost"), LOST)
def test_a_primary_gives_a_snapshot_to_who_has_entries_that_it_lacks(position, known, lost):
    """It is the root: what it does not have is not in the timeline."""
    assert ask(primary(), position, known=known) == Snapshot(
        "its past is not in this timeline", lost
    )


@pytest.mark.parametrize(("position", "known", "lost"), LOST)
def test_a_follower_waits_until_it_heard_the_root_after_the_downstream_came(position, known, lost):
    """What the root said before proves nothing about what the downstream has."""
    assert isinstance(ask(follower(), position, known=known), Wait)
    assert isinstance(ask(follower(), position, known=known, waited_s=0.4), Wait)
    assert ask(follower(), position, known=known, waited_s=0.6) == Snapshot(
        "its past is not in this timeline", lost
    )


@pytest.mark.parametrize(("position", "known", "lost"), LOST)
@pytest.mark.parametrize(
    "serving",
    [
        pytest.param(unconfirmed(), id="not at the head yet"),
        pytest.param(unconfirmed(root=None), id="never heard of the root"),
        pytest.param(follower(root=root(100, "e3")), id="the root is in another epoch"),
    ],
)
def test_who_knows_less_than_the_root_never_takes_away(serving, position, known, lost):
    """Invariant 8: it waits, however long that takes."""
    assert isinstance(ask(serving, position, known=known, waited_s=1e9), Wait)


@pytest.mark.parametrize(
    "position", [pytest.param(at("e2", 170), id="ahead"), pytest.param(at("e3", 70), id="later")]
)
def test_who_may_come_from_a_later_process_of_the_root_gets_a_snapshot_only_after_a_while(position):
    """What the root says may have been on its way, and a former primary will hear that it is."""
    for serving, age_s in ((primary(), 0.0), (follower(), 0.5)):
        soon, late = (ask(serving, position, known=None, waited_s=age_s + it) for it in (4.9, 5.1))
        assert isinstance(soon, Wait)
        assert late == Snapshot("its past is not in this timeline", soon_lost(position))


@pytest.mark.parametrize("position", [at("e2", 170), at("e1", 70), at("e0", 5)])
def test_a_follower_that_lags_takes_nothing_away(position):
    """Not even of a lost branch: what of it is right may be more than this node has."""
    lagging = follower(root=root(200))

    assert ask(lagging, position, known=None, waited_s=1e9) == Wait(
        "this node has not reached the head of the root"
    )


def test_a_position_whose_digest_is_pruned_gets_a_snapshot_from_a_confirmed_node_only():
    """It is surely behind, but an unconfirmed node cannot tell from which past."""
    pruned = Snapshot("the digest at its position is pruned")

    assert ask(follower(), at("e1", 3), known=None, waited_s=0.6) == pruned
    assert ask(primary(), at("e2", 55), known=None) == pruned
    assert isinstance(ask(unconfirmed(), at("e1", 3), known=None), Wait)


@pytest.mark.parametrize("position", [None, at("e2", 60)])
def test_a_downstream_of_another_database_is_refused(position):
    """A fresh `init` under a known name must not wipe a fleet."""
    refused = ask(primary(), position, database="theirs")

    assert isinstance(refused, Refused)
    assert isinstance(refused.error, errors.Foreign)
    assert "theirs" in refused.error.message


def test_a_downstream_that_is_upstream_is_refused():
    """Two nodes that follow each other would follow nobody."""
    refused = ask(follower(), at("e2", 60), node="hub")

    assert isinstance(refused, Refused)
    assert "hub → mid" in refused.error.message


def test_a_node_cannot_follow_itself_before_it_heard_a_root():
    """The path of a node that heard nothing is itself."""
    assert isinstance(ask(follower(root=None), at("e2", 60), node="mid"), Refused)
