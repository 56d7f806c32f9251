"""Beacons of a running node."""

import asyncio
from itertools import pairwise

import pytest

from bridge import subjects, wire
from tests import replicas
from tests.eventually import eventually


@pytest.fixture
async def heard(server):
    """The beacons, with the time when they came."""
    found = []

    async def hear(message):
        now = asyncio.get_running_loop().time()
        found.append((now, wire.decode_beacon(message.data)))

    async with replicas.bus(server, "gw1") as bus:
        await bus.subscribe(subjects.beacon("hub"), hear)
        yield found


async def test_an_idle_node_sends_a_beacon_every_second(hub, heard):
    """Numbered, so that stale ones are recognised."""
    await eventually(lambda: len(heard) >= 3, "three beacons")
    (first, one), (second, two) = heard[-2:]

    assert 0.9 < second - first < 1.5
    assert two.counter == one.counter + 1
    assert two.instance == hub.it.me.instance


async def test_a_beacon_says_where_the_node_is(hub, heard):
    """Position, state digest, the root and the way to it."""
    await hub.peer()

    await eventually(lambda: heard and heard[-1][1].position == hub.position, "the position")
    beacon = heard[-1][1]

    assert beacon.state_digest == hub.state_digest
    assert beacon.oldest == 1
    assert beacon.root is not None
    assert (beacon.root.path, beacon.root.age_s) == (("hub",), 0.0)
    assert (beacon.root.epoch, beacon.root.seq) == (hub.position.epoch, hub.position.seq)


async def test_a_busy_node_sends_at_most_ten_beacons_a_second(hub, heard):
    """Soon after a change, but not after each."""
    await eventually(lambda: heard, "the first beacon")
    heard.clear()

    for _ in range(200):
        await hub.peer()

    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(heard)]
    assert len(heard) >= 2
    assert sum(gaps) / len(gaps) > 0.09
