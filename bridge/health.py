"""Whether a node should be used now: the reasons of `/readyz`, and how far it lags.

Called by the nodes for their telemetry. A gateway is ready when its host is as its state wants it
and its lag is bounded. Some things do *not* count against it, on purpose: a primary that is away
(the lag is against the last head that was heard; otherwise all gateways would be taken out of
service at once by what they are built to survive), single peers in quarantine (every other
gateway would refuse them, too), and the egress of an interface that is not there (perhaps yet).
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bridge.follower import Follower
from bridge.publisher import Publisher

LAG_S_MAX = 10.0  # ten beacons, and many times what applying an entry takes


class Lag(NamedTuple):
    """How far a downstream is behind the last head of the root that it heard of."""

    entries: int
    seconds: float
    """For how long; 0: it is not behind."""


class Lags:
    """Measures the lag of one downstream."""

    def __init__(self, follower: Follower) -> None:
        """Begin now: before the first look it is taken to be up to date."""
        self._follower = follower
        self._since: float | None = None

    def lag(self) -> Lag | None:
        """Return the lag; None: nothing has been heard of the root."""
        root, position = self._follower.root(), self._follower.replica.position
        if root is None:
            self._since = None
            return None
        same = position is not None and position.epoch == root.epoch
        entries = max(0, root.seq - position.seq) if position and same else root.seq
        now = asyncio.get_running_loop().time()
        if entries == 0:
            self._since = None
        elif self._since is None:
            self._since = now
        return Lag(entries, now - self._since if self._since is not None else 0.0)

    def unready(self) -> Iterator[str]:
        """Yield why the node that follows is not ready."""
        if self._follower.replica.position is None:
            yield "it has no state yet"
            return
        lag = self.lag()
        if lag is not None and lag.seconds > LAG_S_MAX:
            yield f"it lags behind by {lag.entries} entries, for {lag.seconds:.0f} s"


def device(quarantined: Sequence[str]) -> Iterator[str]:
    """Yield why a host is not as its state wants it; `quarantined` are subjects."""
    for subject in quarantined:
        if not subject.startswith(("peer ", "capacity ", "rates ", "egress ")):
            yield f"{subject} is not as it should be"


def stream(publisher: Publisher) -> Iterator[str]:
    """Yield why a datastore cannot be followed, or changed."""
    if not publisher.ready.is_set():
        yield "its stream is not there yet"
    elif publisher.stuck:
        yield "its stream does not take entries"
