"""What a replica wants done: the actions that `wig.replica` answers events with.

Values only, carried out by `bridge.follower` in their order. `attempt` is the number of the
Attach that an action belongs to.
"""

from dataclasses import dataclass

from wig import errors
from wig.log import Position, Record


@dataclass(frozen=True, slots=True)
class Attach:
    """Ask the upstream how to follow."""

    attempt: int
    database: str | None
    position: Position | None
    whole: bool


@dataclass(frozen=True, slots=True)
class Consume:
    """Pull the entries of the consumer that this attempt was given."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask for the snapshot that this attempt was promised, with the same claims as the Attach."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Load:
    """Give the snapshot that was offered to the sink."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Release:
    """Stop pulling, or abort the transfer."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Apply:
    """Give these to the sink; none at all: only the epoch begins."""

    epoch: str
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Tell the stream that everything up to `seq` is applied."""

    attempt: int
    seq: int


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Build a new client of the bus: this one may be deaf."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Tell the operator; None: what was told is over."""

    error: errors.WigError | None


Action = Attach | Consume | Fetch | Load | Release | Apply | Acknowledge | Rebuild | Alert
