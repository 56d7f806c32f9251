"""A new downstream's bootstrap over the bus: snapshot asked for, sent, decoded, loaded.

Both ends share this process, so each figure is the sum of both ends' work.
"""

import asyncio
from pathlib import Path

from tests import buses, replicas
from tests.bench.figures import Clock, Figure

SIZES = (1_000, 10_000, 100_000)
WAIT_S_MAX = 60.0


def figures(directory: Path) -> list[Figure]:
    return [asyncio.run(_bootstrap(directory / str(size), size)) for size in SIZES]


async def _bootstrap(directory: Path, peers: int) -> Figure:
    directory.mkdir()
    async with (
        buses.nats(directory) as server,
        replicas.primary(server, directory / "wig.db") as primary,
    ):
        await primary.interface()
        await primary.peers(peers)
        sink = replicas.StateSink()
        with Clock() as clock:
            async with replicas.downstream(server, sink):
                async with asyncio.timeout(WAIT_S_MAX):
                    while sink.where != primary.position:
                        await asyncio.sleep(0.001)
                clock.stop()
        assert sink.loads == 1
    target = "≤ 1.5 s" if peers == 100_000 else ""
    return Figure(
        work=f"bootstrap from nothing, {peers:,} peers", value=f"{clock.s:.3f} s", target=target
    )
