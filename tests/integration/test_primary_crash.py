"""A primary that dies between any two steps of the life of a command, on a real server."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.builders import key
from tests.buses import (
    admin,
    create_interface,
    create_peer,
    database,
    nats,
    primary,
    stream_and_log,
)
from tests.integration.crashing_primary import POINTS
from wig.sqlite.verification import verify

ROOT = Path(__file__).parents[2]
SIGKILL = -9
DIE_S_MAX = 20.0


async def crash_at(point, db, server, ask):
    """Run a primary that dies at `point`, and ask for something until it has."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.crashing_primary",
        str(db), server.url, str(server.credentials_file), point,
        cwd=ROOT, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    death = asyncio.create_task(process.communicate())
    try:
        async with asyncio.timeout(DIE_S_MAX):
            while not death.done():
                await asyncio.wait({death, ask()}, return_when=asyncio.FIRST_COMPLETED)
        assert process.returncode == SIGKILL, death.result()[1].decode()
    finally:
        if process.returncode is None:
            process.kill()
            await death


@pytest.mark.timeout(120)
async def test_every_acknowledged_command_survives_a_crash_anywhere(tmp_path, monkeypatch):
    """A crash between every two steps: each command is done once, and its outcome is told."""
    monkeypatch.setattr("bridge.client.ATTEMPT_S", 0.2)
    monkeypatch.setattr("bridge.client.ATTEMPT_S_MAX", 0.4)
    db = database(tmp_path)
    asked = []
    async with nats(tmp_path) as server, admin(server) as client:
        async with primary(tmp_path, server):
            await client.command("interface.create", create_interface())

        def ask():
            command = create_peer(len(asked))
            asked.append(asyncio.create_task(client.command("peer.create", command, timeout_s=90)))
            return asked[-1]

        for point in POINTS:
            await crash_at(point, db, server, ask)
        async with primary(tmp_path, server) as running:
            replies = await asyncio.gather(*asked)
            found = (await client.query("peer.list", {"limit": 5000})).ok["peers"]
            in_stream, in_log = await stream_and_log(running)

    assert [reply.ok["peer"]["public_key"] for reply in replies] == list(
        map(key, range(len(asked)))
    )
    assert not any(reply.ok.get("unchanged") for reply in replies)
    assert len(found) == len(asked)
    assert in_stream == in_log
    verify(db)
