"""What a datastore remembers of connections ends with them."""

import re
from contextlib import AsyncExitStack

import pytest

from bridge import connection, roll, sweep
from tests.eventually import eventually
from tests.guarded import gateway, guarded


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Lists are read more often, in pages of two, and nobody is too fresh to be missed."""
    monkeypatch.setattr(sweep, "PAGE", 2)
    monkeypatch.setattr(sweep, "EVERY_S", 0.1)
    monkeypatch.setattr(sweep, "FRESH_S", 0.3)
    monkeypatch.setattr(roll, "ROUND_S", 0.1)


async def remembered(hub):
    """Return the metric of who was let in, and is there."""
    text = b"".join([part async for part in hub.telemetry.scrape()]).decode()
    return int(re.search(r"^wig_connections (\d+)", text, re.MULTILINE)[1])


async def is_number(hub, number):
    return await remembered(hub) == number


async def test_connections_are_forgotten_when_they_end_however_many_there_are(tmp_path):
    """Those on later pages of the server's list, too; and nobody who is there."""
    async with guarded(tmp_path) as hub, AsyncExitStack() as stack:
        token = await hub.token("gw1", "gateway")
        for _ in range(5):
            await stack.enter_async_context(connection.opened(hub.options(token)))
        for _ in range(4):
            async with connection.opened(hub.options(token)) as bus:
                assert bus.up

        await eventually(lambda: is_number(hub, 5), "those that ended to be forgotten")


async def test_connections_of_a_server_that_was_restarted_are_forgotten(tmp_path):
    """It has a new id: nobody will ever say that those of the old one are gone."""
    async with guarded(tmp_path) as hub, AsyncExitStack() as stack:
        token = await hub.token("gw1", "gateway")
        back = []
        for _ in range(5):
            bus = await stack.enter_async_context(hub.connected(hub.options(token)))
            bus.on_up(lambda: back.append(1))
        await eventually(lambda: is_number(hub, 5), "all to be let in")

        hub.server.process.kill()
        hub.server.process.wait()
        hub.server.start()
        await hub.server.ready()

        await eventually(lambda: len(back) == 5, "all to be let in again")
        await eventually(lambda: is_number(hub, 5), "those of before to be forgotten")


async def test_of_processes_that_are_gone_nothing_is_remembered(tmp_path):
    """A gateway that starts again and again has one place in the status."""
    async with guarded(tmp_path) as hub:
        token = await hub.token("gw1", "gateway")
        status, seen = hub.primary.node.status, set()

        def new():
            below = {one.instance for one in status.nodes()[1:]} - seen
            seen.update(below)
            return below

        for _ in range(3):
            async with gateway(hub, hub.options(token)):
                await eventually(new, "it reports")

        assert len(status.nodes()) == 2
        assert len(status._first_heard) == 1
