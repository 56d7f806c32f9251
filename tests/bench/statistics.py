"""Reading and reporting 100,000 active peers, and whether the event loop notices."""

import asyncio
import gc
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvloop

from bridge import subjects
from bridge.geoip import GeoIP
from bridge.jetstream import JetStream
from bridge.readings import Readings
from bridge.statistics import Statistics
from tests import buses
from tests.bench.figures import Figure, quantile, rss_mb
from tests.eventually import eventually, eventually_sync
from tests.lab import places
from wig.linux import samples
from wig.samples import Batch
from wig.tally import Backlog

PEERS = 100_000
TURNS = 3
PROBE_S = 0.001


class Loop:
    """Whether the event loop can be felt to stop."""

    def __init__(self) -> None:
        self.pauses_s: list[float] = []

    async def watch(self) -> None:
        while True:
            begin = time.perf_counter()
            await asyncio.sleep(PROBE_S)
            self.pauses_s.append(time.perf_counter() - begin - PROBE_S)

    def __str__(self) -> str:
        longest, p99 = max(self.pauses_s) * 1000, quantile(self.pauses_s, 0.99) * 1000
        return f"longest pause of the loop {longest:.0f} ms, p99 {p99:.0f} ms"


async def watched(work: Callable[[], Awaitable[None]]) -> tuple[float, Loop]:
    """Do some work; return how long it took, and how the loop was meanwhile."""
    loop = Loop()
    watch = asyncio.create_task(loop.watch())
    begin = time.perf_counter()
    await work()
    took_s = time.perf_counter() - begin
    await buses.cancel(watch)
    return took_s, loop


@contextmanager
def device(directory: Path) -> Iterator[Path]:
    path = directory / "wg0.sock"
    program = (sys.executable, "-m", "tests.bench.device", str(path), str(PEERS))
    with subprocess.Popen(program) as process:
        try:
            eventually_sync(path.exists, "the device", 60)
            yield path
        finally:
            process.kill()


@asynccontextmanager
async def gateway(
    directory: Path, path: Path
) -> AsyncIterator[tuple[Statistics, Statistics, Readings]]:
    """Run what a gateway has for its statistics, beside a real bus and its stream.

    The second one sends nothing, and its backlog is full after one reading.
    """
    country = places.write_countries(directory / "c.mmdb", {"198.0.0.0/9": "SE"})
    asn = places.write_networks(directory / "a.mmdb", {"198.0.0.0/9": (64500, "Example AB")})
    async with buses.nats(directory) as server, buses.connected(server, "gw1") as bus:
        await JetStream(bus).call(
            f"STREAM.CREATE.{subjects.STATS_STREAM}",
            {"name": subjects.STATS_STREAM, "subjects": [subjects.stats("*")]},
        )
        readings = Readings(lambda: (Batch("wg0", peers) for peers in samples.read(path)))
        it = Statistics(bus, readings, places=GeoIP(country, asn))
        alone = Statistics(bus, readings, backlog=Backlog(samples_max=PEERS))
        sending = asyncio.create_task(it.send())
        yield it, alone, readings
        await buses.cancel(sending)
        it.close()
        alone.close()
        readings.close()


async def measure(directory: Path, path: Path) -> list[Figure]:
    async def nothing() -> None:
        await asyncio.sleep(1)

    idle = (await watched(nothing))[1]
    floor = f"an idle loop: {idle}"
    before_mb = rss_mb(os.getpid())
    async with gateway(directory, path) as (it, alone, readings):

        async def read() -> None:
            await readings.current(0)

        async def report() -> None:
            sent = it.sent
            await it.look()
            await eventually(lambda: it.sent > sent and not it.waiting, "all to be taken", 60)

        def figure(work: str, took_s: float, loop: Loop, more: str = "") -> Figure:
            return Figure(
                work=f"{PEERS:,} peers {work}", value=f"{took_s:.2f} s{more}; {loop}",
                target="no pause over 50 ms", floor=floor,
            )  # fmt: skip

        found = [figure("read in bulk", *await watched(read))]
        first = await watched(report)
        found.append(figure("reported, and all of their places found", *first))
        later = [await watched(report) for _ in range(TURNS)]
        worst = max(later, key=lambda one: max(one[1].pauses_s))
        memory = f", {rss_mb(os.getpid()) - before_mb:.0f} MB more"
        found.append(figure("reported again", *worst, memory))
        await alone.look()
        found.append(figure("merged into a full backlog", *await watched(alone.look)))
        assert alone.merged
    return found


def figures(directory: Path) -> list[Figure]:
    gc.freeze()  # as the program does
    with device(directory) as path, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure(directory, path))
