"""A sink follows a primary through everything that can happen between them."""

import asyncio
import os
import shutil
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest

from bridge.connection import Connection
from tests import replicas
from tests.eventually import eventually
from tests.replicas import Small, StateSink, attached, converged, downstream
from wig import errors
from wig.replica import Phase

CONVERGE_S_MAX = 5.0


@pytest.fixture
async def hub(hub):
    """With a peer."""
    await hub.peer()
    return hub


async def delete(bus: Connection, what: str) -> None:
    """Delete something of JetStream, the way an admin would."""
    answer = await bus.request(f"$JS.API.{what}", timeout_s=5)
    assert b"error" not in answer.data, answer.data


async def again(sink: StateSink, hub: Small, what: str) -> None:
    """Wait until the sink has caught up, and print how long it took."""
    began = time.monotonic()
    await converged(sink, hub, 15.0)
    print(f"{what}: converged in {time.monotonic() - began:.2f} s")


async def test_an_empty_sink_gets_a_snapshot_and_then_entries(server, hub):
    """The whole way of a bootstrap, and that nothing is loaded twice."""
    sink = StateSink()

    async with downstream(server, sink):
        await converged(sink, hub)
        for _ in range(5):
            await hub.peer()
        await converged(sink, hub)

    assert sink.loads == 1
    assert [it.seq for it in sink.seen] == sorted({it.seq for it in sink.seen})


async def test_a_restarted_downstream_continues_where_it_was(server, hub):
    """No snapshot is needed for what the stream still has."""
    sink = StateSink()
    async with downstream(server, sink):
        await converged(sink, hub)
    await hub.peers(3000)

    async with downstream(server, sink):
        await converged(sink, hub)

    assert sink.loads == 1


async def test_a_downstream_behind_the_oldest_entry_gets_a_snapshot(server, hub):
    """What it needs is pruned."""
    sink = StateSink()
    async with downstream(server, sink):
        await converged(sink, hub)
    await hub.peers(100)
    await hub.it.publisher.prune(hub.position.seq - 10)

    async with downstream(server, sink):
        await converged(sink, hub)

    assert sink.loads == 2


async def test_a_consumer_that_an_admin_deletes_is_made_again(server, hub):
    """The open pull request says at once that it is gone."""
    sink = StateSink()
    async with downstream(server, sink) as it, replicas.bus(server, "admin") as admin:
        await attached(it)
        stream = hub.it.node.stream()
        assert stream is not None

        await delete(admin, f"CONSUMER.DELETE.{stream.name}.gw1")
        await hub.peer()

        await again(sink, hub, "consumer deleted")
    assert sink.loads == 1


async def test_a_stream_that_an_admin_deletes_is_replaced(server, hub):
    """Only this primary has written in its epoch: what everybody has stays valid."""
    sink = StateSink()
    async with downstream(server, sink) as it, replicas.bus(server, "admin") as admin:
        await attached(it)
        before = hub.position.epoch
        stream = hub.it.node.stream()
        assert stream is not None

        await delete(admin, f"STREAM.DELETE.{stream.name}")
        await hub.peer()

        await again(sink, hub, "stream deleted")
        assert hub.it.node.stream() not in {stream, None}
    assert hub.position.epoch == before
    assert sink.loads == 1


async def test_a_stream_that_is_deleted_while_nothing_is_written_is_replaced(server, hub):
    """Nobody could attach to a node without a stream."""
    sink = StateSink()
    async with downstream(server, sink) as it, replicas.bus(server, "admin") as admin:
        await attached(it)
        stream = hub.it.node.stream()
        assert stream is not None

        await delete(admin, f"STREAM.DELETE.{stream.name}")
        await hub.it.publisher.look()

        await eventually(lambda: hub.it.node.stream() not in {stream, None}, "new stream")
        await again(sink, hub, "stream deleted")
    assert sink.loads == 1


async def test_a_server_that_is_killed_while_entries_come_loses_nothing(server, hub):
    """Every replica goes on by itself when the server is back."""
    sink = StateSink()
    async with downstream(server, sink) as it:
        await attached(it)
        for _ in range(3):
            assert server.pid
            os.kill(server.pid, signal.SIGKILL)
            for _ in range(20):
                await hub.peer()
            await again(sink, hub, "server killed")
    assert sink.loads == 1


async def test_a_server_that_is_gone_for_a_while_is_followed_within_a_second(server, hub):
    """Nothing backs off for longer."""
    sink = StateSink()
    async with downstream(server, sink) as follower:
        await attached(follower)
        assert server.pid
        pid = server.pid

        os.kill(pid, signal.SIGSTOP)  # a hung server, for longer than everybody's patience
        await eventually(
            lambda: follower.replica.phase is not Phase.FOLLOWING, "it to notice", 15.0
        )
        os.kill(pid, signal.SIGCONT)
        began = time.monotonic()
        await attached(follower)
        print(f"hung server: attached again after {time.monotonic() - began:.2f} s")

        await hub.peer()
        await again(sink, hub, "hung server")
    assert sink.loads == 1


async def test_a_downstream_of_another_database_is_refused_and_keeps_what_it_has(
    server, hub, tmp_path
):
    """A fresh `init` under a known name must not wipe a fleet."""
    sink = StateSink()
    async with downstream(server, sink):
        await converged(sink, hub)
    kept = sink.where

    sink.database = "another"
    async with downstream(server, sink) as follower:
        await eventually(lambda: follower.replica.alert, "the refusal")
        assert isinstance(follower.replica.alert, errors.Foreign)

    assert (sink.where, sink.loads) == (kept, 1)


