"""Publish one message and wait until the server has it: `main(CREDENTIALS, SUBJECT, TEXT)`."""

import asyncio
from pathlib import Path

import nats

from bridge import credentials


def main(file: str, subject: str, text: str) -> None:
    """Come with the credentials of a leaf node's local user."""
    asyncio.run(_publish(Path(file), subject, text))


async def _publish(file: Path, subject: str, text: str) -> None:
    user = credentials.read(file)
    bus = await nats.connect("nats://127.0.0.1:4222", user=user.id, password=user.secret)
    await bus.publish(subject, text.encode())
    await bus.close()
