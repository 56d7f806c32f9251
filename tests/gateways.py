"""A gateway on a host in memory, and the log that it follows."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests import world
from tests.builders import NOON
from tests.hosts import FakeHost
from wig import log, ops
from wig.linux.record import Records
from wig.linux.sink import HostSink
from wig.log import Record
from wig.model import Object
from wig.snapshot import Header
from wig.state import State

EPOCH = world.EPOCH


class Follower:
    """A sink, its host, and what happened to them."""

    def __init__(self, folder: Path, host: FakeHost | None = None, **options: Any) -> None:
        """`options` are those of the sink."""
        self.folder = folder
        self._options = options
        self.host = host or FakeHost()
        self.state = State(allocating=False)
        self.seq = 0
        self.digest = log.ZERO_DIGEST
        self.start()

    def start(self) -> None:
        """Begin with a sink that knows nothing; the host is as it was left."""
        self._own = State(allocating=False)
        records = Records(self.folder, "gateway")
        self.sink = HostSink(self.host, records, state=self._own, **self._options)

    @property
    def drift(self) -> dict[str, int]:
        """The differences that audits have found, by kind."""
        return {kind: count for kind, count in self.sink.drift.items() if count}

    def record(self, op: ops.Op) -> Record:
        """Return the next entry of the log."""
        self.state.apply_op(op, EPOCH, self.seq + 1)
        entry = log.Entry(seq=self.seq + 1, time=NOON, actor="a", request="", op=op)
        return self.record_of(log.encode_entry(entry))

    def record_of(self, payload: bytes) -> Record:
        """Return an entry of any bytes."""
        self.seq += 1
        self.digest = log.chain(self.digest, payload)
        return Record(self.seq, payload, self.digest)

    def apply(self, *changes: ops.Op) -> None:
        """Follow, in one batch."""
        self.host.steps.clear()
        self.sink.apply(EPOCH, [self.record(op) for op in changes])

    def load(self, *things: Object) -> None:
        """Load a snapshot of these objects, or of the state so far."""
        if things:
            self.state = State(allocating=False)
            for thing in things:
                self.state.add(thing)
        self.host.steps.clear()
        self.sink.load(*self.snapshot(self.state.objects()))

    def snapshot(self, objects: Iterable[Object]) -> tuple[Header, list[Object]]:
        position = log.Position(epoch=EPOCH, seq=self.seq, digest=self.digest.hex())
        header = Header(
            database="db",
            position=position,
            lineage=(),
            state_digest=self.state.state_digest,
            objects=len(self.state),
        )
        return header, list(objects)