async def test_a_second_process_with_the_same_identity_is_told_so(server, hub):
    """While the first is alive; when it ends, the second takes over."""
    first, second = StateSink(), StateSink()
    async with downstream(server, second, "gw2") as waiting:
        await converged(second, hub)
        async with downstream(server, first, "gw1"):
            await converged(first, hub)
            async with downstream(server, StateSink(), "gw1") as follower:
                await eventually(lambda: follower.replica.alert, "the refusal")
                assert "in use" in str(follower.replica.alert)
            await hub.peer()
            await converged(first, hub)
        assert waiting.replica.alert is None


async def test_a_process_that_died_does_not_keep_its_identity(server, hub):
    """Its inbox is gone with it: the server says so at once."""
    sink = StateSink()
    async with downstream(server, sink, "gw1"):
        await converged(sink, hub)
    await hub.peer()
    began = time.monotonic()

    async with downstream(server, sink, "gw1"):
        await converged(sink, hub)

    assert time.monotonic() - began < 1.0


class Newer(StateSink):
    """A sink that meets an entry of a newer version."""

    strange = 0

    def apply(self, epoch, records):
        known = [record for record in records if record.seq != self.strange]
        super().apply(epoch, known[: len(records)])
        if len(known) < len(records):
            raise errors.Unsupported("entry: upgrade this node")


async def test_an_entry_of_a_newer_version_stops_a_downstream_and_nobody_else(server, hub):
    """It goes on serving what it has, and says so; the others go on."""
    old, new = Newer(), StateSink()
    async with downstream(server, old, "old") as stopped, downstream(server, new, "new"):
        await converged(old, hub)
        await converged(new, hub)
        kept = old.where
        old.strange = hub.position.seq + 1

        await hub.peer()
        await converged(new, hub)

        await eventually(lambda: stopped.replica.alert, "the alert")
        assert str(stopped.replica.alert) == "entry: upgrade this node"
        assert old.where == kept


async def test_a_wrong_state_under_a_right_position_is_replaced(server, hub):
    """The beacon's state digest finds it."""
    sink = StateSink()
    async with downstream(server, sink):
        await converged(sink, hub)
        sink.state._total += 1

        await hub.peer()

        await eventually(lambda: sink.loads == 2, "another snapshot")
        await converged(sink, hub)


class TestRestored:
    """A primary that was restored from an older backup; its stream knows more than it does."""

    @pytest.fixture
    async def backup(self, server, tmp_path):
        """A copy of the database, older than what its downstream has."""
        db = tmp_path / "hub.db"
        sink = StateSink()
        async with replicas.primary(server, db) as hub:
            await hub.interface()
            await hub.peers(10)
            async with downstream(server, sink):
                await converged(sink, hub)
        shutil.copy(db, tmp_path / "backup.db")
        async with replicas.primary(server, db) as hub:
            await hub.peers(20)
            async with downstream(server, sink):
                await converged(sink, hub)
        return tmp_path / "backup.db", sink

    async def test_a_downstream_that_is_online_gives_up_what_was_lost(self, server, backup):
        """It converges by itself, and no entry of the lost branch stays."""
        db, sink = backup
        async with downstream(server, sink), replicas.primary(server, db) as hub:
            await again(sink, hub, "restored, online")
            await hub.peers(3)
            await again(sink, hub, "restored, then new entries")

    async def test_a_downstream_that_was_overtaken_while_offline_is_not_spliced(
        self, server, backup
    ):
        """The new timeline has passed its sequence when it comes back."""
        db, sink = backup
        lost = sink.where
        assert lost is not None
        async with replicas.primary(server, db) as hub:
            await hub.peers(100)
            assert hub.position.seq > lost.seq

            async with downstream(server, sink):
                await again(sink, hub, "restored, overtaken")
        assert sink.loads == 2


async def test_retention_never_overtakes_a_downstream_that_loads(server, hub):
    """What a snapshot leads to is kept while it is loaded."""
    datastore, worker = hub.it.node.datastore, hub.it.node.writer
    sink = StateSink()
    async with downstream(server, sink):
        await converged(sink, hub)
        kept = hub.it.node.snapshots.oldest()
        assert kept is not None
        await hub.peers(500)

        def prune() -> int:
            soon = datetime.now(UTC) + timedelta(days=1)
            return datastore.prune(soon, timedelta(0), 1, kept)

        await worker.call(prune)
        assert datastore.oldest() <= kept + 1


async def test_following_is_fast(server, hub):
    """A request is applied by the sink in a few milliseconds; the figure is printed."""
    sink = StateSink()
    async with downstream(server, sink):
        await converged(sink, hub)
        took_ms = []
        for _ in range(200):
            began = time.perf_counter()
            request = asyncio.create_task(hub.peer())
            await sink.moved()
            took_ms.append((time.perf_counter() - began) * 1000)
            await request
    took_ms.sort()
    print(f"request → applied: p50 {took_ms[100]:.2f} ms, p99 {took_ms[197]:.2f} ms")
    assert took_ms[100] < 30


async def test_catching_up_is_fast(server, hub):
    """20,000 entries; the rate is printed."""
    sink = StateSink()
    async with downstream(server, sink):
        await converged(sink, hub)
    await hub.peers(20_000)
    began = time.perf_counter()

    async with downstream(server, sink):
        await converged(sink, hub)

    rate = 20_000 / (time.perf_counter() - began)
    print(f"catch-up: {rate:,.0f} entries/s")
    assert sink.loads == 1
    assert rate > 3_000
