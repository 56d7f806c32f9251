"""A follower loads a million peers while the primary is asked for 2,000 new ones a second.

Primary, follower and client are processes of their own; all share the machine.
"""

import asyncio
import time
from pathlib import Path

from msgspec.structs import replace

from bridge.server import NatsServer, ServerOptions
from tests import datastores, replicas
from tests.bench.commit import load
from tests.bench.figures import Figure, rss_mb, spread
from tests.integration import many_peers
from tests.processes import Site
from wig import log
from wig.sqlite.datastore import Datastore
from wig.sqlite.reader import Reader

PEERS = 1_000_000
RATE = 2_000
CLIENTS = 64
WAIT_S_MAX = 120.0
POLL_S = 0.1


def figures(directory: Path) -> list[Figure]:
    db = directory / "hub.db"
    fill(db)
    return asyncio.run(_measure(directory, db))


def fill(db: Path) -> None:
    """Make a primary's database that has a million peers."""
    replicas.initialise(db)
    keys = many_peers.keys(PEERS)
    total = 0
    for thing in many_peers.objects(keys):
        total = log.state_digest_add(total, log.object_digest(thing))
    with Datastore.open(db) as datastore:
        header = replace(
            datastores.header([]),
            database=datastore.database,
            position=log.Position(epoch="e1", seq=PEERS + 1, digest="ab" * 32),
            state_digest=log.state_digest_text(total),
            objects=PEERS + 1,
        )
        datastore.load(header, many_peers.objects(keys))


async def _measure(directory: Path, db: Path) -> list[Figure]:
    async with NatsServer(ServerOptions(directory=directory / "nats")) as server:
        site = Site(server, directory)
        with await asyncio.to_thread(site.primary, db) as hub:
            alone = await _offer(server, 4.0)
            began = time.perf_counter()
            new = directory / "new.db"
            follower = site.datastore(new, "new", "--follow", "hub")
            loading = asyncio.create_task(_loaded(new, began))
            with follower:
                busy = await _offer(server, 12.0)
                took_s = await loading
                memory = rss_mb(follower.pid, peak=True), rss_mb(hub.pid, peak=True)
        return _figures(alone, busy, took_s, memory)


async def _offer(server: NatsServer, seconds: float) -> list[float]:
    """Return the latencies of the client's creates; it fails if one is refused."""
    words = ("--interface", "wg0", "--rate", str(RATE))
    return await asyncio.to_thread(
        load, server.url, server.credentials_file, *words, clients=CLIENTS, seconds=seconds
    )


async def _loaded(db: Path, began: float) -> float:
    """Return the seconds until the follower has a state."""
    async with asyncio.timeout(WAIT_S_MAX):
        while not db.exists() or not await asyncio.to_thread(_has_state, db):
            await asyncio.sleep(POLL_S)
    return time.perf_counter() - began


def _has_state(db: Path) -> bool:
    with Reader(db) as reader:
        return reader.position() is not None


def _figures(
    alone: list[float], busy: list[float], took_s: float, memory: tuple[float, float]
) -> list[Figure]:
    return [
        Figure(
            work=f"a follower starts and loads {PEERS:,} peers, under {RATE:,} creates/s",
            value=f"{took_s:.1f} s, {memory[0]:.0f} MB; primary {memory[1]:.0f} MB",
            target="≤ 25 s, ≤ 400 MB",
        ),
        Figure(
            work=f"create peer, {RATE:,}/s offered meanwhile, none refused",
            value=f"{len(busy) / 12.0:,.0f}/s, {spread(busy)}",
            target="p99 ≤ 50 ms",
            floor=f"before it: {spread(alone)}",
        ),
    ]
