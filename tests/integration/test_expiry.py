"""Peers are deleted when their time has come, by the primary, and in its log."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from tests import buses, replicas
from tests.eventually import eventually
from tests.replicas import StateSink, converged, downstream
from wig.commands import UpdatePeer
from wig.expiry import HOLD_S, Reading

YEAR_S = 365 * 86400


class Clocks:
    """Two clocks that a test sets; they start at the right time."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.steady_s = 0.0

    def __call__(self) -> Reading:
        return Reading(self.now, self.steady_s)

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.steady_s += seconds

    def jump(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
async def hub(tmp_path):
    """A primary with clocks that a test sets."""
    clocks = Clocks()
    async with (
        buses.nats(tmp_path) as server,
        replicas.primary(server, tmp_path / "hub.db", clock=clocks) as one,
    ):
        await one.interface()
        one.server, one.clocks = server, clocks
        yield one


async def keys(hub):
    """Return the peers there are."""
    return {one["public_key"] for one in (await hub.client.query("peer.list")).ok["peers"]}


def hours(count):
    return datetime.now(UTC) + timedelta(hours=count)


async def test_a_peer_is_deleted_when_its_time_has_come(hub):
    """The log says so, downstreams have it, and nobody else is touched."""
    stays, goes = await hub.peer(expire=hours(2)), await hub.peer(expire=hours(1))
    forever, sink = await hub.peer(), StateSink()
    async with downstream(hub.server, sink):
        await converged(sink, hub)
        assert await keys(hub) == {stays, goes, forever}

        hub.clocks.pass_by(3601)

        await eventually(lambda: sink.state.peer(goes) is None, "it to be gone downstream", 2.0)
        await converged(sink, hub)
    assert await keys(hub) == {stays, forever}
    entry = (await hub.client.query("log.list", {"after": hub.position.seq - 1})).ok["entries"][0]
    assert entry["actor"] == "expiry"
    assert entry["op"] == {"do": "peer.delete", "public_key": goes}


async def test_many_peers_expire_at_the_same_moment(hub):
    """A whole course ends in the night."""
    await hub.peers(1000, expire=hours(1))
    stays = await hub.peer()
    head = hub.position.seq

    hub.clocks.pass_by(3601)

    await eventually(lambda: hub.position.seq == head + 1000, "all to be deleted")
    assert await keys(hub) == {stays}


async def test_a_peer_that_is_given_more_time_stays(hub, caplog):
    """Whatever was read about it before; why is said once, however often it is tried."""
    caplog.set_level(logging.INFO)
    key = await hub.peer(expire=hours(1))
    (read,) = hub.it.node.datastore.reader().expired(hours(2), 10)
    await hub.client.command("peer.update", UpdatePeer(public_key=key, expire=hours(3)))

    for _ in range(3):
        assert await hub.it.expiry._delete([read]) == 0

    assert await keys(hub) == {key}
    assert caplog.messages.count("peers did not expire") == 1


async def test_nobody_expires_while_the_clock_is_in_doubt(hub):
    """A clock that jumps by a year deletes nobody; the status says why; an hour later it counts."""
    key = await hub.peer(expire=hours(1))
    hub.clocks.jump(YEAR_S)
    await eventually(lambda: hub.it.status().problems, "the jump to be noticed")
    assert "the clock jumped by +31536000 s" in hub.it.status().problems[0]
    assert await keys(hub) == {key}

    hub.clocks.pass_by(HOLD_S)

    await eventually(lambda: not hub.it.status().problems, "the clock to be believed again")
    await eventually(lambda: _gone(hub, key), "it to be gone", 2.0)


async def test_a_clock_that_is_set_back_harms_nobody(hub):
    """After a jump that was undone, everything is as before."""
    key = await hub.peer(expire=hours(1))
    hub.clocks.jump(YEAR_S)
    await eventually(lambda: hub.it.status().problems, "the jump to be noticed")
    hub.clocks.jump(-YEAR_S)
    await eventually(lambda: not hub.it.status().problems, "the clock to be believed again")

    assert await keys(hub) == {key}


async def _gone(hub, key):
    return key not in await keys(hub)
