"""Who is the primary: what primaries tell each other, and when a follower may become one.

Called by `bridge.rivals`, which carries the announcements, and by `bridge.promotion`. A stream has
one owner, so two processes of one *name* fence each other there (`wig.owner`). This is about two
names: a follower that was promoted while the old primary was gone, or a copy of its database that
was started under another name. Each promotion raises the *term*, which is part of every epoch that
begins from then on (`log.term`), and so is known wherever the log is.

**Invariant:** of two primaries that hear each other, the one of the lower term stops for good.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from wig import errors, log
from wig.log import Lineage, Loss, Position
from wig.replication import Message


class Announcement(Message, frozen=True, kw_only=True):
    """A primary says that it is one: every second, and to those who are about to start."""

    database: str
    node: str
    instance: str
    """Random per process start."""
    since_ms: int
    """When it started, in milliseconds since 1970, by its own clock."""
    lineage: Lineage
    """Its timeline, up to the epoch that it writes in."""
    head: int
    """Its last entry."""

    def __post_init__(self) -> None:
        """Refuse what nobody can say; msgspec makes its own error of it."""
        if not self.lineage:
            raise ValueError("lineage: it has no epoch")

    @property
    def epoch(self) -> str:
        """The epoch that it writes in; contains its term."""
        return self.lineage[-1].epoch


class Verdict(NamedTuple):
    """This primary has to stop, and tells what it has that the one that goes on has not."""

    error: errors.Fenced
    final: bool
    """It must not start again either."""
    loss: Loss | None = None
    """What this one has and the other does not; None: nothing that is known."""


DigestAt = Callable[[int], str | None]
"""The digest of an entry of this primary; None: it is pruned."""


def judge(
    mine: Announcement, other: Announcement, head: int, digest_at: DigestAt
) -> Verdict | None:
    """Return why this primary stops, having heard another one; None: it goes on.

    `head` is the last entry of this one. Two processes of the same node are told apart by their
    stream.
    """
    if other.instance == mine.instance or other.node == mine.node:
        return None
    if other.database != mine.database:
        return Verdict(_stranger(other), final=False) if _later(mine, other) else None
    if log.term(other.epoch) > log.term(mine.epoch):
        loss = _loss(mine, other, head, digest_at)
        return Verdict(_superseded(mine, other, loss), final=True, loss=loss)
    if log.term(other.epoch) == log.term(mine.epoch) and _later(mine, other):
        loss = _loss(mine, other, head, digest_at)
        return Verdict(_duplicate(mine, other, loss), final=False, loss=loss)
    return None


def replaced(
    error: errors.Fenced,
    mine: Announcement,
    other: Announcement | None,
    head: int,
    digest_at: DigestAt,
) -> Verdict:
    """Return how this primary stops, whose place another process of its node has taken.

    `error` is how it found that; `other` is what that process says, None: nothing was heard of it.
    """
    if other is None:
        return Verdict(error, final=False)
    loss = _loss(mine, other, head, digest_at)
    message = f"{error.message}{_told(mine, other, loss)}"
    told = errors.Fenced(message, field=error.field, hint=error.hint)
    return Verdict(told, final=False, loss=loss)


def _loss(mine: Announcement, other: Announcement, head: int, digest_at: DigestAt) -> Loss | None:
    """Return the entries after the place where the other's timeline left this one.

    None as well if that cannot be told, because both have forgotten the epoch.
    """
    if not log.related(mine.lineage, other.lineage):
        return None
    common, theirs = log.parted(mine.lineage, other.lineage, head)
    if other.lineage[-1] in mine.lineage:
        # It is in an epoch of ours: no further than its head, and about to begin one if it starts.
        common = min(common, other.head)
    ours = digest_at(common) if theirs else None
    differs = ours not in {None, theirs}
    first = common if differs else common + 1
    exact = ours is not None and not differs
    return Loss(first=first, last=head, exact=exact) if first <= head else None


def _told(mine: Announcement, other: Announcement, loss: Loss | None) -> str:
    if not log.related(mine.lineage, other.lineage):
        return "; it was away for so long that nobody knows what is lost of it"
    return f"; {loss} of this one are lost" if loss else ""


def _later(mine: Announcement, other: Announcement) -> bool:
    """Say whether this one started after the other: who was there first stays."""
    return (mine.since_ms, mine.instance) > (other.since_ms, other.instance)


def _superseded(mine: Announcement, other: Announcement, loss: Loss | None) -> errors.Fenced:
    return errors.Fenced(
        f"node: {other.node!r} was promoted and is the primary now "
        f"(term {log.term(other.epoch)}){_told(mine, other, loss)}",
        field="name",
        hint=f"move this database away, and start again with --follow {other.node}",
    )


def _duplicate(mine: Announcement, other: Announcement, loss: Loss | None) -> errors.Fenced:
    return errors.Fenced(
        f"node: {other.node!r} is the primary of this database already{_told(mine, other, loss)}",
        field="db",
        hint="is this a copy of its file? A follower keeps a copy up to date: see --follow",
    )


def _stranger(other: Announcement) -> errors.Fenced:
    return errors.Fenced(
        f"node: {other.node!r} is the primary here, of another database ({other.database})",
        field="server",
        hint="one bus has one primary; give this one a NATS server or account of its own",
    )


class Place(NamedTuple):
    """Where a node is, as it says itself or others say."""

    name: str
    role: str
    position: Position | None


def refusal(
    mine: Position | None, lineage: Lineage, nodes: Iterable[Place], *, force: bool
) -> errors.WigError | None:
    """Return why this database must not become the primary's; None: it may.

    `force` gives up what others have and this one does not; a primary that lives is never
    overruled.
    """
    if mine is None:
        return errors.Conflict(
            "db: it holds nothing yet", field="db", hint="promote a follower that has the state"
        )
    places = list(nodes)
    if alive := [place.name for place in places if place.role == "primary"]:
        return errors.Conflict(
            f"node: {alive[0]!r} is the primary, and it is alive",
            field="name",
            hint="stop it for good first",
        )
    ahead = [place for place in places if _ahead(place.position, mine, lineage)]
    if not ahead or force:
        return None
    best = max(ahead, key=lambda place: (place.position or mine).seq)
    return errors.Conflict(
        f"node: {best.name!r} has entries up to {(best.position or mine).seq}, "
        f"this database up to {mine.seq}",
        field="db",
        hint=f"promote {best.name} if it is a follower, wait until this one has caught up, or lose "
        "those entries with --force",
    )


def _ahead(theirs: Position | None, mine: Position, lineage: Lineage) -> bool:
    """Say whether a node has something that this database lacks.

    What this timeline left may be what another primary has acknowledged, and nobody was told of.
    """
    if theirs is None:
        return False
    left_at = {fork.parent: fork.seq for fork in lineage}
    known = any(fork.epoch == theirs.epoch for fork in lineage)
    return not known or theirs.seq > left_at.get(theirs.epoch, mine.seq)
