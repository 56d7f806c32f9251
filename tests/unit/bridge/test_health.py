"""When a node should be used, and how far it lags."""

from types import SimpleNamespace

import pytest

from bridge import health
from bridge.health import Lags
from tests.eventually import eventually
from wig.log import Position
from wig.replication import Root


class Following:
    """What is seen of a follower."""

    def __init__(self, seq: int | None = None, *, epoch: str = "e", head: int | None = None):
        position = None if seq is None else Position(epoch=epoch, seq=seq, digest="")
        self.replica = SimpleNamespace(position=position)
        self.head = head

    def root(self) -> Root | None:
        return None if self.head is None else Root(epoch="e", seq=self.head, age_s=99.0, path=())


@pytest.mark.parametrize(
    ("follower", "entries"),
    [
        pytest.param(Following(5, head=5), 0, id="at-the-head"),
        pytest.param(Following(3, head=5), 2, id="behind"),
        pytest.param(Following(7, head=5), 0, id="the-root-is-older-than-what-is-here"),
        pytest.param(Following(3, epoch="d", head=5), 5, id="another-timeline"),
        pytest.param(Following(head=5), 5, id="holding-nothing"),
    ],
)
async def test_lag_is_against_the_last_head_that_was_heard(follower, entries):
    """However long ago that was."""
    lag = Lags(follower).lag()

    assert lag is not None
    assert lag.entries == entries


async def test_without_news_of_the_root_there_is_no_lag():
    """A gateway that holds its state and hears nobody is ready."""
    lags = Lags(Following(5))

    assert lags.lag() is None
    assert [*lags.unready()] == []


async def test_a_node_without_a_state_is_not_ready():
    """It has nothing to serve."""
    assert [*Lags(Following(head=5)).unready()] == ["it has no state yet"]


async def test_a_lag_counts_when_it_lasts(monkeypatch):
    """A moment is normal; when it is over, the next one begins anew."""
    follower = Following(3, head=5)
    lags = Lags(follower)
    assert [*lags.unready()] == []

    monkeypatch.setattr(health, "LAG_S_MAX", 0.02)
    (why,) = await eventually(lambda: [*lags.unready()], "it is too long")
    assert why.startswith("it lags behind by 2 entries, for ")

    follower.replica.position = Position(epoch="e", seq=5, digest="")
    assert [*lags.unready()] == []
    assert lags.lag().seconds == 0


def test_an_egress_that_waits_for_its_interface_leaves_the_others_in_service():
    """It may have been written down first; the status tells of it."""
    assert [*health.device(["egress of wg1"])] == []


def test_a_host_is_ready_when_it_is_as_it_should_be():
    """Single peers do not count: every other gateway would refuse them, too."""
    assert [*health.device(["peer abc", "peer def", "capacity of wg0", "rates of peers"])] == []
    assert [*health.device(["peer abc", "port of wg0"])] == ["port of wg0 is not as it should be"]
