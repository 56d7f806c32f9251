"""Whole programs, put together from their parts. Called by the command line.

Each `run_…` returns when it was told to stop (SIGINT, SIGTERM, `stop`), and raises the error that
ended it otherwise; `supervisor.exit_code` turns that into the program's exit code.
"""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Never, Protocol

import wig
from bridge import connection, subjects, supervisor
from bridge.downstream import FollowerOptions
from bridge.follower import Follower
from bridge.options import Options
from bridge.primary import INSTANCE_BYTES, Primary
from bridge.source import Me
from bridge.supervisor import Service
from bridge.worker import Worker
from wig import errors
from wig.log import Position
from wig.ports import Sink
from wig.sqlite.datastore import Datastore

FAULT_CHECK_S = 1.0

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


class GatewaySink(Sink, Protocol):
    """A gateway's side of this host (`wig.linux.gateway.Gateway`)."""

    def device_position(self) -> Position | None:
        """Return where the devices are; it outlives the process."""

    def database(self) -> str | None:
        """Return the database of the state; None: there is no state."""

    def state_digest(self) -> str:
        """Return the digest of the state."""

    def fault(self) -> BaseException | None:
        """Return why it does not look after its devices any more; None: it does."""

    def close(self, *, down: bool = False) -> None:
        """Let go of the devices; `down` removes them."""


@dataclass(frozen=True, kw_only=True)
class GatewayOptions:
    """A gateway on this host."""

    name: str
    """Of the node."""
    upstream: str
    """The name of the node to follow."""
    bus: Options
    domain: str | None = None
    """Of the upstream's JetStream; None: as the upstream says."""
    down_on_exit: bool = False
    """Remove the interfaces when it stops; False: they go on passing packets."""


async def run_gateway(
    options: GatewayOptions,
    make_sink: Callable[[], GatewaySink],
    *,
    stop: asyncio.Event | None = None,
) -> None:
    """Follow a datastore until told to stop; `make_sink` takes hold of the host."""
    async with AsyncExitStack() as stack:
        services = await gateway(stack, options, make_sink)
        await supervisor.run(services, stop=stop)


async def gateway(
    stack: AsyncExitStack, options: GatewayOptions, make_sink: Callable[[], GatewaySink]
) -> dict[str, Service]:
    """Return the services of a gateway; `stack` closes what they need."""
    me = Me(
        node=subjects.check_identity(options.name, "name"),
        instance=secrets.token_hex(INSTANCE_BYTES),
        version=wig.__version__,
        role="gateway",
    )
    sink = make_sink()
    stack.callback(sink.close, down=options.down_on_exit)
    worker = stack.enter_context(closing(Worker("gateway")))
    bus = await stack.enter_async_context(connection.opened(options.bus, wait_s=BUS_S_MAX))
    follower = Follower(
        bus,
        sink,
        worker,
        FollowerOptions(
            me=me,
            upstream=options.upstream,
            kind="gateway",
            domain=options.domain,
            database=sink.database,
            floor=sink.device_position,
            state_digest=sink.state_digest,
        ),
    )

    async def watch() -> Never:
        """End the program when the sink's own thread has ended: only a restart helps."""
        while True:
            await asyncio.sleep(FAULT_CHECK_S)
            if (fault := sink.fault()) is not None:
                raise errors.Unusable("gateway: nothing looks after its devices") from fault

    return {"gateway bus": bus.run, "gateway": follower.run, "gateway device": watch}
