"""A database that was never published, and copies of it."""

import logging
import shutil
import time

import pytest

from tests import buses, replicas
from tests.replicas import StateSink, converged, downstream


@pytest.fixture
def copies(tmp_path):
    """Two files that came from one `wig init`."""
    files = tmp_path / "one.db", tmp_path / "other.db"
    replicas.initialise(files[0])
    shutil.copy(*files)
    return files


async def test_every_start_begins_an_epoch_and_alarms_nobody(server, copies, caplog):
    """A copy of the file may exist, so what it publishes must be its own. Nobody loads anything."""
    sink = StateSink()
    async with replicas.primary(server, copies[0]) as hub, downstream(server, sink):
        await hub.interface()
        await converged(sink, hub)
    for _ in range(2):
        async with replicas.primary(server, copies[0]) as hub, downstream(server, sink):
            assert hub.it.publisher.ownership.problems == ()
            await converged(sink, hub)

    assert [fork.seq for fork in hub.it.node.datastore.lineage] == [0, 1, 2, 2]
    assert sink.loads == 1
    assert [it.message for it in caplog.records if it.levelno >= logging.WARNING] == []


async def test_those_that_stay_go_over_to_the_epoch_of_each_start(server, copies):
    """Within a moment, and without a snapshot."""
    sink = StateSink()
    async with downstream(server, sink):
        for _ in range(4):
            async with replicas.primary(server, copies[0]) as hub:
                began = time.monotonic()
                await converged(sink, hub)
                print(f"restart: converged in {time.monotonic() - began:.2f} s")

    assert sink.loads == 1
    assert len({position.epoch for position in sink.seen}) == 4


@pytest.mark.parametrize("name", ["hub", "other"])
async def test_two_copies_acknowledge_in_two_epochs(server, copies, tmp_path, name):
    """Under one name or two, where they cannot hear each other: nothing is ever spliced."""
    sink = StateSink()
    async with replicas.primary(server, copies[0]) as hub, downstream(server, sink):
        await hub.interface()
        await hub.peer()
        await converged(sink, hub)
        here = hub.position
    async with (
        buses.nats(tmp_path / "elsewhere") as elsewhere,
        replicas.primary(elsewhere, copies[1], name) as other,
    ):
        await other.interface()
        await other.peer()
        there = other.position
        assert there.seq == here.seq
        assert there.epoch != here.epoch

        moved = downstream(elsewhere, sink, upstream=name)
        async with moved:
            await converged(sink, other)
        assert sink.loads == 2


async def test_the_very_first_backup_is_restored(server, copies):
    """The streams of its name say what it has not."""
    async with replicas.primary(server, copies[0]) as hub:
        await hub.interface()
        await hub.peers(4)
    async with replicas.primary(server, copies[1]) as hub:
        ownership = hub.it.publisher.ownership

        assert ownership.problems == (
            "this database has been restored: entries 2–6, and perhaps earlier ones, are lost",
        )
        assert (str(ownership.loss), ownership.losses) == (
            "entries 2–6, and perhaps earlier ones,", 1,
        )  # fmt: skip
