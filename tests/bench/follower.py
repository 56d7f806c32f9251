"""A follower datastore: bootstrap, and catching up after an outage, into SQLite and its stream.

The follower is a process of its own; the primary is in this one.
"""

import asyncio
import time
from pathlib import Path

from bridge.server import NatsServer
from tests import buses, replicas
from tests.bench.figures import Figure, rss_mb
from tests.processes import Process, Site
from wig.log import Position
from wig.sqlite.reader import Reader

PEERS = 100_000
WAIT_S_MAX = 120.0


def figures(directory: Path) -> list[Figure]:
    return asyncio.run(_measure(directory))


async def _measure(directory: Path) -> list[Figure]:
    async with (
        buses.nats(directory) as server,
        replicas.primary(server, directory / "hub.db") as hub,
    ):
        await hub.interface()
        behind = await _until(server, directory / "late.db", "late", hub)
        behind.stop()
        await hub.peers(PEERS)
        caught_up_s = await _timed(server, directory / "late.db", "late", hub)
        bootstrap_s = await _timed(server, directory / "new.db", "new", hub)
        return [
            Figure(
                work=f"a follower catches up with {PEERS:,} entries",
                value=f"{PEERS / caught_up_s[0]:,.0f} entries/s",
                target="≥ 20,000 entries/s",
            ),
            Figure(
                work=f"a follower's bootstrap, {PEERS:,} peers",
                value=f"{bootstrap_s[0]:.2f} s, {bootstrap_s[1]:.0f} MB",
                target="≤ 2 s, ≤ 400 MB",
            ),
        ]


async def _timed(
    server: NatsServer, db: Path, name: str, hub: replicas.Small
) -> tuple[float, float]:
    """Return the seconds from the start of the process's work to the head, and its memory."""
    process = Site(server, db.parent).datastore(db, name, "--follow", "hub")
    while "connected" not in process.log():
        await asyncio.sleep(0.005)
    began = time.perf_counter()
    await _reach(db, hub)
    took_s = time.perf_counter() - began
    memory = rss_mb(process.pid, peak=True)
    process.stop()
    return took_s, memory


async def _until(server: NatsServer, db: Path, name: str, hub: replicas.Small) -> Process:
    process = Site(server, db.parent).datastore(db, name, "--follow", "hub")
    await _reach(db, hub)
    return process


async def _reach(db: Path, hub: replicas.Small) -> None:
    async with asyncio.timeout(WAIT_S_MAX):
        while not db.exists() or _position(db) != hub.position:
            await asyncio.sleep(0.01)


def _position(db: Path) -> Position | None:
    with Reader(db) as reader:
        return reader.position()
