"""What a publisher says of itself while its stream takes nothing."""

import os
import signal
from contextlib import contextmanager
from datetime import UTC, datetime

from bridge.ownership import head_of
from bridge.publisher import STUCK_S
from tests.builders import create_peer
from tests.buses import admin, create_interface, is_published, primary
from tests.datastores import request
from tests.eventually import eventually


@contextmanager
def frozen(server):
    """Freeze nats-server: no stream takes anything."""
    pid = server.pid
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)  # until then it may answer
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def write(running, number):
    """Commit one peer, and return what commands tell the publisher then."""
    node = running.primary.node

    def commit():
        before = node.datastore.position().seq
        node.datastore.commit([request(create_peer(number))], datetime.now(UTC))
        return head_of(node.datastore), node.datastore.records(before, 10)

    return await node.writer.call(commit)


async def commit(running, number):
    """Commit one peer, as commands do, and tell the publisher."""
    running.primary.publisher.committed(*await write(running, number))


async def test_memory_is_bounded_while_the_stream_takes_nothing(tmp_path, server, monkeypatch):
    """Of many commits only the last is remembered, and it is all that counts in the end."""
    monkeypatch.setattr("bridge.publisher.HEADS_MAX", 3)
    async with primary(tmp_path, server) as running, admin(server) as client:
        await client.command("interface.create", create_interface())
        publisher = running.primary.publisher
        with frozen(server):
            for number in range(10):
                await commit(running, number)
            assert len(publisher._heads) == 3
            assert publisher.backlog == 10

        await eventually(lambda: publisher.backlog == 0, "everything to be published", 20)

        assert publisher.published == head_of(running.primary.node.datastore)
        assert await is_published(running)


async def test_what_is_read_back_is_not_sent_twice(tmp_path, server, monkeypatch):
    """The publisher reads entries of a commit that it is told of while it sends them."""
    monkeypatch.setattr("bridge.publisher.GROUP_ENTRIES_MAX", 1)
    async with primary(tmp_path, server) as running, admin(server) as client:
        await client.command("interface.create", create_interface())
        publisher, bus = running.primary.publisher, running.primary.publisher._bus
        outbox = publisher._outbox
        first, second = await write(running, 1), await write(running, 2)

        async def room():
            monkeypatch.undo()
            publisher.committed(*second)

        monkeypatch.setattr(bus, "room", room)
        publisher.committed(first[0], [])  # too much to be handed over

        await eventually(lambda: publisher.backlog == 0, "both to be published")
        publisher.committed((await write(running, 3))[0], [])
        await eventually(lambda: publisher.backlog == 0, "a third to be read back")
        assert await is_published(running)
        assert publisher._outbox is outbox, "it did not stumble and begin again"


async def test_a_doubt_after_an_idle_time_refuses_nothing_at_once(tmp_path, server):
    """Nothing waited until then: the stream has as long as always to answer."""
    async with primary(tmp_path, server) as running:
        publisher = running.primary.publisher
        publisher._progress_s -= 3600  # the last command came an hour ago

        with frozen(server):
            publisher.doubt("somebody stumbled over a cable")

            assert not publisher.stuck
            await eventually(lambda: publisher.stuck, "it to be stuck", 3 * STUCK_S)


async def test_a_primary_whose_stream_is_stuck_says_since_when(tmp_path, server):
    """Its lag has a beginning, which does not move; without a lag it has none."""
    async with primary(tmp_path, server) as running, admin(server) as client:
        await client.command("interface.create", create_interface())
        running.primary.publisher._progress_s -= 60
        before = running.primary.status()
        with frozen(server):
            started = datetime.now(UTC)
            await commit(running, 1)
            first = running.primary.status()
            await eventually(lambda: running.primary.publisher.stuck, "it to be stuck")
            then = running.primary.status()

    assert (before.lag_entries, before.lag_s, before.behind_since) == (0, 0.0, None)
    assert (first.lag_entries, then.lag_entries) == (1, 1)
    assert then.lag_s >= STUCK_S > first.lag_s, "told to the millisecond"
    assert abs((then.behind_since - started).total_seconds()) < 1
