"""A follower datastore: a database whose only writer is replication.

Called by `node`, which runs its `services` together. It follows an upstream as a sink, and offers
what it has under its own name, as the primary does (`datastore`): the same bytes, epochs,
sequences and digests. So trees need no special case.

**Invariant:** an entry is published after it is applied. **Invariant:** while a snapshot is
loaded, and until the stream that continues it has begun, nobody may attach.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Never

import wig
from bridge import frames, wire
from bridge.api import Take
from bridge.connection import Connection, Disconnected
from bridge.datastore import DatastoreNode
from bridge.downstream import FollowerOptions
from bridge.follower import Follower
from bridge.ownership import Head, head_of
from bridge.primary import INSTANCE_BYTES
from bridge.publisher import Publisher
from bridge.source import Me
from bridge.supervisor import Service
from bridge.wire import NodeStatus
from wig import access, errors
from wig.commands import DECODE
from wig.log import Position, Record
from wig.model import Object
from wig.replication import Root
from wig.snapshot import Header
from wig.sqlite.datastore import Datastore

logger = logging.getLogger(__name__)


class _Store:
    """The database as a sink that tells the publisher; in the writer's thread.

    What is told arrives on the event loop in order, and before whoever waits for the call.
    """

    def __init__(self, datastore: Datastore, publisher: Publisher, *, replace: bool) -> None:
        """`replace`: a snapshot of another database is loaded, too."""
        self._datastore = datastore
        self._publisher = publisher
        self._replace = replace
        self._loop = asyncio.get_running_loop()
        self.loading = False
        """From the begin of a load until the publisher knows of it."""
        self.broken: asyncio.Future[errors.Damaged] = self._loop.create_future()
        """What is wrong with the file."""

    def position(self) -> Position | None:
        """Return where the database is."""
        return self._datastore.position()

    def apply(self, epoch: str, records: Sequence[Record]) -> None:
        """Apply entries, and hand those that were applied to the publisher."""
        before = self._datastore.position()
        try:
            with self._watched():
                self._datastore.apply(epoch, records)
        finally:
            if self._datastore.position() not in {None, before}:
                self._tell(head_of(self._datastore), records)

    def _tell(self, head: Head, records: Sequence[Record]) -> None:
        applied = [record for record in records if record.seq <= head.position.seq]
        if applied:
            self._loop.call_soon_threadsafe(self._publisher.committed, head, applied)
        else:
            self._loop.call_soon_threadsafe(self._publisher.begun, head)

    def load(self, header: Header, objects: Iterable[Object]) -> None:
        """Replace everything by a snapshot; the stream of what was there is not continued."""
        self.loading = True
        loaded = False
        try:
            with self._watched():
                self._datastore.load(header, objects, replace=self._replace)
            loaded = True
        finally:
            self._loop.call_soon_threadsafe(self._loaded, loaded)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Notice that the file itself is damaged: then no snapshot helps."""
        try:
            yield
        except errors.Damaged as error:
            if error.field == "db":
                self._loop.call_soon_threadsafe(self._note, error)
            raise

    def _note(self, error: errors.Damaged) -> None:
        if not self.broken.done():
            self.broken.set_result(error)

    def _loaded(self, loaded: bool) -> None:  # noqa: FBT001  # a callback's only argument
        if loaded:
            self._publisher.replaced()
        self.loading = False


