"""Datastores as whole programs, put together from their parts. Called by the command line.

Each `run_…` returns when it was told to stop (SIGINT, SIGTERM, `stop`), and raises the error that
ended it otherwise; `supervisor.exit_code` turns that into the program's exit code.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bridge import (
    auth,
    connection,
    health,
    metrics_datastore,
    metrics_replication,
    subjects,
    supervisor,
)
from bridge.auth import AuthOptions
from bridge.connection import Connection
from bridge.discovery import Discovery
from bridge.follower_datastore import FollowerDatastore
from bridge.health import Lags
from bridge.metrics_http import Address
from bridge.options import Options
from bridge.primary import Primary
from bridge.queries import QUERIES
from bridge.retention import Policy, Retention
from bridge.source import Me
from bridge.supervisor import Service
from bridge.telemetry import Telemetry, nothing
from wig import errors
from wig.commands import DECODE
from wig.sqlite import initialise
from wig.sqlite.datastore import Datastore

logger = logging.getLogger(__name__)

BUS_S_MAX = 30.0  # for the server to come up beside us, at a boot; then the unit tries again


@dataclass(frozen=True, kw_only=True)
class DatastoreOptions:
    """A datastore: the primary, or a follower of another one."""

    db: Path
    """Of a primary: made by `wig init`. Of a follower: made when it is not there."""
    name: str
    """Of the node; downstreams follow it by this."""
    bus: Options
    domain: str | None = None
    """Of the JetStream that has the stream; None: the connection's."""
    replicas: int = 1
    """How many servers of a JetStream cluster keep the stream."""
    upstream: str = ""
    """The name of the node to follow; empty: this is the primary."""
    upstream_domain: str | None = None
    """Of the upstream's JetStream; None: as the upstream says."""
    replace: bool = False
    """Give up the database for the upstream's, or the streams of another one under this name."""
    retention: Policy = field(default_factory=Policy)
    auth: AuthOptions | None = None
    """How to answer the logins of the server; None: somebody else does."""
    metrics: Address | None = None
    """Where its metrics are; None: nowhere."""


async def run_datastore(
    options: DatastoreOptions,
    *,
    stop: asyncio.Event | None = None,
    ready: Callable[[], None] | None = None,
) -> None:
    """Serve a database until told to stop; `ready` is called when the first request may come.

    A follower's file that turns out to be damaged is set aside, and it begins anew.
    """
    while True:
        telemetry = Telemetry()
        try:
            async with AsyncExitStack() as stack:
                services = await datastore(stack, options, telemetry, ready=ready)
                await supervisor.run(services | telemetry.services(options.metrics), stop=stop)
        except errors.Damaged as error:
            if not options.upstream or error.field != "db":
                raise
            _set_aside(options.db, error)
        else:
            return


async def datastore(
    stack: AsyncExitStack,
    options: DatastoreOptions,
    telemetry: Telemetry,
    *,
    ready: Callable[[], None] | None = None,
    beside: Callable[[], Iterable[str]] = tuple,
) -> dict[str, Service]:
    """Return the services of a datastore; `stack` closes what they need.

    `beside` returns the problems of what runs beside it, for its line in the status.
    """
    store = stack.enter_context(closing(_opened(options)))
    bus = await stack.enter_async_context(connection.opened(options.bus, wait_s=BUS_S_MAX))
    it = _follower(store, bus, options) if options.upstream else _primary(store, bus, options)
    stack.enter_context(closing(it))
    if ready is not None:
        it.on_serving(ready)
    it.node.report_beside(beside)
    _tell(telemetry, it, bus)
    retention = Retention(it.node, options.retention)
    logins: dict[str, Service] = {}
    if options.auth is not None:
        logins = await auth.services(
            stack, options.auth, options.bus, it.node, telemetry, wait_s=BUS_S_MAX
        )
    return {
        "bus": bus.run,
        **logins,
        **it.services(),
        "retention": it.node.when_alone(retention.run),
        "discovery": it.node.when_alone(Discovery(bus, it.me, _served(it.me)).run),
    }


def _tell(telemetry: Telemetry, it: Primary | FollowerDatastore, bus: Connection) -> None:
    """Have the datastore's metrics and health told."""
    node = it.node
    telemetry.alive("writer", partial(node.writer.call, nothing))
    telemetry.ready(partial(health.stream, node.publisher))
    telemetry.add(
        lambda: metrics_replication.position(
            it.me, bus, node.datastore.position(), len(node.status.nodes()[0].problems)
        )
    )
    telemetry.add(partial(metrics_datastore.node, node))
    if isinstance(it, Primary):
        telemetry.add(partial(metrics_datastore.commands, it.commands))
    else:
        lags = Lags(it.follower)
        telemetry.ready(lags.unready)
        telemetry.add(lambda: metrics_replication.following(it.me, it.follower, lags))


def _served(me: Me) -> list[str]:
    """Return the subjects on which a datastore answers people and programs."""
    served = [subjects.node_of(me.node, verb) for verb in (*QUERIES, "status", "drain")]
    if me.role == "primary":
        served += [subjects.api(subjects.ANY, verb) for verb in (*DECODE, *QUERIES, "node.status")]
    return served


def _opened(options: DatastoreOptions) -> Datastore:
    """Open the file, if it is of the right role."""
    store = _follower_file(options) if options.upstream else Datastore.open(options.db)
    if store.role != ("follower" if options.upstream else "primary"):
        store.close()
        raise _wrong_role(options)
    if store.fenced:
        store.close()
        raise errors.Fenced(
            f"db: {errors.quoted(options.db)} is a former primary's: {store.fenced}",
            field="db",
            hint="move it away, and follow the new primary; if that one is gone for good, "
            "`wig datastore promote` makes this the primary again",
        )
    return store


def _follower_file(options: DatastoreOptions) -> Datastore:
    """Open a follower's file; what is missing or damaged is had again from the upstream."""
    if not options.db.exists():
        initialise.init_empty(options.db)
    try:
        return Datastore.open(options.db)
    except errors.Damaged as error:
        _set_aside(options.db, error)
        initialise.init_empty(options.db)
        return Datastore.open(options.db)


def _set_aside(db: Path, error: errors.Damaged) -> None:
    aside = initialise.set_aside(db)
    told = {"error": error.message, "kept as": str(aside)}
    logger.error("the database is damaged: it begins anew", extra=told)


def _wrong_role(options: DatastoreOptions) -> errors.WrongRole:
    if options.upstream:
        return errors.WrongRole(
            f"db: {errors.quoted(options.db)} is a primary's, and --follow makes it a follower's",
            field="db",
            hint="a follower makes a file of its own: give it a name where none is",
        )
    return errors.WrongRole(
        f"db: {errors.quoted(options.db)} is a follower's, and without --follow it is to lead",
        field="db",
        hint="name its upstream with --follow; `wig datastore promote` makes it a primary, "
        "when the old one is gone for good",
    )


def _primary(store: Datastore, bus: Connection, options: DatastoreOptions) -> Primary:
    return Primary(
        store,
        bus,
        node=options.name,
        domain=options.domain,
        replicas=options.replicas,
        replace=options.replace,
    )


def _follower(store: Datastore, bus: Connection, options: DatastoreOptions) -> FollowerDatastore:
    return FollowerDatastore(
        store,
        bus,
        node=options.name,
        upstream=options.upstream,
        upstream_domain=options.upstream_domain,
        domain=options.domain,
        replicas=options.replicas,
        replace=options.replace,
    )
