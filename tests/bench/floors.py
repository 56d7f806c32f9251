"""Floors: what the parts cost by themselves, in this run and on this machine."""

import asyncio
import os
import sqlite3
import time
from pathlib import Path
from typing import Self

import nats
from nats.js.api import StreamConfig

from bridge.server import NatsServer

ENTRY = b"x" * 300  # bytes of a typical entry


def sqlite_commits(directory: Path, seconds: float = 1.0) -> list[float]:
    """Return the times of single-row FULL commits."""
    base = sqlite3.connect(directory / "floor.db", isolation_level=None)
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("PRAGMA synchronous = FULL")
    base.execute("CREATE TABLE entry (seq INTEGER PRIMARY KEY, payload BLOB)")
    samples = []
    end = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        base.execute("BEGIN IMMEDIATE")
        base.execute("INSERT INTO entry (payload) VALUES (?)", (ENTRY,))
        base.execute("COMMIT")
        samples.append(time.perf_counter() - begin)
    base.close()
    return samples


def sqlite_rows(directory: Path, rows: int = 100_000) -> float:
    """Return rows/s into a keyed table, in transactions of 5,000."""
    base = sqlite3.connect(directory / "floor-rows.db", isolation_level=None)
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("PRAGMA synchronous = FULL")
    base.execute("CREATE TABLE peer (key TEXT PRIMARY KEY, payload BLOB) WITHOUT ROWID")
    begin = time.perf_counter()
    for start in range(0, rows, 5000):
        base.execute("BEGIN IMMEDIATE")
        base.executemany(
            "INSERT INTO peer VALUES (?, ?)",
            ((os.urandom(16).hex(), ENTRY) for _ in range(start, start + 5000)),
        )
        base.execute("COMMIT")
    base.close()
    return rows / (time.perf_counter() - begin)


async def connect(server: NatsServer) -> "nats.NATS":
    proof = server.credentials
    return await nats.connect(server.url, user=proof.id, password=proof.secret)


async def stream_publishes(server: NatsServer, seconds: float = 1.0) -> list[float]:
    """Return the times of single publishes into a stream on file, each awaited."""
    client = await connect(server)
    stream = client.jetstream()
    await stream.add_stream(StreamConfig(name="FLOOR", subjects=["floor"]))
    samples = []
    end = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        await stream.publish("floor", ENTRY)
        samples.append(time.perf_counter() - begin)
    await stream.delete_stream("FLOOR")
    await client.close()
    return samples


class Echo:
    """`async with Echo(server) as echo`: something that answers at `echo.subject`, at once."""

    subject = "floor.echo"

    def __init__(self, server: NatsServer) -> None:
        self._server = server

    async def __aenter__(self) -> Self:
        self._client = await connect(self._server)

        async def answer(message: nats.aio.msg.Msg) -> None:
            await message.respond(message.data)

        await self._client.subscribe(self.subject, cb=answer)
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()
