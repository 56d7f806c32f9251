"""Commit rate and latency over the bus, from a process of its own, beside bus and disk alone."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bridge.server import NatsServer, ServerOptions
from tests.bench import floors
from tests.bench.figures import Figure, quantile, rss_mb, spread
from tests.program import Up

SECONDS = 4.0
POOLS = ("--address", "10.0.0.1/8", "--address", "fd00::1/48")
TARGETS = {1: "p50 ≤ 2 ms", 16: "≥ 4,700/s", 128: "≥ 10,000/s"}


def load(server: str, credentials: Path, *words: str, clients: int, seconds: float) -> list[float]:
    """Return the latencies that the client process measured."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.bench.load", "--server", server),
            *("--credentials", str(credentials), "--clients", str(clients)),
            *("--seconds", str(seconds), *words),
        ],
        stdout=subprocess.PIPE,
        check=True,
    )
    result: list[float] = json.loads(done.stdout)
    return result


def up(directory: Path) -> Up:
    """Start a primary with its own nats-server, without gateway."""
    return Up(directory / "up", "--no-gateway", *POOLS)


def reach(program: Up) -> tuple[str, Path]:
    """Return where its bus is, and the file that opens it."""
    ready: Any = program.ready
    return ready["server"], program.state_dir / "nats" / "credentials.json"


def rate(samples: list[float], seconds: float) -> str:
    return f"{len(samples) / seconds:,.0f}/s, {spread(samples)}"


async def bus_floor(directory: Path) -> dict[int, list[float]]:
    """Return the latencies of the bus alone, by number of clients."""
    async with (
        NatsServer(ServerOptions(directory=directory / "floor")) as server,
        floors.Echo(server) as echo,
    ):
        return {
            clients: await asyncio.to_thread(
                load,
                server.url,
                server.credentials_file,
                "--echo",
                echo.subject,
                clients=clients,
                seconds=2.0,
            )
            for clients in TARGETS
        }


def figures(directory: Path) -> list[Figure]:
    disk = floors.sqlite_commits(directory)
    bus = asyncio.run(bus_floor(directory))
    found = [
        Figure(work="SQLite FULL commit, one row", value="", floor=spread(disk)),
    ]
    with up(directory) as program:
        server, credentials = reach(program)
        for clients, target in TARGETS.items():
            samples = load(
                server,
                credentials,
                "--interface",
                "wg0",
                clients=clients,
                seconds=SECONDS,
            )
            found.append(
                Figure(
                    work=f"create peer, {clients} at once",
                    value=rate(samples, SECONDS),
                    target=target,
                    floor=f"bus alone {rate(bus[clients], 2.0)}",
                )
            )
        idle = load(
            server, credentials, "--interface", "wg0", "--rate", "50", clients=1, seconds=SECONDS
        )
        found.append(
            Figure(
                work="create peer, 50/s offered",
                value=f"{spread(idle)}, max {quantile(idle, 1) * 1000:.1f} ms",
            )
        )
        pid = program.pid
        found.append(
            Figure(
                work="memory of the primary after that",
                value=f"{rss_mb(pid):.0f} MB, peak {rss_mb(pid, peak=True):.0f} MB",
            )
        )
    return found
