"""What happens to a replica: the events that `wig.replica` turns into actions.

Values only, made by `bridge.follower`. `attempt` is the number of the Attach that an event
belongs to; what belongs to an older one is ignored.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from wig import errors
from wig.log import Position, Record
from wig.replication import Answer, Beacon
from wig.snapshot import Header


@dataclass(frozen=True, slots=True)
class Connected:
    """The bus can be used (again)."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The bus cannot be used; whatever was asked is lost."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The upstream answered attempt `attempt`; `answer` None: nobody did."""

    attempt: int
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class Arrived:
    """Entries of one epoch came, in the order of the stream; no entries: a heartbeat."""

    attempt: int
    records: Sequence[Record] = ()
    epoch: str = ""


@dataclass(frozen=True, slots=True)
class Broken:
    """The consumer is gone, or the transfer of the snapshot failed before its Load."""

    attempt: int
    error: errors.WigError


@dataclass(frozen=True, slots=True)
class Offered:
    """A snapshot begins with this header."""

    attempt: int
    header: Header


@dataclass(frozen=True, slots=True)
class Applied:
    """The sink is done with the last Apply or Load, and this is where it is.

    With an error it stopped on the way: after some of the entries, or, for a snapshot, before
    anything was changed.
    """

    position: Position | None
    state_digest: str | None = None
    error: errors.WigError | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """A beacon of the upstream came."""

    beacon: Beacon


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed; at least every 0.25 s."""


OfAttempt = Answered | Arrived | Broken | Offered
Event = OfAttempt | Connected | Disconnected | Applied | Heard | Tick
