"""Story: a tree of 20 followers, three levels deep, and 50 gateways, while everything moves."""

import asyncio
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import buses, replicas, trees
from tests.eventually import eventually
from tests.replicas import Small, StateSink
from wig import log
from wig.commands import DeletePeer, UpdatePeer
from wig.log import Record

FOLLOWERS = {f"a{n}": "hub" for n in range(4)}
FOLLOWERS |= {f"b{n}": f"a{n % 4}" for n in range(8)}
FOLLOWERS |= {f"c{n}": f"b{n}" for n in range(8)}
GATEWAYS = {f"gw{n}": list(FOLLOWERS)[n % 20] for n in range(50)}
CONVERGE_S_MAX = 90.0


def level(node: str) -> int:
    return 0 if node == "hub" else 1 + level((FOLLOWERS | GATEWAYS)[node])


def below(node: str) -> list[str]:
    """Return a follower and all that is fed by it."""
    direct = [name for name, upstream in (FOLLOWERS | GATEWAYS).items() if upstream == node]
    return [node, *(name for one in direct for name in below(one))]


class Timed(StateSink):
    """A gateway that notes how old each entry is when it is applied."""

    def __init__(self) -> None:
        super().__init__()
        self.ages_ms: list[float] = []

    def apply(self, epoch: str, records: Sequence[Record]) -> None:
        super().apply(epoch, records)
        now = datetime.now(UTC)
        for record in records:
            age = now - log.decode_entry(record.payload).time
            self.ages_ms.append(age.total_seconds() * 1000)


class Forest:
    """All nodes, in one process, over one nats-server."""

    def __init__(self, server, directory: Path) -> None:
        self._server = server
        self._directory = directory
        self.sinks = {name: Timed() for name in GATEWAYS}
        self.running: dict[str, AsyncExitStack] = {}
        self.followers = {}

    async def start(self, name: str) -> None:
        stack = self.running[name] = AsyncExitStack()
        if name in FOLLOWERS:
            db = self._directory / f"{name}.db"
            node = trees.follower(self._server, db, name, FOLLOWERS[name])
            self.followers[name] = await stack.enter_async_context(node)
        else:
            sink, upstream = self.sinks[name], GATEWAYS[name]
            gateway = replicas.downstream(self._server, sink, name, upstream=upstream)
            await stack.enter_async_context(gateway)

    async def stop(self, name: str) -> None:
        await self.running.pop(name).aclose()

    async def restart(self, name: str) -> None:
        await self.stop(name)
        await self.start(name)

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Let a follower apply nothing, although it goes on to take entries."""
        thaw = threading.Event()
        held = asyncio.ensure_future(self.followers[name].node.writer.call(thaw.wait))
        try:
            yield
            assert not held.done()
        finally:
            thaw.set()

    def behind(self, hub: Small) -> list[str]:
        """Return who is not at the head."""
        where = {name: trees.published(it) for name, it in self.followers.items()}
        where |= {name: sink.where for name, sink in self.sinks.items()}
        return [name for name, position in where.items() if position != hub.position]

    async def converged(self, hub: Small, what: str, but: Sequence[str] = ()) -> None:
        """Wait until all are at the head, and those of `but` are not."""
        began = time.monotonic()
        await eventually(
            lambda: sorted(self.behind(hub)) == sorted(but), f"{what}: all at the head",
            CONVERGE_S_MAX,
        )  # fmt: skip
        print(f"{what}: converged in {time.monotonic() - began:.2f} s")

    def print_ages(self) -> None:
        for depth, ages in sorted(self.take_ages().items()):
            ages.sort()
            p50, p99 = ages[len(ages) // 2], ages[len(ages) * 99 // 100]
            print(f"level {depth}: decided → applied, p50 {p50:.1f} ms, p99 {p99:.1f} ms")

    def take_ages(self) -> dict[int, list[float]]:
        """Return the ages of entries by level, and forget them."""
        found: dict[int, list[float]] = defaultdict(list)
        for name, sink in self.sinks.items():
            found[level(name)] += sink.ages_ms
            sink.ages_ms = []
        return found


async def churn(hub: Small, chance: random.Random, count: int) -> None:
    """Create, change and delete peers, a hundred a second."""
    keys: list[str] = []
    for number in range(count):
        if keys and chance.random() < 0.2:
            await hub.client.command("peer.delete", DeletePeer(public_key=keys.pop()))
        elif keys and chance.random() < 0.2:
            key = chance.choice(keys)
            await hub.client.command("peer.update", UpdatePeer(public_key=key, name=str(number)))
        else:
            keys.append(await hub.peer())
        await asyncio.sleep(0.01)


async def tell(forest: Forest, hub: Small, ops: int) -> None:
    chance = random.Random(7)
    for name in (*FOLLOWERS, *GATEWAYS):
        await forest.start(name)
    await forest.converged(hub, "20 followers, 50 gateways started")

    forest.take_ages()
    await churn(hub, chance, 200)
    await forest.converged(hub, "200 commands")
    forest.print_ages()
    with forest.frozen("b3"):
        await churn(hub, chance, 100)
        await forest.converged(hub, "100 commands with a frozen follower", below("b3"))
        forest.print_ages()
    await forest.converged(hub, "it goes on")

    writing = asyncio.create_task(churn(hub, chance, 100))
    importing = asyncio.create_task(hub.peers(ops))
    for _ in range(6):
        await forest.restart(chance.choice(list(FOLLOWERS)))
        await forest.restart(chance.choice(list(GATEWAYS)))
    await writing
    await importing
    await forest.converged(hub, f"{ops} entries while nodes restart")

    truth = trees.contents(hub.db)
    for name, node in forest.followers.items():
        found = await asyncio.to_thread(trees.contents, node.node.datastore.path)
        assert found == truth, name
    for name, sink in forest.sinks.items():
        assert sink.state.state_digest == truth[1], name


@pytest.mark.parametrize(
    "ops", [1000, pytest.param(10_000, marks=(pytest.mark.torture, pytest.mark.timeout(900)))]
)
async def test_a_tree_of_three_levels_converges_under_churn(tmp_path, monkeypatch, ops):
    """Nobody is lost, and each level adds little."""
    # A server reserves what each stream may take; these 21 share one, other than on real hosts.
    monkeypatch.setattr("bridge.streams.LOG_BYTES_MAX", 64 * 1024**2)
    async with (
        buses.nats(tmp_path) as server,
        replicas.primary(server, tmp_path / "hub.db") as hub,
    ):
        await hub.interface()
        await hub.peer()
        forest = Forest(server, tmp_path)
        try:
            await tell(forest, hub, ops)
        finally:
            for name in list(forest.running):
                await forest.stop(name)
