"""A datastore on the bus: what primary and follower have in common.

Called by `primary` and `follower_datastore`, which say where the root is and who may write. It
publishes the log, and is the source that downstreams follow: it answers attach, sends snapshots
and beacons, collects reports, and answers reads and status.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Never, Protocol

from msgspec import structs

from bridge import subjects, wire
from bridge.api import Api, Take
from bridge.attach import Attachments
from bridge.beacon import Beacons
from bridge.connection import Connection, Message
from bridge.drain import Drains
from bridge.publisher import Publisher
from bridge.queries import QUERIES, Queries
from bridge.reports import Reports
from bridge.snapshots import Snapshots
from bridge.source import Me, StreamName
from bridge.status import Status
from bridge.supervisor import Service
from bridge.wire import NodeStatus
from bridge.worker import Worker
from wig import errors
from wig.replication import Root, Serving
from wig.sqlite.datastore import Datastore
from wig.sqlite.reader import Reader

logger = logging.getLogger(__name__)

TEND_S = 30.0  # between two looks at what the stream still has


class Standing(Protocol):
    """What a datastore knows of the root."""

    def root(self) -> Root | None:
        """Return the root as this node tells it on; None: it has not heard of it."""

    def loading(self) -> bool:
        """Say whether everything is being replaced, so that nobody may follow now."""

    def confirmed(self) -> bool:
        """Say whether the node is the primary, or is let follow by its upstream."""

    def status(self) -> NodeStatus:
        """Return this node's own line."""


class DatastoreNode:
    """One database on the bus, in the role that `standing` gives it."""

    def __init__(
        self, bus: Connection, datastore: Datastore, me: Me, standing: Standing, *,
        domain: str | None = None, replicas: int = 1, replace: bool = False,
    ) -> None:  # fmt: skip
        """`domain` is that of the JetStream that shall have the stream; None: the connection's.

        `replicas` is how many servers of a cluster keep the stream. `replace`: streams of another
        database under this name may go.
        """
        self.me = me
        self.bus = bus
        self.datastore = datastore
        self.writer = Worker("writer")
        self._standing = standing
        self._reading = Worker("reader")
        self._reader = datastore.reader()
        self.publisher = Publisher(
            bus, datastore, self.writer, me, domain=domain, replicas=replicas, replace=replace
        )
        self.queries = Queries(bus, self._reader, self._reading)
        self.reports = Reports(bus, me.node)
        self.drains = Drains(bus, me.node, self.reports)
        self.attachments = Attachments(bus, me.node, self, self.reports)
        self.snapshots = Snapshots(bus, me.node, self, self.attachments)
        self.beacons = Beacons(bus, me, self)
        self.publisher.on_accepted(lambda _: self.beacons.changed())
        self.status = Status(bus, self._line, self.reports)
        self._beside: Callable[[], Iterable[str]] = tuple

    def services(self) -> dict[str, Service]:
        """Return the parts to run; `publisher` comes first, for it finds out who else is there."""
        return {
            "publisher": self.publisher.run,
            "queries": self.queries.run,
            "reports": self.when_alone(self.reports.run),
            "drains": self.when_alone(self.drains.run),
            "attach": self.when_alone(self.attachments.run),
            "snapshots": self.when_alone(self.snapshots.run),
            "beacons": self.when_alone(self.beacons.run),
            "doubles": self.when_alone(self._listen_for_doubles),
            "tend": self.when_alone(self._tend),
        }

    def close(self) -> None:
        """End the threads; the datastore stays open, for whoever opened it."""
        self.writer.close()
        self._reading.close()
        self._reader.close()

    def when_alone(self, service: Service) -> Service:
        """Return a service that begins when no other instance of this node has answered."""

        async def run() -> Never:
            await self.publisher.alone.wait()
            await service()
            raise AssertionError("a service never ends")

        return run

    def report_beside(self, problems: Callable[[], Iterable[str]]) -> None:
        """Show these problems in its line of the status, too: of what runs beside it."""
        self._beside = problems

    def reads(self) -> dict[str, Take]:
        """Return what anybody may ask."""
        return dict.fromkeys(QUERIES, self.queries.take)

    async def open_api(self, more: dict[str, Take]) -> Api:
        """Answer what is asked of this node by name: reads, status, drain, and `more`."""
        verbs = self.reads() | {"status": self.status.take, "drain": self.drains.take} | more
        api = Api(self.bus, verbs)
        await api.open(partial(subjects.node_of, self.me.node), verbs)
        return api

    async def _listen_for_doubles(self) -> Never:
        """Look at the stream when another instance speaks in this node's name."""
        subject = subjects.beacon(self.me.node)
        subscription = await self.bus.subscribe(subject, self._heard_myself)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await subscription.stop()
        raise AssertionError("unreachable: nobody completes that future")

    async def _heard_myself(self, message: Message) -> None:
        try:
            beacon = wire.decode_beacon(message.data)
        except errors.Invalid:
            return
        if beacon.instance != self.me.instance:
            self.publisher.doubt(f"instance {beacon.instance} speaks as {self.me.node}")

    async def _tend(self) -> Never:
        """Learn what the stream has lost to its size limit, and whether it is there."""
        while True:
            await asyncio.sleep(TEND_S)
            await self.publisher.look()

    def _line(self) -> NodeStatus:
        """Return this node's own line, with what its downstreams showed it to have lost."""
        mine, found = self._standing.status(), self.attachments.loss
        mine = structs.replace(mine, problems=(*mine.problems, *self._beside()))
        known = self.publisher.ownership.loss
        if found is None or (known and known.first <= found.first and found.last <= known.last):
            return mine
        problem = f"a downstream had {found} that this timeline does not have"
        return structs.replace(mine, problems=(*mine.problems, problem))

    def root(self) -> Root | None:
        """Return where the root is, as this node tells it on; None: it has not heard of it."""
        return self._standing.root()

    # -- the source of downstreams

    def serving(self) -> Serving | None:
        """Return where the stream is; None: there is none, or nothing to follow."""
        published = self.publisher.published
        if published is None or not self.publisher.generation or self._standing.loading():
            return None
        return Serving(
            node=self.me.node,
            database=self.datastore.database,
            position=published.position,
            state_digest=published.state_digest,
            lineage=self.datastore.lineage,
            oldest=self.publisher.first,
            root=self._standing.root(),
            confirmed=self._standing.confirmed(),
        )

    def stream(self) -> StreamName | None:
        """Return the stream; None: there is none yet."""
        if not self.publisher.generation:
            return None
        name = subjects.stream(self.me.node, self.publisher.generation)
        return StreamName(name, self.publisher.ownership.domain)

    async def digest_at(self, seq: int) -> str | None:
        """Return the chain's digest at `seq`; None: not known."""
        digest = await self.writer.call(self.datastore.digest_at, seq)
        return digest.hex() if digest is not None else None

    def reader(self) -> Reader:
        """Return a new reader, for the thread that calls."""
        return self.datastore.reader()
