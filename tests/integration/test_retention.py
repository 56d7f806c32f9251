"""Old entries leave the database and the stream; nobody notices."""

from datetime import timedelta

import pytest

from bridge.retention import Policy, Retention
from tests import buses, replicas
from tests.replicas import StateSink, converged, downstream

NOTHING = timedelta(microseconds=1)


@pytest.fixture
async def hub(tmp_path):
    """A primary whose log is a few entries old."""
    async with (
        buses.nats(tmp_path) as server,
        replicas.primary(server, tmp_path / "hub.db") as one,
    ):
        await one.interface()
        for _ in range(8):
            await one.peer()
        one.server = server
        yield one


async def test_old_entries_leave_database_and_stream(hub):
    """The last ones stay, in both."""
    head = hub.position.seq

    await Retention(hub.it.node, Policy(max_age=NOTHING, keep_entries=3)).forget()

    await hub.it.publisher.look()
    assert hub.it.node.datastore.oldest() == head - 2
    assert hub.it.publisher.first == head - 2


async def test_young_entries_stay(hub):
    """Whatever their number."""
    await Retention(hub.it.node, Policy(keep_entries=1)).forget()

    assert hub.it.node.datastore.oldest() == 1


async def test_who_comes_after_that_gets_a_snapshot_and_goes_on(hub):
    """What is forgotten is missed by nobody."""
    await Retention(hub.it.node, Policy(max_age=NOTHING, keep_entries=1)).forget()
    sink = StateSink()

    async with downstream(hub.server, sink):
        await converged(sink, hub)
        await hub.peer()
        await converged(sink, hub)

    assert sink.loads == 1
