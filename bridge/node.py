"""Whole programs, put together from their parts. Called by the command line.

Each `run_…` returns when it was told to stop (SIGINT, SIGTERM, `stop`), and raises the error that
ended it otherwise; `supervisor.exit_code` turns that into the program's exit code.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from bridge import connection, supervisor
from bridge.options import Options
from bridge.primary import Primary
from bridge.supervisor import Service
from wig.sqlite.datastore import Datastore

logger = logging.getLogger(__name__)

BUS_S_MAX = 30.0  # for the server to come up beside us, at a boot; then the unit tries again


@dataclass(frozen=True, kw_only=True)
class DatastoreOptions:
    """A primary datastore."""

    db: Path
    name: str
    """Of the node; downstreams follow it by this."""
    bus: Options
    domain: str | None = None
    """Of the JetStream that has the stream; None: the connection's."""


async def run_datastore(
    options: DatastoreOptions,
    *,
    stop: asyncio.Event | None = None,
    ready: Callable[[], None] | None = None,
) -> None:
    """Serve a database until told to stop; `ready` is called when the first command may come."""
    async with AsyncExitStack() as stack:
        services = await datastore(stack, options, ready=ready)
        await supervisor.run(services, stop=stop)


async def datastore(
    stack: AsyncExitStack, options: DatastoreOptions, *, ready: Callable[[], None] | None = None
) -> dict[str, Service]:
    """Return the services of a datastore; `stack` closes what they need."""
    store = stack.enter_context(closing(Datastore.open(options.db)))
    bus = await stack.enter_async_context(connection.opened(options.bus, wait_s=BUS_S_MAX))
    primary = stack.enter_context(
        closing(Primary(store, bus, node=options.name, domain=options.domain))
    )
    if ready is not None:
        primary.on_serving(ready)
    return {"bus": bus.run, **primary.services()}
