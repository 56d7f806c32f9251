"""The owner of a stream as a state machine: what happened in, what to do out.

Called by `bridge.publisher`, which does what it says and tells it what came of it. A node's log is
published in one stream, whose sequence is the entries'. Somebody else may have written to it: an
earlier run of this node, a second process, or this node's own future, when its database has been
restored from a backup. So the stream is claimed before it is compared, and compared before
anything is published.

    start, mint ──▶ claim ──▶ compare ──▶ publish ◀──▶ look (after a doubt), compare
      │               │          │                        │
      └───────────────┴── none, or not our past ──▶ begin a new stream
                                                          └── somebody else's ──▶ stop

An epoch has one writer: each process of a primary begins its own, before anything else. Nothing
less would do. Two copies of one file may be started, and a server that loses its power may show
both the same stream; they must not number different entries alike, and only chance tells them
apart.

A follower's log is a copy, and so are its epochs. A snapshot replaces its log, and so its stream
(`Replaced`).

**Invariant:** nothing is published to a stream that differs from the log, or that carries another
instance's subject. **Invariant:** a follower never begins an epoch.
"""

import enum
from typing import NamedTuple, assert_never

from wig.log import Lineage, Loss

REPUBLISHED_MAX = 50_000
"""How many old entries a new stream gets at most: 2 s of publishing, during which no command is
acknowledged. Whoever is further behind is better off with a snapshot."""


class Log(NamedTuple):
    """What the database has."""

    base: int
    """The entry before the oldest one that may be published; its digest is still known."""
    head: int

    @classmethod
    def of(cls, base: int, head: int, lineage: Lineage) -> "Log":
        """Return it without the entries whose epoch is forgotten; nobody goes on from there."""
        return cls(max(base, lineage[0].seq), head)


# -- what happened


class Opened(NamedTuple):
    """The node starts. `generation` is that of its stream, empty if it never had one."""

    generation: str
    log: Log
    strangers: int | None
    """The last entry in other streams of this node, 0 if all are empty; None: there are none."""


class Found(NamedTuple):
    """The stream is there, after a `Claim` or a `Look`."""

    owner: str
    """The instance in the stream's subject."""
    displaced: str
    """After a claim: the instance that had it before. After a look: empty."""
    first: int
    last: int
    """`first - 1`: the stream is empty."""
    log: Log


class Gone(NamedTuple):
    """The stream is not there."""

    log: Log
    strangers: int | None
    """As in `Opened`."""
    news: bool
    """One of those is not among what this process found beside its stream and could not delete."""


class Compared(NamedTuple):
    """An entry of the stream against the log's: the same digest, or None: one of them has none."""

    seq: int
    same: bool | None


class Begun(NamedTuple):
    """A new stream is there, with our subject."""

    first: int


class Doubted(NamedTuple):
    """An entry was refused or not acknowledged in time, or the connection broke."""


class Replaced(NamedTuple):
    """A snapshot has replaced the log: the stream is of another past.

    Told at once, whatever is under way; what comes of that is judged anew. Then `Doubted`.
    """


Event = Opened | Found | Gone | Compared | Begun | Doubted | Replaced


# -- what to do


class Mint(NamedTuple):
    """Begin a new epoch, durably."""


class Claim(NamedTuple):
    """Make the stream accept our subject only, then look at it."""


class Look(NamedTuple):
    """Look at the stream."""


class Compare(NamedTuple):
    """Read one entry's digest from the stream and compare it to the log's."""

    seq: int


class Cause(enum.Enum):
    """Why a new stream begins."""

    FIRST = "the log was never published"
    LOST = "the stream was lost"
    UNKNOWN = "the stream cannot be compared to the log"
    RESTORED = "this database has been restored"
    REPLACED = "a snapshot was loaded"


class Begin(NamedTuple):
    """Commit a new generation, and then create its stream. Never under an old name."""

    first: int
    cause: Cause
    """For the operator."""
    loss: Loss | None = None
    """Acknowledged entries that this database does not have; None: none are known."""


class Retire(NamedTuple):
    """Delete the node's other streams."""


class Publish(NamedTuple):
    """Publish every entry after this one, and those to come."""

    after: int


class Stop(NamedTuple):
    """Somebody else owns the stream: write nothing more."""

    reason: str


Action = Mint | Claim | Look | Compare | Begin | Retire | Publish | Stop

Actions = tuple[Action, ...]