class FollowerDatastore:
    """One database that follows. Close it when its services have ended."""

    def __init__(
        self, datastore: Datastore, bus: Connection, *, node: str, upstream: str,
        upstream_domain: str | None = None, domain: str | None = None, replicas: int = 1,
        replace: bool = False,
    ) -> None:  # fmt: skip
        """`upstream_domain` and `domain` are of the JetStreams that have their streams.

        `replicas` is how many servers of a cluster keep its own. `replace` gives up the database
        for the upstream's, if they are not the same.
        """
        self.me = Me(
            node=access.parse_identity(node, "name"),
            instance=secrets.token_hex(INSTANCE_BYTES),
            version=wig.__version__,
            role="follower",
        )
        self._bus = bus
        self._started = datetime.now(UTC)
        self._on_serving: list[Callable[[], None]] = []
        self.node = DatastoreNode(
            bus, datastore, self.me, self, domain=domain, replicas=replicas, replace=replace
        )
        self._store = _Store(datastore, self.node.publisher, replace=replace)
        self.follower = Follower(
            bus,
            self._store,
            self.node.writer,
            FollowerOptions(
                me=self.me,
                upstream=access.parse_identity(upstream, "follow"),
                kind="follower",
                domain=upstream_domain,
                replace=replace,
                database=lambda: datastore.database or None,
                state_digest=lambda: datastore.state_digest() if datastore.database else None,
                below=self.node.status.below,
                changed=self.node.beacons.changed,
            ),
        )
        self.node.reports.on_change(self.follower.reporter.changed)

    def services(self) -> dict[str, Service]:
        """Return the parts to run, each after those that it needs."""
        return self.node.services() | {
            "api": self.node.when_alone(self._serve),
            "replication": self.node.when_alone(self.follower.run),
            "file": self._watch_file,
        }

    async def _watch_file(self) -> Never:
        """Raise `Damaged` when the file is: whoever runs this begins with a new one."""
        raise await asyncio.shield(self._store.broken)

    def on_serving(self, callback: Callable[[], None]) -> None:
        """Call back each time it begins to take requests."""
        self._on_serving.append(callback)

    def close(self) -> None:
        """End the threads; the datastore stays open, for whoever opened it."""
        self.node.close()

    async def _serve(self) -> Never:
        """Answer reads and status under this node's name, and refuse commands."""
        refuse: dict[str, Take] = dict.fromkeys(DECODE, self._refuse)
        api = await self.node.open_api(refuse)
        try:
            logger.info("serving", extra={"node": self.me.node, "instance": self.me.instance})
            for callback in self._on_serving:
                callback()
            await asyncio.get_running_loop().create_future()
        finally:
            await api.close()
        raise AssertionError("unreachable: nobody completes that future")

    def _refuse(self, identity: str, verb: str, payload: bytes, reply: str) -> None:
        del identity, payload
        root = self.root()
        primary = f"the primary, {root.path[0]!r}" if root else "the primary"
        error = errors.ReadOnly(
            f"node: {self.me.node!r} is a follower and takes no commands",
            field="node",
            hint=f"send {verb} to {primary}: without --node it goes there",
        )
        with suppress(Disconnected):  # who asked is gone as well, or asks again
            self._bus.send(frames.message(reply, wire.failed(error)))

    # -- what it knows of the root

    def root(self) -> Root | None:
        """Return the root as its upstream told it; None: it has not."""
        return self.follower.root()

    def loading(self) -> bool:
        """Say whether a snapshot is being loaded."""
        return self._store.loading

    def confirmed(self) -> bool:
        """Say whether its upstream lets it follow."""
        return self.follower.confirmed()

    def status(self) -> NodeStatus:
        """Return its own line."""
        report, now = self.follower.report(), datetime.now(UTC)
        position = report.position
        root = self.follower.root()
        head = root.seq if root else position.seq if position else 0
        same = bool(root and position and position.epoch == root.epoch)
        lag = max(0, head - (position.seq if same and position else 0)) if root else 0
        lag_s = (
            (now - self._started).total_seconds() if report.behind_s is None else report.behind_s
        )
        problems = [*report.problems, *self.node.publisher.ownership.problems]
        if position and self.node.publisher.stuck:
            problems.append("the stream does not take entries")
        if self.follower.why:
            problems.append(f"does not follow {report.upstream}: {self.follower.why}")
        return NodeStatus(
            name=report.node,
            role=report.role,
            version=report.version,
            instance=report.instance,
            head=head,
            lag_entries=lag,
            since=self._started,
            seen=now,
            upstream=report.upstream,
            lag_s=lag_s if lag else 0.0,
            behind_since=now - timedelta(seconds=lag_s) if lag else None,
            position=position,
            problems=tuple(problems),
        )
