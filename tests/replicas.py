"""Replication on real parts: a small primary, and downstreams that keep their state in memory.

Real are nats-server, the datastore and everything in `bridge`; the sink is as simple as a sink
can be, and records what it went through.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge import connection
from bridge.client import Client
from bridge.connection import Connection
from bridge.downstream import FollowerOptions
from bridge.expiry import read_clocks
from bridge.follower import Follower
from bridge.options import Options
from bridge.primary import Primary
from bridge.server import NatsServer
from bridge.source import Me
from bridge.supervisor import Service, keep
from bridge.worker import Worker
from tests import builders
from tests.eventually import eventually
from wig import errors, log
from wig.commands import CreateInterface, CreatePeer, ImportPeers
from wig.expiry import Reading
from wig.log import Position, Record
from wig.model import Object
from wig.replica import Phase
from wig.snapshot import Header
from wig.sqlite.datastore import Datastore
from wig.sqlite.initialise import init
from wig.state import State

READY_S_MAX = 30.0
"""Of a primary; a cluster may elect a leader for its stream first."""


class StateSink:
    """A sink in memory."""

    def __init__(self) -> None:
        self.state = State(allocating=False)
        self.where: Position | None = None
        self.database: str | None = None
        self.seen: list[Position] = []
        self.loads = 0
        self._loop = asyncio.get_running_loop()
        self._moved = asyncio.Event()

    async def moved(self) -> None:
        """Return after the next entries were applied."""
        self._moved.clear()
        await self._moved.wait()

    def position(self) -> Position | None:
        return self.where

    def state_digest(self) -> str | None:
        return self.state.state_digest if self.where else None

    def apply(self, epoch: str, records: Sequence[Record]) -> None:
        assert self.where is not None
        for record in records:
            try:
                entry = log.decode_entry(record.payload)
            except errors.Invalid as error:
                raise errors.Unsupported(f"entry: {record.seq}: {error.message}") from error
            self.state.apply_op(entry.op, epoch, record.seq)
            self.where = log.advanced(self.where, epoch, [record])
        self.where = log.advanced(self.where, epoch, records)
        self.seen.append(self.where)
        self._loop.call_soon_threadsafe(self._moved.set)

    def load(self, header: Header, objects: Iterable[Object]) -> None:
        self.state.load(header, objects)
        self.where = header.position
        self.database = header.database
        self.loads += 1
        self.seen.append(self.where)


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@asynccontextmanager
async def running(**services: Service) -> AsyncIterator[None]:
    """Run services beside the block, the way a program does."""
    tasks = [
        asyncio.create_task(keep(name, service), name=name) for name, service in services.items()
    ]
    try:
        yield
    finally:
        for task in reversed(tasks):
            await _end(task)


@asynccontextmanager
async def bus(server: NatsServer, identity: str) -> AsyncIterator[Connection]:
    """Connect, and stay connected."""
    options = Options(
        identity=identity,
        server=server.url,
        user=server.credentials.id,
        password=server.credentials.secret,
        name=identity,
    )
    async with connection.opened(options, wait_s=5) as one, running(bus=one.run):
        yield one


def initialise(db: Path) -> None:
    """Make a primary's database with one token."""
    init(db, now=datetime.now(UTC), entropy=secrets.token_bytes, token=builders.token())


@asynccontextmanager
async def primary(
    server: NatsServer, db: Path, node: str = "hub", clock: Callable[[], Reading] = read_clocks,
    **options: Any,
) -> AsyncIterator["Small"]:  # fmt: skip
    """Run a primary; a database that is not there is made."""
    with suppress(errors.Unusable):
        initialise(db)
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(bus(server, node))
        admin = await stack.enter_async_context(bus(server, "admin"))
        datastore = stack.enter_context(Datastore.open(db))
        it = Primary(datastore, one, node=node, **options)
        stack.callback(it.close)
        it.expiry.clock = clock
        await stack.enter_async_context(running(**it.services()))
        await asyncio.wait_for(it.publisher.ready.wait(), READY_S_MAX)
        yield Small(it, Client(admin), db)


class Small:
    """A primary, and someone who commands it."""

    def __init__(self, it: Primary, client: Client, db: Path) -> None:
        self.it = it
        self.client = client
        self.db = db
        self._peers = 0

    async def interface(self, name: str = "wg0", pool: str = "10.0.0.1/8") -> None:
        await self.client.command(
            "interface.create",
            CreateInterface(
                name=name, port=51820, private_key=builders.private_key(name), addresses=(pool,)
            ),
        )

    async def peer(self, **fields: Any) -> str:
        """Create one more peer and return its key."""
        self._peers += 1
        key = builders.key((self.db.name, self._peers))
        await self.client.command(
            "peer.create", CreatePeer(**{"public_key": key, "interface": "wg0"} | fields)
        )
        return key

    async def peers(self, count: int, **fields: Any) -> None:
        """Create many peers."""
        for start in range(0, count, 5000):
            some = range(start, min(start + 5000, count))
            self._peers += len(some)
            batch = tuple(
                CreatePeer(
                    public_key=builders.key((self.db.name, "bulk", self._peers, n)),
                    interface="wg0",
                    name=f"peer {n}",
                    **fields,
                )
                for n in some
            )
            await self.client.command("peer.import", ImportPeers(peers=batch))

    @property
    def position(self) -> Position:
        assert self.it.publisher.published is not None
        return self.it.publisher.published.position

    @property
    def state_digest(self) -> str:
        assert self.it.publisher.published is not None
        return self.it.publisher.published.state_digest


@asynccontextmanager
async def downstream(
    server: NatsServer, sink: StateSink, identity: str = "gw1", **options: Any
) -> AsyncIterator[Follower]:
    """Run a gateway that follows node `hub`."""
    given = {
        "me": Me(identity, secrets.token_hex(8), "1", "gateway"),
        "upstream": "hub",
        "kind": "gateway",
        "database": lambda: sink.database,
        "state_digest": sink.state_digest,
    }
    worker = Worker("sink")
    try:
        async with bus(server, identity) as one:
            follower = Follower(one, sink, worker, FollowerOptions(**given | options))
            async with running(follower=follower.run):
                yield follower
    finally:
        worker.close()


async def converged(sink: StateSink, upstream: Small, timeout_s: float = 10.0) -> None:
    """Wait until the sink is where the primary is, and holds the same."""
    await eventually(
        lambda: sink.where == upstream.position, "the sink to reach the primary", timeout_s
    )
    assert sink.state.state_digest == upstream.state_digest


async def attached(follower: Follower) -> None:
    """Wait until it follows."""
    await eventually(lambda: follower.replica.phase is Phase.FOLLOWING, "it to follow", 15.0)
