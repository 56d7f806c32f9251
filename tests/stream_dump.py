"""Prints the stream of a node, entry by entry: `python -m tests.stream_dump URL CREDENTIALS NODE`.

Through nats-py alone, so that it shows what any tool would see.
"""

import asyncio
import json
import sys
from pathlib import Path

import nats

from bridge import credentials


async def main(url: str, proof: Path, node: str) -> None:
    known = credentials.read(proof)
    client = await nats.connect(url, user=known.id, password=known.secret)
    stream = client.jetstream()
    [name] = [info.config.name for info in await stream.streams_info() if _is_log(info, node)]
    state = (await stream.stream_info(name)).state
    found = []
    for seq in range(state.first_seq, state.last_seq + 1):
        message = await stream.get_msg(name, seq)
        found.append([seq, message.headers["Nats-Msg-Id"], message.data.decode()])
    json.dump(found, sys.stdout)
    await client.close()


def _is_log(info: nats.js.api.StreamInfo, node: str) -> bool:
    return (info.config.name or "").startswith(f"WIG_{node}_")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
