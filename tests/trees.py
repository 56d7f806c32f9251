"""Trees of datastores on real parts: nats-server, SQLite files, and everything in `bridge`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from bridge.follower_datastore import FollowerDatastore
from bridge.server import NatsServer
from tests import replicas
from tests.eventually import eventually
from wig import errors
from wig.log import Position
from wig.model import Object
from wig.replica import Phase
from wig.sqlite import initialise
from wig.sqlite.datastore import Datastore
from wig.sqlite.reader import Reader

ATTACH_S_MAX = 15.0


@asynccontextmanager
async def follower(
    server: NatsServer, db: Path, node: str, upstream: str = "hub", **options: Any
) -> AsyncIterator[FollowerDatastore]:
    """Run a follower datastore; a database that is not there is made."""
    with suppress(errors.Unusable):  # it is there
        initialise.init_empty(db)
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(replicas.bus(server, node))
        store = stack.enter_context(Datastore.open(db))
        it = FollowerDatastore(store, bus, node=node, upstream=upstream, **options)
        stack.callback(it.close)
        await stack.enter_async_context(replicas.running(**it.services()))
        yield it


def published(it: FollowerDatastore) -> Position | None:
    """Return where its stream is."""
    found = it.node.publisher.published
    return found.position if found else None


async def following(it: FollowerDatastore) -> None:
    await eventually(
        lambda: it.follower.replica.phase is Phase.FOLLOWING, "it to follow", ATTACH_S_MAX
    )


async def reached(
    it: FollowerDatastore, upstream: replicas.Small, timeout_s: float = ATTACH_S_MAX
) -> None:
    """Wait until database and stream are where the primary is, and compare all contents."""
    await eventually(
        lambda: published(it) == upstream.position, f"{it.me.node} to be at the head", timeout_s
    )
    theirs, mine = (
        await asyncio.to_thread(contents, upstream.db),
        await asyncio.to_thread(contents, it.node.datastore.path),
    )
    assert mine == theirs


def contents(db: Path) -> tuple[Position, str, list[Object]]:
    """Return everything that two equal databases have in common."""
    with Reader(db) as reader, reader.snapshot() as (header, objects):
        return header.position, header.state_digest, list(objects)
