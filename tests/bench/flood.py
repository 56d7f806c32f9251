"""2,000 creates a second, while gateways report ten times what 100,000 active clients make.

As a program (`python -m tests.bench.flood SERVER CREDENTIALS SECONDS`) it is those gateways.
"""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

from bridge import client, credentials
from bridge.options import Options
from tests import builders
from tests.bench.commit import load, reach, up
from tests.bench.figures import Figure, quantile, spread
from tests.eventually import eventually_sync
from tests.keepers import Teller
from wig import stats

GATEWAYS = 33
PEERS = 1000  # of each, all of which report once a second
RATE = 2000
CLIENTS = 64
SECONDS = 8.0
FLOOD_S = 4 * SECONDS


async def pour(server: str, proof: Path, seconds: float) -> None:
    """Publish 33,000 samples a second, evenly."""
    found = credentials.read(proof)
    options = Options(identity="flood", server=server, user=found.id, password=found.secret)
    async with client.connect(options) as bus:
        tellers = [Teller(bus, f"gw{n}") for n in range(GATEWAYS)]
        peers = [tuple(builders.key((teller.name, n)) for n in range(PEERS)) for teller in tellers]
        start, turn = time.monotonic(), 0
        while time.monotonic() < start + seconds:
            turn += 1
            for number, teller in enumerate(tellers):
                await asyncio.sleep(start + turn + number / GATEWAYS - time.monotonic())
                report = teller.report(*peers[number], bytes_=1000 * turn)
                await bus.bus.publish(f"wig.stats.{teller.name}", stats.encode(report))


def figures(directory: Path) -> list[Figure]:
    with up(directory) as program:
        eventually_sync(lambda: program.wig("session", "list").code == 0, "sessions", 20)
        server, proof = reach(program)
        words = (sys.executable, "-m", "tests.bench.flood", server, str(proof), str(FLOOD_S))
        offered = ("--interface", "wg0", "--rate", str(RATE))
        quiet = load(server, proof, *offered, clients=CLIENTS, seconds=SECONDS / 2)
        with subprocess.Popen(words) as flood:
            eventually_sync(lambda: listed(program) >= GATEWAYS * PEERS, "the flood", 30)
            found = load(server, proof, *offered, clients=CLIENTS, seconds=SECONDS)
            flood.kill()
    return [
        Figure(
            work=f"create peer, {RATE:,}/s offered, 33,000 samples/s arriving",
            value=f"{len(found) / SECONDS:,.0f}/s, {spread(found)}, "
            f"max {quantile(found, 1) * 1000:.0f} ms, none refused",
            target="p99 ≤ 50 ms",
            floor=f"without the flood {len(quiet) / SECONDS * 2:,.0f}/s, {spread(quiet)}",
        )
    ]


def listed(program) -> int:
    """Return how many sessions have begun."""
    done = program.wig("session", "tail", "-n", "1", "--no-follow", "--output", "json")
    return int(done.out.partition('"number": ')[2].partition(",")[0] or 0)


if __name__ == "__main__":
    asyncio.run(pour(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])))
