"""What a node offers to those that follow it; primary and follower datastores alike.

Implemented by the nodes, called by `attach`, `snapshots` and `beacon`.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from wig.model import Object
from wig.replication import Serving
from wig.snapshot import Header

SnapshotContents = tuple[Header, Iterator[Object]]


@dataclass(frozen=True, slots=True)
class Me:
    """How a node signs what it says."""

    node: str
    """Its name; downstreams follow it by this."""
    instance: str
    """Random per process start."""
    version: str
    role: str
    """`primary`, `follower` or `gateway`."""


@dataclass(frozen=True, slots=True)
class StreamName:
    """A stream, and the JetStream domain that has it."""

    name: str
    domain: str | None
    """None: the domain that everybody is connected to."""


class SnapshotReader(Protocol):
    """A connection to the database of its own; used by one thread, and closed there."""

    def snapshot(self) -> AbstractContextManager[SnapshotContents]:
        """Return all objects at one position; never blocks the writer."""

    def close(self) -> None:
        """Close the connection."""


class Source(Protocol):
    """The node that serves."""

    def serving(self) -> Serving | None:
        """Return where the node is, from memory; None: it cannot be followed now.

        Called on the event loop at any time, so it must not block. None while the node holds
        nothing, and between the load of a snapshot and the begin of the stream that continues it.
        """

    def stream(self) -> StreamName | None:
        """Return the current stream, the one that `serving().oldest` speaks of."""

    async def digest_at(self, seq: int) -> str | None:
        """Return the digest of the chain at `seq`, hexadecimal; None: not known."""

    def reader(self) -> SnapshotReader:
        """Return a new reader; called in the thread that will use it."""
