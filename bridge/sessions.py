"""`wig sessions`: finds sessions in the reports of all gateways, and tells about them.

Called by the command line. It is a process of its own with a database of its own, so that a flood
of reports slows no command, and a restored datastore touches no history. There is one for a
deployment, beside the primary.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Never

import wig
from bridge import connection, metrics_sessions, subjects, supervisor
from bridge.api import Api, Take
from bridge.client import Client
from bridge.connection import Connection
from bridge.metrics_http import Address
from bridge.options import Options
from bridge.queries import Queries
from bridge.session_api import NOUN, QUERIES, VERBS, History, StreamQueries
from bridge.session_book import Book
from bridge.session_edges import Edges
from bridge.session_log import LogReader
from bridge.session_reports import Reports
from bridge.session_rivals import Rivals, Status
from bridge.session_streams import Limits, SessionStreams
from bridge.supervisor import Service
from bridge.telemetry import Telemetry, nothing
from bridge.worker import Worker
from wig.sessions import Settings
from wig.sqlite.history import History as Database

logger = logging.getLogger(__name__)

BUS_S_MAX = 30.0  # for the server to come up beside us, at a boot
PART_S = 0.2  # for one to answer that may have started at the same moment
WATCH_S = 5.0  # between two looks for another one: it was frozen, or behind a broken wire
PRUNE_S = 600.0
MAX_AGE = timedelta(days=180)
INSTANCE_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class SessionsOptions:
    """One keeper of sessions."""

    db: Path
    """Its own file; made when it is not there."""
    bus: Options
    settings: Settings = field(default_factory=Settings)
    max_age: timedelta = MAX_AGE
    """Sessions that ended longer ago are forgotten."""
    limits: Limits = field(default_factory=Limits)
    domain: str | None = None
    """Of the JetStream that has the streams; None: the connection's."""
    replicas: int = 1
    """How many servers of a JetStream cluster keep the streams."""
    metrics: Address | None = None
    """Where metrics and health are asked for; None: nowhere."""


async def run_sessions(
    options: SessionsOptions,
    *,
    stop: asyncio.Event | None = None,
    ready: Callable[[], None] | None = None,
) -> None:
    """Keep sessions until told to stop; `ready` is called when requests are answered."""
    async with AsyncExitStack() as stack:
        keeper = await _open(stack, options)
        services = keeper.services()
        if ready is not None:
            services["ready"] = keeper.tell_when_ready(ready)
        telemetry = Telemetry()
        telemetry.add(partial(metrics_sessions.collect, keeper))
        telemetry.ready(keeper.unready)
        telemetry.alive("sessions", partial(keeper.worker.call, nothing))
        await supervisor.run(services | telemetry.services(options.metrics), stop=stop)


async def _open(stack: AsyncExitStack, options: SessionsOptions) -> "Keeper":
    database = stack.enter_context(closing(Database.open(options.db)))
    worker = stack.enter_context(closing(Worker("sessions")))
    book = await worker.call(Book, database, options.settings)
    bus = await stack.enter_async_context(connection.opened(options.bus, wait_s=BUS_S_MAX))
    reading = stack.enter_context(closing(Worker("history")))
    reader = await reading.call(database.reader)
    stack.callback(reader.close)
    return Keeper(options, bus, book, worker, History(reader), reading)


class Keeper:
    """All parts of the process."""

    def __init__(
        self, options: SessionsOptions, bus: Connection, book: Book, worker: Worker,
        history: History, reading: Worker,
    ) -> None:  # fmt: skip
        """`book` is used in `worker`'s thread only, `history` in `reading`'s."""
        self._options = options
        self._bus = bus
        self.book = book
        self.worker = worker
        self._instance = secrets.token_hex(INSTANCE_BYTES)
        self._since = datetime.now(UTC)
        self._serving = asyncio.Event()
        streams = SessionStreams(
            bus, domain=options.domain, replicas=options.replicas, limits=options.limits
        )
        self.edges = Edges(bus, streams, book, worker)
        self.reports = Reports(bus, streams, book, worker, self.edges)
        self.log = LogReader(Client(bus), history.reader, reading, self._forget)
        self._queries = Queries(bus, history, reading, QUERIES)
        self._stream_queries = StreamQueries(bus, streams, self.status)

    def services(self) -> dict[str, Service]:
        """Return the parts to run, each after those that it needs."""
        return {
            "bus": self._bus.run,
            "queries": self._queries.run,
            "stream queries": self._stream_queries.run,
            "edges": self._when_alone(self.edges.run),
            "reports": self._when_alone(self.reports.run),
            "log": self._when_alone(self.log.run),
            "retention": self._when_alone(self._retain),
            "api": self._serve,
        }

    def tell_when_ready(self, ready: Callable[[], None]) -> Service:
        """Return a service that calls back once, when requests are answered."""

        async def run() -> Never:
            await self._serving.wait()
            ready()
            await asyncio.get_running_loop().create_future()
            raise AssertionError("unreachable: nobody completes that future")

        return run

    def unready(self) -> tuple[str, ...]:
        """Return why nobody should rely on it now."""
        return () if self._serving.is_set() and self._bus.up else ("it does not answer",)

    def status(self) -> dict[str, Any]:
        """Describe this process."""
        book = self.book
        return {
            "instance": self._instance,
            "version": wig.__version__,
            "since": self._since,
            "peers": book.sessions.known,
            "open": book.sessions.open,
            "reports": book.reports,
            "samples": book.samples,
            "repeated": book.repeated,
            "refused": book.refused,
            "missed": book.sessions.missed_reports,
            "waiting": self.reports.waiting,
            "edges": self.edges.last,
            "published": self.edges.published,
        }

    def _when_alone(self, service: Service) -> Service:
        """Return a service that begins when requests are answered, by this process alone."""

        async def run() -> Never:
            await self._serving.wait()
            await service()
            raise AssertionError("a service never ends")

        return run

    async def _serve(self) -> Never:
        await self._bus.wait_up()
        rivals = Rivals(self._bus, Status(self._instance, self._since))
        await rivals.check_alone()
        reads: dict[str, Take] = dict.fromkeys(QUERIES, self._queries.take)
        own: dict[str, Take] = {
            verb: self._stream_queries.take for verb in VERBS if verb not in QUERIES
        }
        api = Api(self._bus, reads | own)
        try:
            await api.open(subjects.api_of, [NOUN])
            await rivals.open()
            while await rivals.look(PART_S):
                logger.warning("another process keeps sessions: it began later, and has to stop")
            self._serving.set()
            logger.info("keeping sessions", extra={"instance": self._instance})
            while True:
                await rivals.look(WATCH_S)
        finally:
            await rivals.close()
            await api.close()

    async def _forget(self, peers: Sequence[str], interfaces: Sequence[str]) -> None:
        # In an older copy of the database, new edges would pass for those that the stream has.
        await self.edges.compared.wait()
        self.edges.committed(await self.worker.call(self.book.forget, peers, interfaces))

    async def _retain(self) -> Never:
        """Forget old sessions, a few at a time."""
        while True:
            forgotten = 0
            now = datetime.now(UTC)
            while some := await self.worker.call(self.book.prune, now, self._options.max_age):
                forgotten += some
            if forgotten:
                logger.info("old sessions are forgotten", extra={"sessions": forgotten})
            await asyncio.sleep(PRUNE_S)
