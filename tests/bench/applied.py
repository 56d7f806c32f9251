"""From request to device, on the gateway's host: `python -m tests.bench.applied OPTIONS`.

Sends one command at a time. From the answer on, a second process reads the device over its UAPI
socket until the peer is there: a peer that was there before counts from the first look. (Looking
earlier takes one of two processors away from what is measured.) The peer is deleted before the
next one, so that a look costs little. Prints the times in seconds as one JSON list, of the answer
and of the device.
"""

import argparse
import asyncio
import base64
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from bridge import connection, credentials, subjects
from bridge.client import request_id
from bridge.options import Options
from wig import codec
from wig.commands import CreatePeer, DeletePeer

PAUSE_S = 0.02  # idle in between
SOCKET = Path("/var/run/wireguard/wg0.sock")


async def run(arguments: argparse.Namespace) -> list[tuple[float, float]]:
    proof = credentials.read(arguments.credentials)
    options = Options(
        identity="bench", server=arguments.server, user=proof.id, password=proof.secret
    )
    looker = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.applied", "--look"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert looker.stdin is not None
    assert looker.stdout is not None
    found = []
    async with connection.opened(options, wait_s=10) as bus:
        for _ in range(arguments.count):
            raw = os.urandom(32)
            key = base64.b64encode(raw).decode()
            payload = codec.encode(
                CreatePeer(request=request_id(), interface="wg0", public_key=key)
            )
            await asyncio.sleep(PAUSE_S)
            begin = time.perf_counter()
            await bus.request(subjects.api("bench", "peer.create"), payload, timeout_s=10)
            answered = time.perf_counter()
            looker.stdin.write(raw.hex() + "\n")
            looker.stdin.flush()
            found.append((answered - begin, float(looker.stdout.readline()) - begin))
            gone = codec.encode(DeletePeer(request=request_id(), public_key=key))
            await bus.request(subjects.api("bench", "peer.delete"), gone, timeout_s=10)
    looker.stdin.close()
    looker.wait()
    return found


def look() -> None:
    """Print for each key on standard input when the device first had it; one clock for all."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as device:
        device.connect(str(SOCKET))
        for line in sys.stdin:
            wanted = f"public_key={line.strip()}".encode()
            while wanted not in _read(device):
                pass
            print(time.perf_counter(), flush=True)


def _read(device: socket.socket) -> bytes:
    """Return the device's text; wireguard-go answers any number of requests on a connection."""
    device.sendall(b"get=1\n\n")
    text = b""
    while not text.endswith(b"errno=0\n\n"):
        text += device.recv(1 << 16)
    return text


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--server")
    parser.add_argument("--credentials", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--look", action="store_true")
    arguments = parser.parse_args()
    if arguments.look:
        look()
    else:
        json.dump(asyncio.run(run(arguments)), sys.stdout)


if __name__ == "__main__":
    main()
