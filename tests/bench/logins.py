"""What a login costs, and what somebody who guesses costs those who are in."""

import asyncio
import secrets
import time
from contextlib import suppress
from pathlib import Path

from bridge import connection, credentials, subjects
from bridge.credentials import Credentials
from bridge.options import Options
from tests.bench import commit
from tests.bench.figures import Figure, spread
from tests.program import wig
from tests.wire_client import Hangup, WireClient

LOGINS = 500
BAD_PER_S = 10_000 / 60
SECONDS = 5.0
ASKED_PER_S = 200.0


async def logins(port: int, user: Credentials) -> list[float]:
    """Return how long it takes to be in, again and again."""
    samples = []
    for _ in range(LOGINS):
        begin = time.perf_counter()
        client = await WireClient.open(port, user=user.id, **{"pass": user.secret})
        samples.append(time.perf_counter() - begin)
        await client.close()
    return samples


async def asked(bus: connection.Connection) -> list[float]:
    """Return how long a read takes, at a steady rate."""
    subject = subjects.api(bus.options.identity, "interface.list")
    samples = []
    begin = time.perf_counter()
    for number in range(int(SECONDS * ASKED_PER_S)):
        await asyncio.sleep(max(0.0, begin + number / ASKED_PER_S - time.perf_counter()))
        sent = time.perf_counter()
        await bus.request(subject, timeout_s=5)
        samples.append(time.perf_counter() - sent)
    return samples


async def guess(port: int) -> None:
    """Try to come in with a wrong secret, at the rate that is to be borne."""
    begin = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(SECONDS * BAD_PER_S)):
            await asyncio.sleep(max(0.0, begin + number / BAD_PER_S - time.perf_counter()))
            group.create_task(_fail(port))


async def _fail(port: int) -> None:
    with suppress(Hangup, OSError):
        await WireClient.open(port, user="gate", **{"pass": secrets.token_hex()})


async def measure(server: str, static: Credentials, token: Credentials) -> list[Figure]:
    port = int(server.rpartition(":")[2])
    through, floor = await logins(port, token), await logins(port, static)
    options = Options(identity="bench", server=server, user=static.id, password=static.secret)
    async with connection.opened(options, wait_s=10) as bus:
        alone = await asked(bus)
        beside, _ = await asyncio.gather(asked(bus), guess(port))
    return [
        Figure(
            work="login with a token, through the callout",
            value=spread(through),
            target="p50 ≤ 3 ms",
            floor=f"a user of the configuration {spread(floor)}",
        ),
        Figure(
            work="a read, beside 10,000 bad logins/min",
            value=spread(beside),
            target="p99 + 10 ms at most",
            floor=f"without them {spread(alone)}",
        ),
    ]


def figures(directory: Path) -> list[Figure]:
    with commit.up(directory) as program:
        server, static = commit.reach(program)
        file = directory / "gate.json"
        made = wig(
            program.state_dir, "token", "create", "gate", "--role", "gateway", "--out", str(file)
        )
        assert made.code == 0, made.err
        return asyncio.run(measure(server, credentials.read(static), credentials.read(file)))
