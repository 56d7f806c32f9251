"""The primary on a real server: what is acknowledged stays, and the stream is the log."""

import asyncio
import json
import os
import shutil
import signal
from datetime import UTC, datetime

import pytest

from bridge.streams import Streams
from tests.builders import key
from tests.buses import (
    NODE,
    admin,
    connected,
    create_interface,
    create_peer,
    database,
    is_published,
    nats,
    peers,
    primary,
    stream_and_log,
)
from tests.eventually import eventually
from wig import commands, errors
from wig.sqlite.datastore import Datastore, Request


async def create_peers(client, numbers):
    for number in numbers:
        await client.command("peer.create", create_peer(number))


def commit_alone(directory, numbers):
    """Commit peers without a bus."""
    with Datastore.open(database(directory)) as store:
        requests = [Request("local", "", create_peer(number)) for number in numbers]
        store.commit(requests, datetime.now(UTC))


async def test_acknowledged_entries_are_in_the_stream(tmp_path, server):
    """When a command returns, its entry is in the stream, under the log's sequence and digest."""
    async with primary(tmp_path, server) as running, admin(server) as client:
        await client.command("interface.create", create_interface())
        reply = await client.command("peer.create", create_peer(1))

        in_stream, in_log = await stream_and_log(running)
        assert in_stream == in_log
        assert reply.position.seq == len(in_stream) == 2
        assert reply.position.digest == in_stream[-1]


async def test_restart_goes_on_with_the_same_stream(tmp_path, server):
    """A second start keeps generation and everything in the stream, and begins an epoch there."""
    async with primary(tmp_path, server) as running, admin(server) as client:
        await client.command("interface.create", create_interface())
        generation = running.primary.publisher.generation
        before = running.primary.node.serving().position
    async with primary(tmp_path, server) as running, admin(server) as client:
        await create_peers(client, [1])

        assert running.primary.publisher.generation == generation
        (*_, fork) = running.primary.node.serving().lineage
        assert (fork.parent, fork.seq, fork.digest) == (before.epoch, before.seq, before.digest)
        assert running.primary.publisher.ownership.problems == ()
        assert await is_published(running)


async def test_what_was_committed_unpublished_is_published_at_the_start(tmp_path, server):
    """Entries that were committed while nobody could publish are in the stream when it serves."""
    async with primary(tmp_path, server) as running, admin(server) as client:
        await client.command("interface.create", create_interface())
    commit_alone(tmp_path, [7])

    async with primary(tmp_path, server) as running, admin(server) as client:
        assert await is_published(running)
        assert await peers(client) == {key(7)}


async def test_long_log_is_published_in_many_groups(tmp_path, server):
    """An import of more than one group arrives as a whole, in order."""
    async with primary(tmp_path, server) as running, admin(server) as client:
        await client.command("interface.create", create_interface())
        specs = tuple(
            commands.PeerSpec(interface="wg0", public_key=key(number)) for number in range(3000)
        )
        reply = await client.command("peer.import", commands.ImportPeers(peers=specs))

        assert reply.ok == {"created": 3000, "unchanged": 0}
        assert running.primary.publisher.accepted == 3001
        assert running.primary.publisher.backlog == 0


async def test_wiped_stream_is_published_anew(tmp_path):
    """When JetStream's store is lost, by itself; it tells of it, for it may have had more."""
    async with (
        nats(tmp_path) as server,
        primary(tmp_path, server) as running,
        admin(server) as client,
    ):
        await client.command("interface.create", create_interface())
        epoch = running.primary.node.serving().position.epoch
    shutil.rmtree(tmp_path / "nats" / "jetstream")
    async with (
        nats(tmp_path) as server,
        primary(tmp_path, server) as running,
        admin(server) as client,
    ):
        await create_peers(client, [1])

        assert await is_published(running)
        serving = running.primary.node.serving()
        assert serving.position.epoch > epoch
        assert [fork.epoch for fork in serving.lineage][1:] == [epoch, serving.position.epoch]
        assert serving.lineage[-1].seq == 1


def renewed(running, generation):
    """Say whether the log has another stream now."""
    return running.primary.publisher.generation not in {generation, ""}


async def kill_and_replace_store(server, replace):
    """Kill the server, and have another store in place before it is back."""
    directory = server.options.directory / "jetstream"
    os.kill(server.pid, signal.SIGSTOP)
    replace(directory)
    os.kill(server.pid, signal.SIGKILL)


async def test_stream_wiped_under_a_running_primary(tmp_path, server):
    """The same while it runs, without a restart, and in the epoch that only it writes in."""
    async with primary(tmp_path, server) as running, admin(server) as client:
        await client.command("interface.create", create_interface())
        epoch = running.primary.node.serving().position.epoch
        generation = running.primary.publisher.generation

        await kill_and_replace_store(server, shutil.rmtree)
        await eventually(lambda: renewed(running, generation), "a new stream, with nobody asking")
        await create_peers(client, [1, 2])

        assert await is_published(running)
        assert running.primary.node.serving().position.epoch == epoch


async def test_lost_tail_is_published_again(tmp_path, server):
    """A server that lost the end of the stream in a power failure gets it again; no new epoch."""
    async with primary(tmp_path, server) as running, admin(server) as client:
        await client.command("interface.create", create_interface())
        epoch = running.primary.node.serving().position.epoch
        old = tmp_path / "old"
        shutil.copytree(server.options.directory / "jetstream", old)
        await create_peers(client, range(20))

        def go_back(directory):
            shutil.rmtree(directory)
            shutil.move(old, directory)

        await kill_and_replace_store(server, go_back)
        await create_peers(client, [20])

        assert await is_published(running)
        assert running.primary.node.serving().position.epoch == epoch
        assert len(await peers(client)) == 21


