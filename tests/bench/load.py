"""The client of a benchmark, a process of its own: `python -m tests.bench.load OPTIONS`.

Keeps a number of requests under way until time is up, and prints the latency of each in seconds
as one JSON list. With `--echo` it measures the bus alone: the other end answers at once.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import time
from base64 import b64encode
from pathlib import Path

from bridge import connection, credentials, subjects, wire
from bridge.client import request_id
from bridge.options import Options
from wig import codec
from wig.commands import CreatePeer

TIMEOUT_S = 20.0


async def run(arguments: argparse.Namespace) -> list[float]:
    proof = credentials.read(arguments.credentials)
    options = Options(
        identity=arguments.identity,
        server=arguments.server,
        user=proof.id,
        password=proof.secret,
    )
    async with connection.opened(options, wait_s=10) as bus:
        latencies: list[float] = []
        end = time.perf_counter() + arguments.seconds
        pace = arguments.clients / arguments.rate if arguments.rate else 0.0
        async with asyncio.TaskGroup() as group:
            for _ in range(arguments.clients):
                group.create_task(_client(bus, arguments, end, pace, latencies))
        return latencies


async def _client(
    bus: connection.Connection,
    arguments: argparse.Namespace,
    end: float,
    pace: float,
    latencies: list[float],
) -> None:
    verb = "peer.show" if arguments.show else "peer.create"
    subject = arguments.echo or subjects.api(arguments.identity, verb)
    due = time.perf_counter()
    while (begin := time.perf_counter()) < end:
        answer = await bus.request(subject, _payload(arguments), timeout_s=TIMEOUT_S)
        latencies.append(time.perf_counter() - begin)
        if not arguments.echo:
            wire.unpack(answer.data)
        if pace:
            due += pace
            await asyncio.sleep(max(0.0, due - time.perf_counter()))


def _payload(arguments: argparse.Namespace) -> bytes:
    if arguments.show:
        return codec.encode({"public_key": random.choice(arguments.show)})
    key = b64encode(os.urandom(32)).decode()
    return codec.encode(
        CreatePeer(request=request_id(), interface=arguments.interface, public_key=key)
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--credentials", type=Path, required=True)
    parser.add_argument("--identity", default="bench")
    parser.add_argument("--interface", default="bench0")
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rate", type=float, default=0.0, help="requests/s offered; 0: all it can")
    parser.add_argument(
        "--show", type=lambda text: text.split(","), help="read these peers instead"
    )
    parser.add_argument("--echo", help="measure the bus alone, against this subject")
    json.dump(asyncio.run(run(parser.parse_args())), sys.stdout)


if __name__ == "__main__":
    main()
