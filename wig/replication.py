"""What nodes tell each other about where they are, and how an upstream answers who attaches.

Called by the replica (downstream), by whoever serves downstreams, and by the bus. Both sides of
the protocol are decided here and in `wig.replica`; `bridge` only carries it.

**Invariant:** a node that knows less never takes state away from a node that knows more. So a
position that is not in this node's past gets a snapshot only when it is proven that it is not in
the root's past either, and that this node has all of it that is; until then the answer is to wait.
"""

from dataclasses import dataclass

import msgspec

from wig import errors, log
from wig.log import Lineage, Loss, Position

ROOT_AGE_S_MAX = 5.0
"""Knowledge of the root that is older proves nothing: five missed beacons. No message arrives later
than that; what does is of a connection that has been given up."""


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What nodes send each other.

    Unlike commands, unknown members are ignored: leaves are upgraded before the root, so an old
    upstream hears new downstreams and the other way round.
    """


class Root(Message, frozen=True, kw_only=True):
    """What a node knows of the primary that everything comes from."""

    epoch: str
    seq: int
    """The last entry of the root."""
    age_s: float
    """How old this knowledge is, in seconds; 0 at the primary."""
    path: tuple[str, ...]
    """Nodes from the root to the sender; whoever finds itself in it has found a loop."""


class Beacon(Message, frozen=True, kw_only=True):
    """Where a node is: sent every second and on change, at most 10 times a second."""

    node: str
    instance: str
    """Random per process start."""
    counter: int
    """Rises by one with each beacon of an instance: stale ones are recognised."""
    version: str
    role: str
    """`primary` or `follower`."""
    position: Position | None = None
    """None: it holds nothing yet."""
    state_digest: str = ""
    """Of the state at `position`."""
    oldest: int = 0
    """The first entry that the node can still give."""
    root: Root | None = None
    """None: never heard of."""


class AttachRequest(Message, frozen=True, kw_only=True):
    """A downstream asks how to follow."""

    node: str
    """Its name in paths and reports."""
    instance: str
    """Random per process start: tells a restarted downstream from a second one."""
    kind: str
    """`gateway` or `follower`; decides the name of the consumer."""
    version: str
    inbox: str
    """Where this instance can be asked whether it is still alive; under `_INBOX.<id>.`."""
    database: str | None = None
    """The database that it follows; None: any."""
    position: Position | None = None
    """What must not be taken away from it; None: it holds nothing."""
    whole: bool = False
    """It wants a snapshot even if its position is good: it holds only what its device shows, or
    found that its state is wrong."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What a node that serves downstreams knows of itself, at one moment."""

    node: str
    database: str
    position: Position
    state_digest: str
    lineage: Lineage
    oldest: int
    """The first entry in the stream; of an empty stream, the one that will come first."""
    root: Root | None
    confirmed: bool
    """It is the primary, or its upstream lets it follow: its own past is the upstream's."""


@dataclass(frozen=True, slots=True)
class Continue:
    """Follow the entries from `start`."""

    start: int
    lineage: Lineage
    """Which entries belong to which epoch."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Fetch a snapshot first."""

    reason: str
    loss: Loss | None = None
    """What the downstream has and this timeline does not: worth a warning."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again in a moment, and go on serving."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """No, until an operator changes something."""

    error: errors.WigError


Answer = Continue | Snapshot | Wait | Refused


def answer(
    request: AttachRequest, serving: Serving | None, digest_at: str | None, waited_s: float
) -> Answer:
    """Return how the downstream shall follow.

    `digest_at` is the digest of this node's chain at the position's sequence, None when it is not
    known; `waited_s` says for how long this downstream has been told to wait, without a break.
    """
    if serving is None:
        return Wait("this node holds nothing yet")
    if refusal := _refusal(request, serving):
        return Refused(refusal)
    position = request.position
    if position is None:
        return Snapshot("it holds nothing")
    if log.contains(serving.lineage, position, digest_at):
        return _in_my_past(position, serving, whole=request.whole)
    return _not_in_my_past(position, serving, digest_at, waited_s)


def _in_my_past(position: Position, mine: Serving, *, whole: bool) -> Answer:
    if whole:
        return Snapshot("it asked for the whole state")
    if position.seq + 1 < mine.oldest:
        return Snapshot("the entries it needs are pruned")
    return Continue(position.seq + 1, mine.lineage)


def _refusal(request: AttachRequest, serving: Serving) -> errors.WigError | None:
    if request.database not in {None, serving.database}:
        return errors.Foreign(
            f"database: {request.node} follows {request.database}, "
            f"{serving.node} has {serving.database}",
            field="database",
            hint="--replace makes it give up what it has",
        )
    path = serving.root.path if serving.root else (serving.node,)
    if request.node in path:
        return errors.Conflict(
            f"node: {request.node!r} is upstream of {serving.node!r}: {' → '.join(path)}",
            field="node",
            hint="follow a node that does not follow this one",
        )
    return None


def _not_in_my_past(
    position: Position, mine: Serving, digest_at: str | None, waited_s: float
) -> Answer:
    """Tell a fork from a node that lags: take state away only when a fork is proven."""
    root = mine.root
    if (
        root is None
        or not mine.confirmed
        or root.epoch != mine.position.epoch
        or mine.position.seq < root.seq
    ):
        return Wait("this node has not reached the head of the root")
    left_at = _left_at(mine.lineage, position.epoch)
    last = mine.position.seq if left_at is None else left_at
    passed = position.seq <= last and any(fork.epoch == position.epoch for fork in mine.lineage)
    # What the root has now is proven by what it says after the downstream came, and what came from
    # a later process of the root only by what cannot have been on its way before.
    late_s = ROOT_AGE_S_MAX if position.epoch >= root.epoch and not passed else 0.0
    if root.age_s + late_s > waited_s:
        return Wait("this node has to hear the root first")
    if passed and digest_at is None:
        return Snapshot("the digest at its position is pruned")
    return Snapshot("its past is not in this timeline", _loss(position, mine, digest_at))


def _left_at(lineage: Lineage, epoch: str) -> int | None:
    """Return the last entry of `epoch` in this timeline, None if it is the current one."""
    return next((fork.seq for fork in lineage if fork.parent == epoch), None)


def _loss(position: Position, mine: Serving, digest_at: str | None) -> Loss | None:
    """Return the entries of `position` that this timeline lacks, at least: it tells no more."""
    if digest_at == position.digest:
        return None  # its epoch had no entry of its own yet
    left_at = _left_at(mine.lineage, position.epoch)
    if left_at is not None and position.seq > left_at:
        return Loss(first=left_at + 1, last=position.seq, exact=False)
    first = min(mine.position.seq + 1, position.seq)
    if first <= mine.position.seq and digest_at is None:
        return None  # pruned: nobody knows
    return Loss(first=first, last=position.seq, exact=False)
