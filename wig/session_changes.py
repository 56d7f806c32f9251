"""What reports changed, as rows to be stored in one transaction.

Made by `wig.sessions`, stored by `wig.sqlite.history`. Every number is a row's, given by the core,
so that a row can name another one before either is stored.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

BYTES_MAX = 2**62
"""No session has more; SQLite's integers end at 2**63."""

BEGIN = 0
END = 1

Reason = Literal["inactive", "deleted", "interface_deleted", "moved"]
REASONS: tuple[Reason, ...] = get_args(Reason)
"""Why a session is over; its place in this list is what is stored."""


class GatewayRow(NamedTuple):
    """A gateway and its clock; see `sightings.Gateway`."""

    number: int
    name: str
    heard: int
    until: int
    arrived: int
    interval_s: int
    boot: str


class BootRow(NamedTuple):
    """The last report of one start of a gateway."""

    gateway: int
    boot: str
    n: int
    arrived: int


class PeerRow(NamedTuple):
    """A peer that gave a sign of life, outside of an open session; replaces the row."""

    number: int
    key: str
    interface: int
    seen: int


class LinkRow(NamedTuple):
    """What a gateway said last of a peer; replaces the row."""

    peer: int
    gateway: int
    handshake: int
    received: int
    sent: int
    received_base: int
    sent_base: int
    visited: int
    seen: int


class BegunRow(NamedTuple):
    """A session at its begin."""

    number: int
    id: str
    peer: str
    interface: int
    begin: int
    gateway: str


class OpenRow(NamedTuple):
    """A session that has not ended."""

    number: int
    interface: int
    begin: int
    gateways: str
    placed: int


class EndedRow(NamedTuple):
    """A session at its end."""

    end: int
    reason: int
    received: int
    sent: int
    number: int


class EdgeRow(NamedTuple):
    """A begin or an end that has to be published."""

    number: int
    session: int
    kind: int


class Last(NamedTuple):
    """The last number given to each kind of row."""

    peer: int = 0
    session: int = 0
    edge: int = 0


@dataclass(slots=True)
class Changes:
    """Everything that differs from what is stored, in the order in which it is to be stored."""

    last: Last = field(default_factory=Last)
    forgotten: list[int] = field(default_factory=list)
    """Numbers of peers."""
    gateways: list[GatewayRow] = field(default_factory=list)
    boots: list[BootRow] = field(default_factory=list)
    boots_before: int = 0
    """Boots whose last report arrived before are forgotten."""
    interfaces: list[tuple[int, str]] = field(default_factory=list)
    organisations: list[tuple[int, int, str]] = field(default_factory=list)
    """Number, number of the autonomous system, name."""
    not_after: int = 0
    """Every time that is stored and after this one is wrong, and becomes it; 0: none is. Comes
    before everything else."""
    recorded_since: int = 0
    """See `recorded.Recorded`."""
    peers: list[PeerRow] = field(default_factory=list)
    links: list[LinkRow] = field(default_factory=list)
    begun: list[BegunRow] = field(default_factory=list)
    visits: list[tuple[str, int]] = field(default_factory=list)
    """Gateways of a session, separated by commas, and its number."""
    placed: list[tuple[str, int | None, int]] = field(default_factory=list)
    """Country, organisation, and the session."""
    ended: list[EndedRow] = field(default_factory=list)
    edges: list[EdgeRow] = field(default_factory=list)

    def clamp(self, now: int) -> None:
        """Put what is said to be after `now` at `now`, here and in what is stored."""
        self.not_after = min(now, self.not_after or now)
        self.peers = [row._replace(seen=min(row.seen, now)) for row in self.peers]
        self.links = [row._replace(seen=min(row.seen, now)) for row in self.links]
        self.begun = [row._replace(begin=min(row.begin, now)) for row in self.begun]
        self.ended = [row._replace(end=min(row.end, now)) for row in self.ended]

    def is_empty(self) -> bool:
        """Say whether there is nothing to be stored: reports, deletions and ends change rows."""
        return not (self.gateways or self.edges or self.forgotten)


class Stored(NamedTuple):
    """Everything that is needed to go on after a restart."""

    last: Last
    recorded_since: int
    gateways: Iterable[GatewayRow]
    boots: Iterable[BootRow]
    interfaces: Iterable[tuple[int, str]]
    organisations: Iterable[tuple[int, int, str]]
    open: Mapping[int, OpenRow]
    """By the number of the peer."""
    peers: Iterable[tuple[PeerRow, list[LinkRow]]]
