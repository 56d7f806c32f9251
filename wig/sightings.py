"""What is remembered of peers between two reports: compact, because there are a million of them.

Called by `wig.sessions` alone. A peer with a session is an `Open` and a `Link` for each gateway
that ever reported it; any other peer is a few bytes (`Idle`), since nobody looks at it until it
comes back.

Why bytes: a peer that one gateway has seen costs 80 bytes beside its key, as objects 330. Why no
references from an `Open` to what holds its links: there are no cycles, so the objects need not be
known to the garbage collector, which otherwise walks over all of them every few seconds.

**Invariant:** a peer's links have the interface of its session.
"""

from collections import OrderedDict
from struct import Struct
from typing import NamedTuple

import msgspec

from wig import stats
from wig.session_changes import BYTES_MAX

KEY_S = 180  # REJECT_AFTER_TIME, WireGuard paper, section 6.1: no packet passes after it
SKEW_S_MAX = 5  # so far do clocks of hosts with NTP differ at the worst

_HEAD = Struct("<QII")
_ROW = Struct("<IQQQ")


class Open(msgspec.Struct, gc=False, eq=False):
    """A session that is open. Times are Unix s."""

    number: int
    """Counts sessions; the row in the database."""
    peer_number: int
    """Counts peers; the row in the database."""
    peer: str
    interface: str
    begin: int
    seen: int
    """The last sign of life."""
    at: tuple[int, ...] = ()
    """Numbers of the gateways that have a link to the peer."""
    visited: tuple[str, ...] = ()
    """Names of the gateways that the client came to, in order."""
    placed: bool = False
    """It is known from where."""
    ended: bool = False


class Link(msgspec.Struct, gc=False, eq=False):
    """A peer with an open session at one gateway."""

    session: Open
    handshake: int
    """As the gateway said it last, by its own clock; 0: none."""
    received: int
    """As the gateway said it last."""
    sent: int
    received_base: int
    """What `received` was when the session began; the difference is the session's. Negative
    after the counters restarted: what was counted until then still counts."""
    sent_base: int
    visited: bool = False
    """The client came to this gateway in this session."""

    def restart(self) -> None:
        """Go on from counters that begin at 0 again."""
        self.received_base = max(self.received_base - self.received, -BYTES_MAX)
        self.sent_base = max(self.sent_base - self.sent, -BYTES_MAX)
        self.received = self.sent = 0


class Counters(NamedTuple):
    """What a gateway said last of a peer."""

    gateway: int
    handshake: int
    received: int
    sent: int


class Idle(NamedTuple):
    """A peer without a session."""

    seen: int
    """The last sign of life, Unix s; 0: none that is known."""
    number: int
    interface: int
    counters: tuple[Counters, ...] = ()

    def at(self, gateway: int) -> Counters | None:
        """Return what one gateway said last, or None."""
        return next((each for each in self.counters if each.gateway == gateway), None)

    def with_counters(self, counters: Counters) -> "Idle":
        """Return it with what one gateway says now."""
        others = (each for each in self.counters if each.gateway != counters.gateway)
        return self._replace(counters=(*others, counters))

    def pack(self) -> bytes:
        """Return it as few bytes."""
        return _HEAD.pack(self.seen, self.number, self.interface) + b"".join(
            _ROW.pack(*each) for each in self.counters
        )


def unpack(packed: bytes) -> Idle:
    """Return what `Idle.pack` made bytes of."""
    rows = _ROW.iter_unpack(memoryview(packed)[_HEAD.size :])
    seen, number, interface = _HEAD.unpack_from(packed)
    return Idle(seen, number, interface, tuple(map(Counters._make, rows)))


class Feed:
    """One interface of one gateway."""

    __slots__ = ("gateway", "interface", "interface_number", "links")

    def __init__(self, gateway: "Gateway", interface: str, interface_number: int) -> None:
        """Have no links yet."""
        self.gateway = gateway.number
        self.interface = interface
        self.interface_number = interface_number
        self.links: dict[str, Link] = {}


class Boot(NamedTuple):
    """The last report of one start of a gateway."""

    n: int
    arrived: int


class Gateway:
    """What is known of one gateway, and of its peers that have sessions."""

    __slots__ = (
        "arrived", "boot", "boots", "feeds", "heard", "interval_s", "name", "number", "until"
    )  # fmt: skip

    def __init__(self, number: int, name: str) -> None:
        """Have heard nothing yet."""
        self.number = number
        self.name = name
        self.boot = ""
        """The boot of its last report."""
        self.boots: dict[str, Boot] = {}
        self.heard = 0
        """The time of its last complete report, by its own clock; 0: there was none."""
        self.until = 0
        """The same, corrected: every sign of life before has been reported."""
        self.arrived = 0
        """When its last report arrived, by the hub's clock."""
        self.interval_s = 0
        self.feeds: dict[str, Feed] = {}

    def clamp(self, now: int) -> None:
        """Put what is after `now` by the hub's clock at `now`."""
        self.until, self.arrived = min(self.until, now), min(self.arrived, now)
        self.boots = {
            boot: last._replace(arrived=min(last.arrived, now)) for boot, last in self.boots.items()
        }

    def accepts(self, boot: str, n: int) -> bool:
        """Say whether a report is newer than all that are known."""
        known = self.boots.get(boot)
        return known is None or (boot == self.boot and n > known.n)


class Deleted:
    """Peers that the log deleted, as long as reports from before may be on their way."""

    def __init__(self) -> None:
        """None was deleted."""
        self._at: OrderedDict[str, int] = OrderedDict()  # the oldest first

    def add(self, peer: str, at: int) -> None:
        """Remember one."""
        self._at[peer] = at
        self._at.move_to_end(peer)

    def before(self, peer: str, time: int) -> bool:
        """Say whether something at `time` is from before the peer was deleted."""
        return time <= self._at.get(peer, -1)

    def forget(self, before: int) -> None:
        """Forget those that were deleted before."""
        while self._at and next(iter(self._at.values())) < before:
            self._at.popitem(last=False)

    def clamp(self, now: int) -> None:
        """Put what is after `now` at `now`."""
        self._at = OrderedDict((peer, min(at, now)) for peer, at in self._at.items())


class Moment(NamedTuple):
    """What a report says about all of its samples."""

    time: int
    """When the devices were read, by the gateway's clock."""
    shift: int
    """What has to be added to the gateway's times."""
    heard: int
    """A handshake after this is news, also of a peer that this gateway never reported."""
    stale: int
    """Keys of a handshake at this time or before were not valid any more after the last report:
    bytes received since are attempts to shake hands."""
    places: tuple[stats.Place, ...]

    def life(self, handshake: int, *, grew: bool) -> int:
        """Return the time of a sign of life."""
        return min(handshake + KEY_S if grew else handshake, self.time) + self.shift


class Sample(NamedTuple):
    """One row of a report's columns."""

    peer: str
    handshake: int
    received: int
    sent: int
    place: int


def shift(time: int, arrived_s: float, age_s: float | None) -> int:
    """Return what to add to a gateway's times to have them right to within `SKEW_S_MAX`."""
    wrong_by = round(arrived_s - (age_s or 0.0)) - time
    if abs(wrong_by) <= SKEW_S_MAX or (age_s is None and wrong_by > 0):
        return 0  # if it does not say how long it waited, it may have waited
    return wrong_by
