"""From request to device, on the gateway's host: `python -m tests.bench.applied OPTIONS`.

Sends one command at a time and reads the device over its UAPI socket until the peer is there.
Prints the times in seconds as one JSON list.
"""

import argparse
import asyncio
import base64
import json
import os
import sys
import time
from pathlib import Path

from bridge import connection, credentials, subjects
from bridge.client import request_id
from bridge.options import Options
from wig import codec
from wig.commands import CreatePeer
from wig.linux import uapi

PAUSE_S = 0.02  # idle in between
LOOK_S = 0.0003  # between two looks at the device


async def run(arguments: argparse.Namespace) -> list[float]:
    proof = credentials.read(arguments.credentials)
    options = Options(
        identity="bench", server=arguments.server, user=proof.id, password=proof.secret
    )
    socket = Path("/var/run/wireguard/wg0.sock")
    found = []
    async with connection.opened(options, wait_s=10) as bus:
        for _ in range(arguments.count):
            raw = os.urandom(32)
            key = base64.b64encode(raw).decode()
            wanted = f"public_key={raw.hex()}".encode()
            payload = codec.encode(
                CreatePeer(request=request_id(), interface="wg0", public_key=key)
            )
            looking = asyncio.create_task(asyncio.to_thread(_when_there, socket, wanted))
            await asyncio.sleep(PAUSE_S)
            begin = time.perf_counter()
            await bus.request(subjects.api("bench", "peer.create"), payload, timeout_s=10)
            found.append(await looking - begin)
    return found


def _when_there(socket: Path, wanted: bytes) -> float:
    """Return when the device first had the peer."""
    while wanted not in uapi.request(socket, b"get=1\n\n"):
        time.sleep(LOOK_S)
    return time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--credentials", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200)
    json.dump(asyncio.run(run(parser.parse_args())), sys.stdout)


if __name__ == "__main__":
    main()
