"""A gateway as a whole program, put together from its parts. Called by the command line.

Like `node`, which does the same for datastores.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import wig
from bridge import (
    connection,
    health,
    metrics_gateway,
    metrics_peers,
    metrics_replication,
    supervisor,
)
from bridge.connection import Connection
from bridge.downstream import FollowerOptions
from bridge.drain import Mark
from bridge.follower import Follower
from bridge.gateway_watch import Watch, Watched
from bridge.health import Lags
from bridge.metrics_gateway import Care
from bridge.metrics_http import Address
from bridge.node import BUS_S_MAX
from bridge.options import Options
from bridge.primary import INSTANCE_BYTES
from bridge.readings import Readings
from bridge.source import Me
from bridge.statistics import INTERVAL_S, Places, Statistics
from bridge.supervisor import Service
from bridge.telemetry import Telemetry, nothing
from bridge.worker import Worker
from wig import access
from wig.log import Position
from wig.model import Peer
from wig.ports import Sink
from wig.samples import Batch

SCRAPE_AGE_S_MAX = 2.0  # of what a scrape says of the peers: Prometheus asks every 15 s or so


class GatewaySink(Sink, Care, Watched, Protocol):
    """A gateway's side of this host (`wig.linux.gateway.Gateway`)."""

    def device_position(self) -> Position | None:
        """Return where the devices are; it outlives the process."""

    def database(self) -> str | None:
        """Return the database of the state; None: there is no state."""

    def state_digest(self) -> str:
        """Return the digest of the state."""

    def samples(self) -> Iterator[Batch]:
        """Yield what the devices say of their peers. Any thread may ask."""

    def peers(self) -> Sequence[Peer]:
        """Return all peers of the state. Any thread may ask."""

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
    mark: Mark
    """Remembers whether the gateway is drained."""
    metrics: Address | None = None
    """Where its metrics are; None: nowhere."""
    per_peer: str = "on"
    """One of `metrics_peers.PER_PEER`."""
    report_interval_s: float = INTERVAL_S
    """How often it reports what its peers did, at most an hour; 0: never."""
    places: Places | None = None
    """Who knows where its clients are; None: nobody."""


async def run_gateway(
    options: GatewayOptions,
    make_sink: Callable[[], GatewaySink],
    *,
    stop: asyncio.Event | None = None,
) -> None:
    """Follow a datastore until told to stop; `make_sink` takes hold of the host."""
    telemetry = Telemetry()
    async with AsyncExitStack() as stack:
        services = await gateway(stack, options, make_sink, telemetry)
        await supervisor.run(services | telemetry.services(options.metrics), stop=stop)


async def gateway(
    stack: AsyncExitStack,
    options: GatewayOptions,
    make_sink: Callable[[], GatewaySink],
    telemetry: Telemetry,
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
    readings = stack.enter_context(closing(Readings(sink.samples)))
    bus = await stack.enter_async_context(connection.opened(options.bus, wait_s=BUS_S_MAX))
    statistics = Statistics(
        bus, readings, interval_s=options.report_interval_s, places=options.places,
        draining=lambda: watch.draining.on,
    )  # fmt: skip
    stack.callback(statistics.close)
    watch = Watch(
        sink, worker, readings, options.mark,
        lambda: follower.reporter.changed(),  # noqa: PLW0108  # there is no follower yet
    )  # fmt: skip
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
            problems=lambda: (*watch.problems, *statistics.problems()),
            draining=lambda: watch.draining.on,
            connected=watch.connected,
            told=watch.draining.told,
        ),
    )
    _tell(telemetry, _Parts(me, bus, sink, readings, statistics, watch, follower), options.per_peer)
    telemetry.alive("devices", partial(worker.call, nothing))
    return {
        "gateway bus": bus.run,
        "gateway": follower.run,
        "gateway device": watch.look,
        "gateway clients": watch.count,
        **statistics.services(),
    }


class _Parts(NamedTuple):
    me: Me
    bus: Connection
    sink: GatewaySink
    readings: Readings
    statistics: Statistics
    watch: Watch
    follower: Follower


def _tell(telemetry: Telemetry, it: _Parts, per_peer: str) -> None:
    """Have the gateway's metrics and health told."""
    lags = Lags(it.follower)
    telemetry.ready(lambda: _unready(lags, it.watch))
    telemetry.prepare(partial(it.readings.current, SCRAPE_AGE_S_MAX))
    telemetry.add(
        lambda: metrics_replication.position(
            it.me, it.bus, it.follower.replica.position, len(it.follower.report().problems)
        )
    )
    telemetry.add(partial(metrics_replication.following, it.me, it.follower, lags))
    telemetry.add(lambda: metrics_gateway.collect(it.sink, it.watch, it.readings.last))
    telemetry.add(partial(metrics_gateway.reports, it.statistics))
    telemetry.write(lambda: metrics_peers.pieces(it.readings.last, it.sink.peers(), per_peer))


def _unready(lags: Lags, watch: Watch) -> Iterator[str]:
    """Yield why a gateway should get no new clients."""
    if watch.draining.on:
        yield "draining"
    yield from lags.unready()
    yield from health.device(watch.quarantined)
