"""A real nats-server and a real primary, for tests of what is between processes."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge import client, connection, supervisor
from bridge.client import Client
from bridge.connection import Connection
from bridge.options import Options
from bridge.primary import Primary
from bridge.server import NatsServer, ServerOptions
from tests.builders import key, private_key
from wig import commands
from wig.sqlite import initialise
from wig.sqlite.datastore import Datastore

NODE = "hub"
READY_S_MAX = 15.0


@asynccontextmanager
async def nats(directory: Path, **fields: Any) -> AsyncIterator[NatsServer]:
    """Run a nats-server that comes back when it is killed."""
    async with NatsServer(ServerOptions(directory=directory / "nats", **fields)) as server:
        keeper = asyncio.create_task(server.run())
        try:
            yield server
        finally:
            await cancel(keeper)


async def cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def bus_options(server: NatsServer, identity: str = "admin", **fields: Any) -> Options:
    return Options(
        **{
            "identity": identity,
            "server": server.url,
            "user": server.credentials.id,
            "password": server.credentials.secret,
        }
        | fields
    )


@asynccontextmanager
async def connected(server: NatsServer, identity: str = "admin") -> AsyncIterator[Connection]:
    """Connect, and stay connected."""
    async with connection.opened(bus_options(server, identity)) as bus:
        keeper = asyncio.create_task(bus.run())
        try:
            yield bus
        finally:
            await cancel(keeper)


@asynccontextmanager
async def admin(server: NatsServer, identity: str = "admin") -> AsyncIterator[Client]:
    async with client.connect(bus_options(server, identity)) as connected_client:
        yield connected_client


def database(directory: Path) -> Path:
    """Return a database that is there."""
    path = directory / "wig.db"
    if not path.exists():
        initialise.init(path, now=datetime.now(UTC), entropy=secrets.token_bytes)
    return path


class Running:
    """A primary that runs, until it is stopped or ends by itself."""

    def __init__(self, primary: Primary, task: asyncio.Task[None], stop: asyncio.Event) -> None:
        self.primary = primary
        self.task = task
        self._stop = stop

    async def stopped(self) -> None:
        """Stop it; raises what ended it."""
        self._stop.set()
        await self.task


@asynccontextmanager
async def primary(
    directory: Path, server: NatsServer, *, node: str = NODE, serving: bool = True
) -> AsyncIterator[Running]:
    """Run a primary on `directory`'s database; wait until it serves."""
    store = Datastore.open(database(directory))
    try:
        async with connection.opened(bus_options(server, node)) as bus:
            found = Primary(store, bus, node=node)
            served = asyncio.Event()
            found.on_serving(served.set)
            stop = asyncio.Event()
            services = {"bus": bus.run, **found.services()}
            task = asyncio.create_task(supervisor.run(services, stop=stop))
            try:
                if serving:
                    waiting = asyncio.create_task(served.wait())
                    await asyncio.wait(
                        {waiting, task}, timeout=READY_S_MAX, return_when="FIRST_COMPLETED"
                    )
                    waiting.cancel()
                    if task.done():
                        await task
                    assert served.is_set(), "the primary does not serve"
                yield Running(found, task, stop)
            finally:
                stop.set()
                with suppress(Exception):
                    await task
                found.close()
    finally:
        store.close()


def create_interface(name: str = "wg0", **fields: Any) -> commands.CreateInterface:
    return commands.CreateInterface(
        **{
            "name": name,
            "port": 51820,
            "private_key": private_key(name),
            "addresses": ("10.0.0.1/8", "fd00::1/48"),
        }
        | fields
    )


def create_peer(seed: object, **fields: Any) -> commands.CreatePeer:
    return commands.CreatePeer(**{"interface": "wg0", "public_key": key(seed)} | fields)


async def stream_and_log(running: Running) -> tuple[list[str], list[str]]:
    """Return the digests of the stream and of the log, from the stream's first entry on."""
    found = running.primary
    streams = found.publisher._streams
    generation = found.publisher.generation
    seen = await streams.look(generation)
    assert seen is not None
    in_stream = [
        str(await streams.digest(generation, seq)) for seq in range(seen.first, seen.last + 1)
    ]
    records = found.node.datastore.records(seen.first - 1, 1_000_000)
    return in_stream, [record.digest.hex() for record in records]


async def is_published(running: Running) -> bool:
    """Say whether the stream has the whole log, byte for byte."""
    in_stream, in_log = await stream_and_log(running)
    return in_stream == in_log


async def peers(client: Client) -> set[str]:
    """Return the public keys of all peers."""
    reply = await client.query("peer.list", {"limit": 5000})
    return {peer["public_key"] for peer in reply.ok["peers"]}
