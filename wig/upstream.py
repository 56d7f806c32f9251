"""What a replica knows of its upstream, and through it of the root, from beacons alone.

Called by `wig.replica`; pure. Beacons may be lost, repeated, late or of an earlier process.
"""

from dataclasses import dataclass

from msgspec import structs

from wig.log import Lineage, Position
from wig.replication import Beacon, Root

STALL_S_MAX = 2.0  # two beacons
MISSED_S = 2.0  # the same: something is wrong
SILENCE_S_MAX = 5.0  # five beacons: the client may be deaf
REBUILD_S = 30.0  # between two rebuilds of the client: the upstream may simply be down


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why the replica should attach again."""

    reason: str
    whole: bool = False
    """Its state is wrong although its position is right: only a snapshot helps."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the replica is while it hears a beacon."""

    position: Position
    state_digest: str | None
    """Of the state at `position`; None: the sink does not know."""
    lineage: Lineage
    """Of the stream that it follows."""
    idle: bool
    """Nothing is being applied."""


class Upstream:
    """The last beacon, and what follows from it."""

    def __init__(self, me: str) -> None:
        """Have heard nothing; `me` is the replica's own name in paths."""
        self.me = me
        self.beacon: Beacon | None = None
        self.heard_at: float | None = None
        self._mark: Position | None = None
        self._moved_at = 0.0
        self._rebuilt_at = float("-inf")

    def attached(self, now: float) -> None:
        """Forget what was concluded for an earlier attachment."""
        self._mark = None
        self._moved_at = now

    def hear(self, beacon: Beacon, now: float) -> bool:
        """Take a beacon; say whether it is news."""
        last = self.beacon
        if last and last.instance == beacon.instance and last.counter >= beacon.counter:
            return False
        self.beacon = beacon
        self.heard_at = now
        return True

    def root(self, now: float) -> Root | None:
        """Return what is known of the root at `now`, as this replica tells it on."""
        if self.beacon is None or self.beacon.root is None or self.heard_at is None:
            return None
        told = self.beacon.root
        age_s = told.age_s + now - self.heard_at
        return structs.replace(told, age_s=age_s, path=(*told.path, self.me))

    @property
    def loop(self) -> tuple[str, ...] | None:
        """The path of the upstream, if it leads through this replica."""
        path = self.beacon.root.path if self.beacon and self.beacon.root else ()
        return path if self.me in path else None

    def silent(self, now: float) -> bool:
        """Say whether beacons are missing."""
        return self.heard_at is None or now - self.heard_at > MISSED_S

    def deaf(self, since: float, now: float) -> bool:
        """Say whether to build a new client; `since` is when this one was connected."""
        if now - max(self.heard_at or since, since) <= SILENCE_S_MAX:
            return False
        if now - self._rebuilt_at <= REBUILD_S:
            return False
        self._rebuilt_at = now
        return True

    def judge(self, mine: Standing, now: float) -> Doubt | None:
        """Compare the beacon that was just heard with the replica; None: all is well."""
        theirs = self.beacon.position if self.beacon else None
        mark, self._mark = self._mark, mine.position
        if mark != mine.position or not mine.idle:
            self._moved_at = now
        if theirs is None:
            return None
        if theirs.epoch != mine.lineage[-1].epoch:
            return Doubt("the upstream is in another epoch")
        if mark and mark.epoch == theirs.epoch and self._head(theirs) < mark.seq:
            return Doubt("the upstream is behind")
        if mine.position.epoch != theirs.epoch or mine.position.seq < theirs.seq:
            stalled = now - self._moved_at > STALL_S_MAX
            return Doubt("nothing arrives") if stalled else None
        self._moved_at = now
        return self._compare(mine, theirs)

    def _head(self, theirs: Position) -> int:
        """Return the last entry that the upstream may have given.

        A primary's position moves with its commits, while their entries are on their way already;
        what it says of the root, itself, moves with the entries.
        """
        root = self.beacon.root if self.beacon else None
        return max(theirs.seq, root.seq) if root and root.epoch == theirs.epoch else theirs.seq

    def _compare(self, mine: Standing, theirs: Position) -> Doubt | None:
        """Compare digests where both are at the same sequence of the same epoch."""
        if mine.position.seq != theirs.seq:
            return None
        if mine.position.digest != theirs.digest:
            return Doubt("the upstream has another past")
        told = self.beacon.state_digest if self.beacon else ""
        if mine.state_digest and told and mine.state_digest != told:
            return Doubt("the state does not match its position", whole=True)
        return None
