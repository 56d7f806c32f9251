"""A sink that follows: what it is, and its one thread. Called by `follower`.

Every call of the sink is made in that thread, and comes back as the event that tells the replica
where the sink is now.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bridge import wire
from bridge.metrics import Histogram
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


def _nothing_of(_: bytes) -> None:
    """Do nothing."""


class Work:
    """What the sink has done since the start; changed in its thread, read in any."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.entries = 0
        self.snapshots = 0
        self.failures = 0
        self.apply_s = Histogram()
        """For the entries that came together: to the file, or to the devices."""
        self.load_s = 0.0
        """For the last snapshot."""


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
    draining: Callable[[], bool] = lambda: False
    """Whether it is a gateway that nobody new should be sent to."""
    connected: Callable[[], int | None] = lambda: None
    """How many peers are connected to it."""
    told: Callable[[bytes], None] = _nothing_of
    """Called on the event loop with what its upstream tells it."""
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
        self.work = Work()

    async def new_replica(self) -> Replica:
        """Return a replica that begins where the sink is."""
        return await self._worker.call(self._new_replica)

    def apply(self, epoch: str, records: tuple[Record, ...]) -> Awaitable[on.Applied]:
        """Begin to apply entries; await what comes of it."""
        return self._worker.call(self._apply, epoch, records)

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
        begin = time.monotonic()
        try:
            self._sink.apply(epoch, records)
        except errors.WigError as error:
            self.work.failures += 1
            return self._now(error)
        self.work.apply_s.observe(time.monotonic() - begin)
        self.work.entries += len(records)
        return self._now(None)

    def _load(self, transfer: Transfer) -> on.Applied:
        begin = time.monotonic()
        try:
            transfer.load(self._sink)
        except errors.WigError as error:
            self.work.failures += 1
            return self._now(error)
        self.work.load_s = time.monotonic() - begin
        self.work.snapshots += 1
        self._options.loaded()
        return self._now(None)

    def _now(self, error: errors.WigError | None) -> on.Applied:
        return on.Applied(self._sink.position(), self._options.state_digest(), error)
