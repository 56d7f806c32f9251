"""A gateway as a whole program, put together from its parts. Called by the command line.

Like `node`, which does the same for datastores.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from typing import Never, Protocol

import wig
from bridge import connection, supervisor
from bridge.downstream import FollowerOptions
from bridge.follower import Follower
from bridge.node import BUS_S_MAX
from bridge.options import Options
from bridge.primary import INSTANCE_BYTES
from bridge.source import Me
from bridge.supervisor import Service
from bridge.worker import Worker
from wig import access, errors
from wig.log import Position
from wig.ports import Sink

FAULT_CHECK_S = 1.0
PROBLEMS_MAX = 10  # in one report; there may be as many as peers


class Quarantined(Protocol):
    """An object that is not on the host as it should be (`wig.linux.quarantine`)."""

    @property
    def subject(self) -> str:
        """What it is about."""

    @property
    def reason(self) -> str:
        """What the host says."""

    @property
    def hint(self) -> str:
        """What an operator can do about it; empty: nothing in particular."""


class GatewaySink(Sink, Protocol):
    """A gateway's side of this host (`wig.linux.gateway.Gateway`)."""

    def device_position(self) -> Position | None:
        """Return where the devices are; it outlives the process."""

    def database(self) -> str | None:
        """Return the database of the state; None: there is no state."""

    def state_digest(self) -> str:
        """Return the digest of the state."""

    def quarantine(self) -> Sequence[Quarantined]:
        """Return what cannot be put on the host."""

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
    replace: bool = False
    """Give up the state of another database for the upstream's."""
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
        node=access.parse_identity(options.name, "name"),
        instance=secrets.token_hex(INSTANCE_BYTES),
        version=wig.__version__,
        role="gateway",
    )
    sink = make_sink()
    stack.callback(sink.close, down=options.down_on_exit)
    worker = stack.enter_context(closing(Worker("gateway")))
    bus = await stack.enter_async_context(connection.opened(options.bus, wait_s=BUS_S_MAX))
    problems: tuple[str, ...] = ()
    follower = Follower(
        bus,
        sink,
        worker,
        FollowerOptions(
            me=me,
            upstream=options.upstream,
            kind="gateway",
            domain=options.domain,
            replace=options.replace,
            database=sink.database,
            floor=sink.device_position,
            state_digest=sink.state_digest,
            problems=lambda: problems,
        ),
    )

    async def watch() -> Never:
        """Report what the host refuses; raise if nothing looks after it: only a restart helps."""
        nonlocal problems
        while True:
            await asyncio.sleep(FAULT_CHECK_S)
            if (fault := sink.fault()) is not None:
                raise errors.Unusable("gateway: nothing looks after its devices") from fault
            # In the sink's thread: it may be busy for long, and the event loop must not wait.
            found = _told(await worker.call(sink.quarantine))
            if found != problems:
                problems = found
                follower.reporter.changed()

    return {"gateway bus": bus.run, "gateway": follower.run, "gateway device": watch}


def _told(found: Sequence[Quarantined]) -> tuple[str, ...]:
    """Return the first problems as text, and how many there are besides."""
    told = tuple(_sentence(one) for one in found[:PROBLEMS_MAX])
    more = len(found) - len(told)
    return (*told, f"and {more} more") if more else told


def _sentence(one: Quarantined) -> str:
    said = f"{one.subject}: {one.reason}"
    return f"{said}; {one.hint}" if one.hint else said
