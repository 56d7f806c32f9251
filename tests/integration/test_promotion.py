"""Who is heard, but does not answer: a promotion believes the beacon."""

import asyncio

import pytest

from bridge import promotion, subjects
from tests import buses, replicas
from wig import codec, errors
from wig.log import Position
from wig.replication import Beacon

EVERY_S = 0.5
BEYOND = Position(epoch="000001a20e5a2ff401da66e6", seq=99, digest="0" * 64)


@pytest.mark.parametrize(
    ("role", "force", "told"),
    [("primary", True, "'paris' is the primary"), ("follower", False, "has entries up to 99")],
)
async def test_a_node_that_is_too_busy_to_answer_is_not_overruled(
    server, tmp_path, role, force, told
):
    """It says in its beacons that it is the primary, or that it has more."""
    db = tmp_path / "other.db"
    replicas.initialise(db)

    async def beat(bus):
        counter = 0
        while True:
            counter += 1
            beacon = Beacon(
                node="paris", instance="i", counter=counter, version="1", role=role, position=BEYOND
            )
            await bus.publish(subjects.beacon("paris"), codec.encode(beacon))
            await asyncio.sleep(EVERY_S)

    async with replicas.bus(server, "paris") as bus:
        beating = asyncio.create_task(beat(bus))
        with pytest.raises(errors.Conflict, match=told):
            await promotion.promote(db, buses.bus_options(server), force=force)
        await buses.cancel(beating)
