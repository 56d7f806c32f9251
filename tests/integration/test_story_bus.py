"""Stories: the bus loses something."""

import asyncio
import json
import os
import shutil
import signal

import pytest

from tests.eventually import eventually
from tests.stories import FOLLOWERS, GATEWAYS, Tree
from wig.replica import Phase

HANG_S = 8.0  # longer than everybody's patience
BEGIN_S_MAX = 1.0


@pytest.fixture
async def tree(tmp_path):
    async with Tree(tmp_path) as it:
        await it.start(*FOLLOWERS, *GATEWAYS)
        await it.converged()
        yield it


def loads(tree: Tree) -> dict[str, int]:
    return {name: sink.loads for name, sink in tree.sinks.items()}


async def streams(tree: Tree) -> list[str]:
    return json.loads(await tree.ask_jetstream("STREAM.NAMES"))["streams"]


async def test_all_streams_are_deleted_by_an_admin(tree):
    """Each node begins a new generation, in the epoch that it was in; nobody needs a snapshot."""
    before, epoch = loads(tree), tree.hub.position.epoch
    for name in await streams(tree):
        await tree.ask_jetstream(f"STREAM.DELETE.{name}")

    await tree.hub.peer()

    await tree.converged("streams deleted")
    assert loads(tree) == before
    assert tree.hub.position.epoch == epoch


async def test_all_consumers_are_deleted_by_an_admin(tree):
    """The open pull requests say so at once."""
    before = loads(tree)
    for name in await streams(tree):
        listed = json.loads(await tree.ask_jetstream(f"CONSUMER.NAMES.{name}"))
        for consumer in listed["consumers"]:
            await tree.ask_jetstream(f"CONSUMER.DELETE.{name}.{consumer}")

    await tree.hub.peer()

    await tree.converged("consumers deleted")
    assert loads(tree) == before


async def test_the_store_is_wiped(tree):
    """Everything that JetStream had is gone; the databases have it."""
    await tree.kill_server()
    shutil.rmtree(tree.store)
    await tree.start_server()

    await tree.hub.peer()

    await tree.converged("store wiped")
    assert tree.sinks["gw-lyon"].peers[-1] == 21
    assert min(tree.sinks["gw-lyon"].peers) == 20


async def test_the_server_is_killed_while_entries_come(tree):
    """Again and again; nothing acknowledged is lost, nothing loaded again."""
    before = loads(tree)
    for _ in range(3):
        writing = asyncio.create_task(write(tree, 50))
        await asyncio.sleep(0)  # it has begun
        await tree.kill_server()
        await tree.start_server()
        await writing
        await tree.converged("server killed")
    assert loads(tree) == before


async def write(tree: Tree, count: int) -> None:
    for _ in range(count):
        await tree.hub.peer()


async def test_the_server_loses_the_end_of_its_store(tree):
    """As after a power cut, while the primary lives: it publishes again what was acknowledged."""
    await tree.kill_server()
    shutil.copytree(tree.store, tree.directory / "store")
    await tree.start_server()
    await tree.hub.peers(30)
    await tree.converged()
    await tree.kill_server()
    shutil.rmtree(tree.store)
    shutil.copytree(tree.directory / "store", tree.store)
    epoch = tree.hub.position.epoch

    await tree.start_server()
    await tree.hub.peer()

    await tree.converged("store lost its end")
    assert tree.hub.position.epoch == epoch


async def test_the_server_hangs(tree):
    """Stopped for longer than everybody waits; then all go on by themselves."""
    before = loads(tree)
    assert tree.server.pid
    os.kill(tree.server.pid, signal.SIGSTOP)
    try:
        await eventually(
            lambda: tree.gateway("gw-lyon").replica.phase is not Phase.FOLLOWING,
            "the last one to notice", 20,
        )  # fmt: skip
    finally:
        os.kill(tree.server.pid, signal.SIGCONT)

    await tree.hub.peer()

    await tree.converged("server hung")
    assert loads(tree) == before


@pytest.mark.parametrize("outage_s", [2, pytest.param(30, marks=pytest.mark.torture)])
async def test_catching_up_begins_within_a_second_of_an_outage(tree, outage_s):
    """However long it was; the median of three, for a machine that does other things."""
    now, took_s = asyncio.get_running_loop().time, []
    for _ in range(3):
        await tree.kill_server()
        over = now() + outage_s
        await eventually(lambda until=over: now() > until, "the outage to be over", outage_s + 5)
        await tree.start_server()
        began = now()

        await tree.hub.peer()
        await eventually(
            lambda: tree.sinks["gw-lyon"].where == tree.hub.position, "the last level to have it"
        )
        took_s.append(now() - began)

    print(f"caught up {sorted(took_s)} s after the server was back")
    assert sorted(took_s)[1] <= BEGIN_S_MAX
