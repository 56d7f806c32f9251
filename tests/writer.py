"""A client that creates peers without a break: `python -m tests.writer URL CREDENTIALS FILE`.

A process of its own, so that it can run on a host of the lab and outlive what is killed around
it. Writes each key that was acknowledged to FILE, a line each, before it creates the next.
"""

import asyncio
import sys
from base64 import b64encode
from pathlib import Path

from bridge import client, credentials
from bridge.options import Options
from tests.builders import entropy
from wig import errors
from wig.commands import CreatePeer

AT_ONCE = 8
TIMEOUT_S = 60.0  # longer than any outage of the test: a command is repeated until it is known


async def main(url: str, proof: Path, path: Path) -> None:
    known = credentials.read(proof)
    options = Options(identity="writer", server=url, user=known.id, password=known.secret)
    with path.open("a") as file:
        async with client.connect(options, wait_s=10) as asker, asyncio.TaskGroup() as group:
            for number in range(AT_ONCE):
                group.create_task(create(asker, f"{path}/{number}", file))


async def create(asker: client.Client, seed: str, file) -> None:
    number = 0
    while True:
        key = b64encode(entropy((seed, number))).decode()
        number += 1
        try:
            await asker.command(
                "peer.create", CreatePeer(interface="wg0", public_key=key), timeout_s=TIMEOUT_S
            )
        except errors.Temporary:
            continue  # not acknowledged: it may be there or not
        file.write(key + "\n")
        file.flush()
        await asyncio.sleep(0.01)  # 8 × 100/s: moments matter here, not load


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