async def test_restored_database_tells_what_is_lost(tmp_path, server):
    """A database from a backup begins a new epoch, and names the entries that it does not have."""
    async with primary(tmp_path, server) as running, admin(server) as client:
        await client.command("interface.create", create_interface())
        epoch = running.primary.node.serving().position.epoch
    shutil.copy(database(tmp_path), tmp_path / "backup")
    async with primary(tmp_path, server) as running, admin(server) as client:
        await create_peers(client, range(3))
    shutil.copy(tmp_path / "backup", database(tmp_path))

    async with primary(tmp_path, server) as running, admin(server) as client:
        await create_peers(client, [10])

        status = (await client.query("node.status")).ok["nodes"][0]
        assert status["problems"] == ["this database has been restored: entries 2–4 are lost"]
        assert running.primary.node.serving().position.epoch > epoch
        assert await peers(client) == {key(10)}
        assert await is_published(running)


async def test_restored_and_overtaken_database_finds_the_fork(tmp_path, server):
    """The same when the restored one has more entries than the stream, only other ones."""
    async with primary(tmp_path, server), admin(server) as client:
        await client.command("interface.create", create_interface())
    shutil.copy(database(tmp_path), tmp_path / "backup")
    async with primary(tmp_path, server), admin(server) as client:
        await create_peers(client, range(5))
    shutil.copy(tmp_path / "backup", database(tmp_path))
    commit_alone(tmp_path, range(100, 120))

    async with primary(tmp_path, server) as running, admin(server) as client:
        status = (await client.query("node.status")).ok["nodes"][0]
        assert status["problems"] == ["this database has been restored: entries 2–6 are lost"]
        assert await peers(client) == {key(number) for number in range(100, 120)}
        assert await is_published(running)


async def test_old_streams_are_deleted(tmp_path, server):
    """After a new generation, only its stream is left."""
    async with primary(tmp_path, server), admin(server) as client:
        await client.command("interface.create", create_interface())
    shutil.copy(database(tmp_path), tmp_path / "backup")
    async with primary(tmp_path, server), admin(server) as client:
        await create_peers(client, [1])
    shutil.copy(tmp_path / "backup", database(tmp_path))

    async with primary(tmp_path, server) as running, connected(server) as bus:
        names = json.loads((await bus.request("$JS.API.STREAM.NAMES", timeout_s=5)).data)
        assert names["streams"] == [f"WIG_{NODE}_{running.primary.publisher.generation}"]


async def test_second_primary_of_a_node_is_refused(tmp_path, server):
    """While an instance answers for a node, another one gives up, and takes nothing over."""
    (tmp_path / "copy").mkdir()
    async with primary(tmp_path, server) as running, admin(server) as client:
        await client.command("interface.create", create_interface())
        shutil.copy(database(tmp_path), database(tmp_path / "copy"))

        with pytest.raises(errors.Fenced, match=running.primary.me.instance):
            async with primary(tmp_path / "copy", server):
                pass

        await create_peers(client, [1])
        assert await is_published(running)


async def test_claimed_stream_fences_its_old_owner(tmp_path, server):
    """When another instance has claimed the stream, nothing more is acknowledged."""
    async with (
        primary(tmp_path, server) as running,
        admin(server) as client,
        connected(server) as bus,
    ):
        await client.command("interface.create", create_interface())
        await Streams(bus, NODE, "usurper").claim(running.primary.publisher.generation)

        with pytest.raises((errors.Unknown, errors.Unavailable)):
            await client.command("peer.create", create_peer(1), timeout_s=2)

        with pytest.raises(errors.Fenced, match="instance usurper has claimed the stream"):
            await asyncio.wait_for(running.task, 5)


async def test_lost_claim_is_claimed_again(tmp_path, server):
    """A server that forgot our claim in a crash does not end the node."""
    store = server.options.directory / "jetstream"
    async with primary(tmp_path, server), admin(server) as client:
        await client.command("interface.create", create_interface())
    first_run = {file: file.read_bytes() for file in store.rglob("meta.*")}
    async with primary(tmp_path, server) as running, admin(server) as client:
        await create_peers(client, [1])

        def forget_the_claim(_):
            for file, content in first_run.items():
                file.write_bytes(content)

        await kill_and_replace_store(server, forget_the_claim)
        await create_peers(client, [2])

        assert await is_published(running)


def progress(acknowledged, wanted):
    """Return a check that so many are acknowledged."""
    return lambda: len(acknowledged) >= wanted


@pytest.mark.parametrize("times", [3])
async def test_nothing_acknowledged_is_lost_when_the_server_is_killed(tmp_path, server, times):
    """Sixteen clients create peers while the server is killed: all acknowledged ones are there."""
    acknowledged = set()
    stop = asyncio.Event()

    async def keep_creating(client, worker):
        number = 0
        while not stop.is_set():
            number += 1
            made = create_peer((worker, number))
            await client.command("peer.create", made, timeout_s=30)
            acknowledged.add(made.public_key)

    async with primary(tmp_path, server) as running, admin(server) as client:
        await client.command("interface.create", create_interface())
        async with asyncio.TaskGroup() as group:
            for worker in range(16):
                group.create_task(keep_creating(client, worker))
            for number in range(1, times + 1):
                await eventually(progress(acknowledged, number * 100), "progress")
                os.kill(server.pid, signal.SIGKILL)
                await eventually(lambda: server.pid, "the server is back")
            await eventually(progress(acknowledged, times * 100 + 200), "progress at the end")
            stop.set()

        assert await peers(client) >= acknowledged
        assert await is_published(running)
