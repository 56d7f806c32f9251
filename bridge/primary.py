"""The primary: the one writer of a database, with everything that serves it on the bus.

Called by `node`, which runs its `services` together. What it has in common with a follower is in
`datastore`; here is what only the root of a tree does: take commands.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Never

import wig
from bridge import subjects
from bridge.api import Api, Take
from bridge.commands import Commands
from bridge.connection import Connection
from bridge.datastore import DatastoreNode
from bridge.expiry import Expiry
from bridge.rivals import Rivals
from bridge.source import Me
from bridge.supervisor import Service
from bridge.wire import NodeStatus
from wig import access, errors
from wig.commands import DECODE
from wig.replication import Root
from wig.sqlite.datastore import Datastore

logger = logging.getLogger(__name__)

INSTANCE_BYTES = 8
FINISH_S = 1.0  # for what is committed to be published and answered, when the node stops
NOUNS = ("interface", "peer", "token", "log", "node")
"""What the primary is asked about; `session` is answered by another process."""


class Primary:
    """One database on the bus. Close it when its services have ended."""

    def __init__(
        self, datastore: Datastore, bus: Connection, *, node: str, domain: str | None = None,
        replicas: int = 1, replace: bool = False,
    ) -> None:  # fmt: skip
        """`domain` is that of the JetStream that has the stream; None: the connection's.

        `replicas` is how many servers of a cluster keep the stream. `replace`: what another
        database published under this name may go.
        """
        self.me = Me(
            node=access.parse_identity(node, "name"),
            instance=secrets.token_hex(INSTANCE_BYTES),
            version=wig.__version__,
            role="primary",
        )
        self._bus = bus
        self._started = datetime.now(UTC)
        self._on_serving: list[Callable[[], None]] = []
        self.node = DatastoreNode(
            bus, datastore, self.me, self, domain=domain, replicas=replicas, replace=replace
        )
        self.publisher = self.node.publisher
        self.rivals = Rivals(bus, self.me, datastore, self.node.writer)
        self.commands = Commands(bus, datastore, self.node.writer, self.publisher)
        self.expiry = Expiry(bus, self.node, self.commands.take)

    def services(self) -> dict[str, Service]:
        """Return the parts to run, each after those that it needs."""
        return self.node.services() | {
            "publisher": self._publish,
            "rivals": self.node.when_alone(self.rivals.run),
            "commands": self.commands.run,
            "answers": self.commands.answers.run,
            "api": self._serve_when_ready,
            "expiry": self.expiry.run,
        }

    def on_serving(self, callback: Callable[[], None]) -> None:
        """Call back each time it begins to take requests."""
        self._on_serving.append(callback)

    def close(self) -> None:
        """End the threads; the datastore stays open, for whoever opened it."""
        self.node.close()

    async def _publish(self) -> Never:
        """Touch the stream only after asking whether another primary is there."""
        await self.rivals.check()
        try:
            await self.publisher.run()
        except errors.Fenced as error:
            raise await self.rivals.replaced(error) from None

    async def _serve_when_ready(self) -> Never:
        await self.publisher.ready.wait()
        await self._serve()
        raise AssertionError("a service never ends")

    async def _serve(self) -> Never:
        """Take requests; at the end, give those that were taken a moment to be answered."""
        writes: dict[str, Take] = dict.fromkeys(DECODE, self.commands.take)
        status: dict[str, Take] = {"node.status": self.node.status.take}
        everybody = Api(self._bus, writes | self.node.reads() | status)
        mine: Api | None = None
        try:
            await everybody.open(subjects.api_of, NOUNS)
            mine = await self.node.open_api({})
            logger.info("serving", extra={"node": self.me.node, "instance": self.me.instance})
            for callback in self._on_serving:
                callback()
            await asyncio.get_running_loop().create_future()
        finally:
            await everybody.close()
            if mine is not None:
                await mine.close()
            await self.commands.finish(FINISH_S)
        raise AssertionError("unreachable: nobody completes that future")

    # -- what it knows of the root, which it is

    def root(self) -> Root | None:
        """Return where the stream is; None: it has none yet."""
        published = self.publisher.published
        if published is None:
            return None
        position = published.position
        return Root(epoch=position.epoch, seq=position.seq, age_s=0.0, path=(self.me.node,))

    def loading(self) -> bool:
        """Say no: nothing replaces what the primary has."""
        return False

    def confirmed(self) -> bool:
        """Say yes: nobody knows more."""
        return True

    def status(self) -> NodeStatus:
        """Return its own line."""
        publisher, now = self.publisher, datetime.now(UTC)
        lag, lag_s = publisher.backlog, publisher.still_s if publisher.backlog else 0.0
        problems = (*publisher.ownership.problems, *self.expiry.problems)
        if publisher.stuck:
            problems = (*problems, "the stream does not take entries")
        return NodeStatus(
            name=self.me.node,
            role=self.me.role,
            version=self.me.version,
            instance=self.me.instance,
            head=publisher.head,
            lag_entries=lag,
            lag_s=round(lag_s, 3),
            behind_since=now - timedelta(seconds=lag_s) if lag else None,
            since=self._started,
            seen=now,
            position=publisher.published.position if publisher.published else None,
            problems=problems,
        )
