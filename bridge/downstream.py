"""A sink that follows: what it is, and its one thread. Called by `follower`.

Every call of the sink is made in that thread, and comes back as the event that tells the replica
where the sink is now.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bridge import wire
from bridge.source import Me
from bridge.transfer import Transfer
from bridge.worker import Worker
from wig import errors
from wig import replica_events as on
from wig.log import Position, Record
from wig.ports import Sink
from wig.replica import Replica
from wig.snapshot import Header


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, kw_only=True)
class FollowerOptions:
    """What a downstream is, and what it follows."""

    me: Me
    upstream: str
    """The name of the node to follow."""
    kind: str
    """`gateway` or `follower`."""
    domain: str | None = None
    """Where to reach the upstream's JetStream; None: where the upstream says."""
    replace: bool = False
    """Give up the sink's database for the upstream's, if they differ."""
    database: Callable[[], str | None] = lambda: None
    """The database of the sink, or of what its device shows; None: any. In the sink's thread."""
    floor: Callable[[], Position | None] = lambda: None
    """What must not be taken away from a sink that holds nothing: where its device is. In the
    sink's thread."""
    state_digest: Callable[[], str | None] = lambda: None
    """Of the sink's state; None: it does not know. In the sink's thread."""
    below: Callable[[], tuple[wire.Report, ...]] = tuple
    """What this node's own downstreams report."""
    problems: Callable[[], tuple[str, ...]] = tuple
    """What the sink could not do with what it has, in the words of `wig status`."""
    changed: Callable[[], None] = _nothing
    """Called on the event loop when the sink has moved."""
    loaded: Callable[[], None] = _nothing
    """Called in the sink's thread right after a snapshot was loaded."""


class SinkThread:
    """The sink, from the event loop."""

    def __init__(self, sink: Sink, worker: Worker, options: FollowerOptions) -> None:
        """`worker` is the sink's thread; others may use it too."""
        self._sink = sink
        self._worker = worker
        self._options = options

    async def new_replica(self) -> Replica:
        """Return a replica that begins where the sink is."""
        return await self._worker.call(self._new_replica)

    async def apply(self, epoch: str, records: tuple[Record, ...]) -> on.Applied:
        """Apply entries, and say what came of it."""
        return await self._worker.call(self._apply, epoch, records)

    async def header(self, transfer: Transfer) -> Header:
        """Wait for what a transfer offers; raises what went wrong."""
        return await self._worker.call(transfer.header)

    async def load(self, transfer: Transfer) -> on.Applied:
        """Load what a transfer brings, and say what came of it."""
        return await self._worker.call(self._load, transfer)

    # In the thread.

    def _new_replica(self) -> Replica:
        options = self._options
        return Replica(
            options.me.node,
            position=self._sink.position(),
            state_digest=options.state_digest(),
            database=options.database(),
            floor=options.floor(),
            replace=options.replace,
        )

    def _apply(self, epoch: str, records: tuple[Record, ...]) -> on.Applied:
        try:
            self._sink.apply(epoch, records)
        except errors.WigError as error:
            return self._now(error)
        return self._now(None)

    def _load(self, transfer: Transfer) -> on.Applied:
        try:
            transfer.load(self._sink)
        except errors.WigError as error:
            return self._now(error)
        self._options.loaded()
        return self._now(None)

    def _now(self, error: errors.WigError | None) -> on.Applied:
        return on.Applied(self._sink.position(), self._options.state_digest(), error)