class Owner:
    """One process's relation to its stream. It asks for one thing at a time."""

    def __init__(self, instance: str, *, follows: bool = False) -> None:
        """`instance` is random per process start; `follows`: the log is a copy of another's."""
        self._instance = instance
        self._follows = follows
        self._replaced = False
        """Whether the stream is of a log that was replaced."""
        self._stale = False
        """Whether what is under way was asked about that log."""
        self._displaced = ""
        self._claimed = False
        """Whether the stream has been ours in this process: from then on, what does not fit is
        another writer's doing, and never a reason for a new stream."""
        self._publishing = False
        self._found: Found | None = None
        self._same = 0
        """While the fork is searched: the stream is ours up to here…"""
        self._proven = False
        """… if this is true; else what is before is pruned…"""
        self._differs = 0
        """… and differs from here; 0: nothing known to differ."""

    def handle(self, event: Event) -> Actions:
        """Return what to do about `event`."""
        actions: Actions
        match event:
            case Found() | Gone() | Compared() | Begun() if self._stale:
                actions = self._look_again(event)
            case Opened():
                actions = self._opened(event)
            case Found():
                actions = self._claim_again(event) or self._find(event)
            case Gone():
                actions = self._gone(event)
            case Compared():
                actions = self._compared(event)
            case Begun():
                self._claimed = self._publishing = True
                self._replaced = False
                actions = (Retire(), Publish(event.first - 1))
            case Doubted():
                actions = (Look(),) if self._publishing else ()  # else it is looking already
                self._stale = self._stale and not self._publishing
                self._publishing = False
            case Replaced():
                self._replaced = self._stale = True
                actions = ()
            case _:
                assert_never(event)
        return actions

    def _opened(self, event: Opened) -> Actions:
        mint = () if self._follows else (Mint(),)
        if event.generation:
            return (*mint, Claim())
        return (*mint, self._begin_beside(event, Cause.FIRST))

    def _look_again(self, event: Found | Gone | Compared | Begun) -> Actions:
        """Look at what there is, since the log with which it was seen is gone."""
        self._stale = False
        if isinstance(event, Found):
            self._displaced = event.displaced or self._displaced
        self._claimed = self._claimed or isinstance(event, Begun)
        return (Look(),)

    def _gone(self, event: Gone) -> Actions:
        if not self._claimed:
            return (self._begin_beside(event, Cause.LOST),)
        if event.news:
            # Another primary began its own stream and deleted ours.
            return (Stop("another instance has replaced the stream"),)
        # What is there could not be deleted when ours began.
        return (self._begin(event.log, Cause.LOST),)

    def _begin_beside(self, event: Opened | Gone, cause: Cause) -> Begin:
        """Begin a stream where ours is not; if others are, this is an older copy of a database."""
        if event.strangers is None:
            return self._begin(event.log, cause)
        return self._begin(event.log, Cause.RESTORED, self._loss(event.log, event.strangers))

    def _loss(self, log: Log, last: int) -> Loss | None:
        """Return what a stream that cannot be compared has more; at least, for it may differ."""
        return Loss(first=log.head + 1, last=last, exact=False) if last > log.head else None

    def _claim_again(self, event: Found) -> Actions:
        if event.owner == self._instance:
            return ()
        if event.owner == self._displaced:
            # Nobody claims twice: the server has lost our claim in a crash.
            return (Claim(),)
        return (Stop(f"instance {event.owner} has claimed the stream"),)

    def _find(self, event: Found) -> Actions:
        self._displaced = event.displaced or self._displaced
        self._found = event
        self._differs = 0
        self._proven = False
        first, last, log = event.first, event.last, event.log
        if self._replaced:
            return (self._begin(log, Cause.REPLACED),)
        common = min(last, log.head)
        if common < log.base:
            return self._unknown()
        if common < first:
            # Nothing to compare: it is empty, or begins after our head.
            return self._publish(last) if last <= log.head else self._not_ours(log.head + 1)
        self._same = max(first, log.base) - 1
        self._proven = self._same <= 0  # everybody begins alike
        return (Compare(common),)

    def _compared(self, event: Compared) -> Actions:
        found = self._found
        assert found is not None, "compared before it was found"
        if event.same is None:
            return self._unknown()
        if event.same:
            self._same, self._proven = event.seq, True
        else:
            self._differs = event.seq
        if not self._differs:
            if event.seq == found.last:
                return self._publish(found.last)
            return self._not_ours(event.seq + 1)
        if self._claimed or self._differs - self._same <= 1:
            return self._not_ours(self._differs)
        return (Compare((self._same + self._differs) // 2),)

    def _publish(self, after: int) -> Actions:
        retire = () if self._claimed else (Retire(),)
        self._claimed = self._publishing = True
        return (*retire, Publish(after))

    def _not_ours(self, first_lost: int) -> Actions:
        """Act on a stream that has entries which the log does not have."""
        found = self._found
        assert found is not None, "judged before it was found"
        if self._claimed:
            return (Stop("the stream has entries that this node did not write"),)
        loss = Loss(first=first_lost, last=found.last, exact=self._proven)
        return (self._begin(found.log, Cause.RESTORED, loss),)

    def _unknown(self) -> Actions:
        """Act on a stream that cannot be compared to the log."""
        found = self._found
        assert found is not None, "judged before it was found"
        loss = self._loss(found.log, found.last)
        return (self._begin(found.log, Cause.RESTORED if loss else Cause.UNKNOWN, loss),)

    def _begin(self, log: Log, cause: Cause, loss: Loss | None = None) -> Begin:
        first = max(log.base, log.head - REPUBLISHED_MAX) + 1
        return Begin(first, cause, None if self._follows else loss)
