"""The primary: the one writer of a database, with everything that serves it on the bus.

Called by `node`, which runs its `services` together. It is the source that its downstreams
follow.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from functools import partial
from typing import Never

import wig
from bridge import subjects
from bridge.api import Api, Take
from bridge.attach import Attachments
from bridge.beacon import Beacons
from bridge.commands import Commands
from bridge.connection import Connection
from bridge.publisher import Publisher
from bridge.queries import QUERIES, Queries
from bridge.reports import Reports
from bridge.snapshots import Snapshots
from bridge.source import Me, StreamName
from bridge.status import Status
from bridge.supervisor import Service
from bridge.worker import Worker
from wig.commands import DECODE
from wig.replication import Root, Serving
from wig.sqlite.datastore import Datastore
from wig.sqlite.reader import Reader

logger = logging.getLogger(__name__)

INSTANCE_BYTES = 8
FINISH_S = 1.0  # for what is committed to be published and answered, when the node stops
TEND_S = 30.0  # between two looks at what the stream still has
NOUNS = ("interface", "peer", "token", "log", "node")
"""What the primary is asked about; `session` is answered by another process."""


class Primary:
    """One database on the bus. Close it when its services have ended."""

    def __init__(
        self, datastore: Datastore, bus: Connection, *, node: str, domain: str | None = None
    ) -> None:
        """`domain` is that of the JetStream that has the stream; None: the connection's."""
        self.me = Me(
            node=subjects.check_identity(node, "name"),
            instance=secrets.token_hex(INSTANCE_BYTES),
            version=wig.__version__,
            role="primary",
        )
        self._bus = bus
        self._datastore = datastore
        self._domain = domain
        self._on_serving: list[Callable[[], None]] = []
        self._writer = Worker("writer")
        self._reading = Worker("reader")
        self._reader = datastore.reader()
        self.publisher = Publisher(
            bus, datastore, self._writer, node=node, instance=self.me.instance, domain=domain
        )
        self.commands = Commands(bus, datastore, self._writer, self.publisher)
        self.queries = Queries(bus, self._reader, self._reading)
        self.reports = Reports(bus, node)
        self.attachments = Attachments(bus, node, self, self.reports)
        self.snapshots = Snapshots(bus, node, self, self.attachments)
        self.beacons = Beacons(bus, self.me, self)
        self.publisher.on_accepted(lambda _: self.beacons.changed())
        self.status = Status(bus, self.me, self.publisher, self.reports)

    def services(self) -> dict[str, Service]:
        """Return the parts to run, each after those that it needs."""
        return {
            "publisher": self.publisher.run,
            "commands": self.commands.run,
            "answers": self.commands.answers.run,
            "queries": self.queries.run,
            "reports": self.reports.run,
            "attach": self._when_ready(self.attachments.run),
            "snapshots": self._when_ready(self.snapshots.run),
            "beacons": self._when_ready(self.beacons.run),
            "tend": self._when_ready(self._tend),
            "api": self._when_ready(self._serve),
        }

    def on_serving(self, callback: Callable[[], None]) -> None:
        """Call back each time it begins to take requests."""
        self._on_serving.append(callback)

    def close(self) -> None:
        """End the threads; the datastore stays open, for whoever opened it."""
        self._writer.close()
        self._reading.close()
        self._reader.close()

    def _when_ready(self, service: Service) -> Service:
        async def run() -> Never:
            await self.publisher.ready.wait()
            await service()
            raise AssertionError("a service never ends")

        return run

    async def _serve(self) -> Never:
        """Take requests; at the end, give those that were taken a moment to be answered."""
        reads: dict[str, Take] = dict.fromkeys(QUERIES, self.queries.take)
        status = self.status.take
        writes: dict[str, Take] = dict.fromkeys(DECODE, self.commands.take)
        everybody = Api(self._bus, writes | reads | {"node.status": status})
        node = Api(self._bus, reads | {"status": status})
        try:
            await everybody.open(subjects.api_of, NOUNS)
            await node.open(partial(subjects.node_of, self.me.node), (*QUERIES, "status"))
            logger.info("serving", extra={"node": self.me.node, "instance": self.me.instance})
            for callback in self._on_serving:
                callback()
            await asyncio.get_running_loop().create_future()
        finally:
            await everybody.close()
            await node.close()
            await self.commands.finish(FINISH_S)
        raise AssertionError("unreachable: nobody completes that future")

    async def _tend(self) -> Never:
        """Learn what the stream has lost to its size limit."""
        while True:
            await asyncio.sleep(TEND_S)
            await self.publisher.look()

    # -- the source of downstreams

    def serving(self) -> Serving | None:
        """Return where the stream is; None: there is none yet."""
        published = self.publisher.published
        if published is None or not self.publisher.generation:
            return None
        return Serving(
            node=self.me.node,
            database=self._datastore.database,
            position=published.position,
            state_digest=published.state_digest,
            lineage=self._datastore.lineage,
            oldest=self.publisher.first,
            root=Root(
                epoch=published.position.epoch,
                seq=published.position.seq,
                age_s=0.0,
                path=(self.me.node,),
            ),
            confirmed=True,
        )

    def stream(self) -> StreamName | None:
        """Return the stream; None: there is none yet."""
        if not self.publisher.generation:
            return None
        name = subjects.stream(self.me.node, self.publisher.generation)
        return StreamName(name, self._domain)

    async def digest_at(self, seq: int) -> str | None:
        """Return the chain's digest at `seq`; None: not known."""
        digest = await self._writer.call(self._datastore.digest_at, seq)
        return digest.hex() if digest is not None else None

    def reader(self) -> Reader:
        """Return a new reader, for the thread that calls."""
        return self._datastore.reader()
