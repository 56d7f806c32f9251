"""Sessions: who was connected when, found in the reports of all gateways.

Called by the process that keeps sessions: each report goes through `observe`, time passes by
`tick`, what the log deletes by `deleted` and `interface_deleted`; `wig.sqlite.history` stores
what changed (`changes`) in one transaction, and says so (`committed`).

WireGuard has no connections. A **sign of life** is a handshake that a gateway did not report
before, or received bytes that grew while the keys of a handshake were valid. A session begins with
the first handshake, and is over when every gateway has reported from `inactivity_s` after its last
sign of life; gateways that have gone silent are not waited for. Which gateway it was does not
matter: a client that roams keeps its session. The bytes of a session are what the counters grew by
in it; counters that became smaller began at 0 again. What they grow by between sessions (a gateway
tries to reach a client that is gone) belongs to none.

A handshake is only ever compared with what the same gateway said before, so clocks that differ do
no harm; times by a clock that is more than `SKEW_S_MAX` wrong are corrected.

**Invariant:** the outcome depends on the reports and their order alone. What was observed and not
stored can be observed again.
"""

from collections.abc import Iterable
from heapq import heappop, heappush
from itertools import repeat
from operator import attrgetter
from typing import Literal, NamedTuple

from wig import sightings, stats
from wig.codec import Time, Value
from wig.session_changes import Changes, Reason
from wig.session_table import Table
from wig.sightings import (
    KEY_S,
    Boot,
    Counters,
    Deleted,
    Feed,
    Gateway,
    Idle,
    Link,
    Moment,
    Open,
    Sample,
    unpack,
)

INACTIVITY_S = 600  # a client with a keepalive or traffic shakes hands every 120 s
SILENCE_S = 600
BOOTS_KEPT_S = 14 * 86400  # longer than the stream of reports keeps them, which may be read again


class Settings(Value, frozen=True, kw_only=True):
    """When a session is over."""

    inactivity_s: int = INACTIVITY_S
    """Without a sign of life for so long, a session is over; at least 1."""
    silence_s: int = SILENCE_S
    """A gateway that sends no report for so long (and two of its intervals) is not waited for."""


class Session(Value, frozen=True, kw_only=True):
    """One session as it is listed and published."""

    id: str
    """24 hexadecimal digits, a digest of peer, begin and first gateway."""
    peer: str
    """Public key."""
    interface: str
    begin: Time
    """The first handshake."""
    end: Time | None = None
    """The last sign of life; None: still open."""
    reason: Reason | None = None
    """Why it is over."""
    seen: Time | None = None
    """The last sign of life so far; None: it is over, or this is the event of its begin."""
    gateways: tuple[str, ...] = ()
    """In the order in which the client came to them."""
    received_bytes: int = 0
    """From the client."""
    sent_bytes: int = 0
    """To the client."""
    country: str = ""
    """ISO 3166-1 alpha-2 of the client when it came; empty: not known."""
    asn: int = 0
    """Number of its autonomous system; 0: not known."""
    organisation: str = ""
    """Who runs that."""


class Edge(NamedTuple):
    """A session's begin or end; each is published once."""

    number: int
    """1, 2, 3 … over all sessions, for as long as the database exists."""
    kind: Literal["begin", "end"]
    session: Session


class Sessions:
    """All that is known of peers, in memory; one thread at a time."""

    def __init__(self, settings: Settings | None = None, table: Table | None = None) -> None:
        """Go on from what is stored (`History.load`), or know nothing."""
        self.settings = settings or Settings()
        self.missed_reports = 0
        """How many numbers of reports were skipped."""
        self._table = table or Table()
        self.recorded = self._table.recorded
        self._due: dict[int, list[Open]] = {}  # by the second in which to look at them
        self._due_next: list[int] = []  # a heap of those seconds
        self._deleted = Deleted()
        self._watch_all()

    @property
    def known(self) -> int:
        """How many peers ever gave a sign of life."""
        return len(self._table.known)

    @property
    def open(self) -> int:
        """How many sessions are open."""
        return self._table.open

    def changes(self) -> Changes:
        """Return what is not stored yet; the same and more, until `committed`."""
        return self._table.changes()

    def committed(self) -> None:
        """Forget what `changes` returned: it is stored."""
        self._table.committed()

    # Reports.

    def observe(self, report: stats.Report, arrived_s: float, age_s: float | None = None) -> bool:
        """Learn from a report; False: it was known already, or is stale, and changes nothing.

        `arrived_s` is when the hub's stream took it, in Unix s (so that a redelivery tells the
        same), `age_s` how long the gateway had kept it by then (`stats.AGE_HEADER`), None: it
        does not say.
        """
        gateway = self._table.gateway(report.gateway)
        if not gateway.accepts(report.boot, report.n):
            return False
        if self.recorded.heard(int(arrived_s)):
            self._set_back(int(arrived_s))
        shift = sightings.shift(report.time, arrived_s, age_s)
        heard = gateway.heard or report.time - self.settings.inactivity_s
        # If the gateway's clock was set back, what it heard before says nothing.
        heard = min(heard, report.time - report.interval_s)
        moment = Moment(report.time, shift, heard, heard - KEY_S, report.places)
        for samples in report.interfaces:
            feed = self._table.feed(gateway, samples.interface)
            self._read(feed, samples, moment)
            self._table.touch(feed, samples.peers)
        self._note(gateway, report, int(arrived_s), shift)
        return True

    def _read(self, feed: Feed, samples: stats.Samples, moment: Moment) -> None:
        """Learn from the samples of one interface: 400,000 a second."""
        time, shift, stale = moment.time, moment.shift, moment.stale
        link_of = feed.links.get
        for sample in zip(
            samples.peers, samples.handshakes, samples.received, samples.sent,
            samples.places or repeat(0), strict=False,
        ):  # fmt: skip
            peer, handshake, received, sent, place = sample
            link = link_of(peer)
            if link is None:
                self._meet(feed, Sample(*sample), moment)
                continue
            if received < link.received or sent < link.sent:
                link.restart()
            grew = received > link.received and handshake > stale
            if handshake and (grew or handshake != link.handshake):
                # `Moment.life`, in place.
                seen = handshake + KEY_S if grew else handshake
                seen = (time if seen > time else seen) + shift  # noqa: FURB136 - a call costs more
                session = link.session
                if seen > session.seen:  # noqa: PLR1730 - the same
                    session.seen = seen
                if not link.visited:
                    self._table.visit(feed, link)
                if place and not session.placed:
                    self._table.place(session, moment.places[place - 1])
            link.handshake = handshake
            link.received = received
            link.sent = sent

    def _note(self, gateway: Gateway, report: stats.Report, arrived: int, shift: int) -> None:
        """Remember how far a gateway has reported."""
        known = gateway.boots.get(report.boot)
        missed = report.n - 1 - (known.n if known else 0)
        if missed:  # a gateway gives none up: the stream had no room for them, or was lost
            self.missed_reports += missed
            self.recorded.lost(arrived)
        if known is None:
            self._table.forget_boots(gateway, before=arrived - BOOTS_KEPT_S)
        gateway.boot = report.boot
        gateway.boots[report.boot] = Boot(report.n, arrived)
        gateway.arrived = arrived
        gateway.interval_s = report.interval_s
        if not report.more:
            gateway.heard = report.time
            gateway.until = report.time + shift
        self._table.reported(gateway, report.boot)

    # Samples that need a closer look.

    def _meet(self, feed: Feed, sample: Sample, moment: Moment) -> None:
        """Learn from a sample of a peer that has no session at this gateway."""
        if self._deleted.before(sample.peer, moment.time + moment.shift):
            return
        record = self._table.known.get(sample.peer)
        news = sample.handshake > moment.heard
        idle: Idle | None = None
        if isinstance(record, Open):
            if record.interface == feed.interface:
                self._link(record, feed, sample, moment, news=news)
                return
            if not news:
                return  # a gateway that has not heard yet that the peer moved away
            idle = self._table.end(record, "moved")
        elif record is not None:
            idle = unpack(record)
        if idle is not None and idle.interface != feed.interface_number:
            if not news:
                return
            self._table.forget(sample.peer, idle.number)
            number = self._table.new_peer()
            idle = Idle(idle.seen, number, feed.interface_number)
        self._meet_idle(idle, feed, sample, moment)

    def _link(
        self, session: Open, feed: Feed, sample: Sample, moment: Moment, *, news: bool
    ) -> None:
        """Learn from the first sample of a peer at this gateway, while it has a session."""
        link = Link(
            session=session,
            handshake=sample.handshake,
            received=sample.received,
            sent=sample.sent,
            received_base=0 if news else sample.received,
            sent_base=0 if news else sample.sent,
        )
        feed.links[sample.peer] = link
        session.at = (*session.at, feed.gateway)
        if news:
            session.seen = max(session.seen, moment.life(sample.handshake, grew=True))
            self._table.visit(feed, link)

    def _meet_idle(self, idle: Idle | None, feed: Feed, sample: Sample, moment: Moment) -> None:
        """Learn from a sample of a peer that has no session: does one begin?"""
        known = idle.at(feed.gateway) if idle else None
        counters = Counters(feed.gateway, sample.handshake, sample.received, sample.sent)
        never_came = known is None and not sample.handshake
        if counters == known or never_came:
            return
        idle = idle or Idle(0, self._table.new_peer(), feed.interface_number)
        base = known or Counters(feed.gateway, 0, 0, 0)
        if counters.received < base.received or counters.sent < base.sent:
            base = base._replace(received=0, sent=0)
        grew = counters.received > base.received and sample.handshake > moment.stale
        came = moment.life(sample.handshake, grew=False)
        life = moment.life(sample.handshake, grew=grew)
        if known is None:
            shook = sample.handshake > moment.heard
        else:
            shook = 0 != sample.handshake != known.handshake
        if shook or (known and grew and sample.handshake and life > idle.seen):
            # After the last one, also if this gateway's clock is behind.
            begin = max(came if shook else life, idle.seen + 1)
            session = self._table.begin(idle, feed, sample.peer, begin)
            session.seen = max(begin, life)
            self._watch(session)
            self._table.link_all(session, idle, feed, counters, base)
            if sample.place:
                self._table.place(session, moment.places[sample.place - 1])
        else:
            self._table.rest(sample.peer, idle, counters, max(idle.seen, came))

    # Time, and what the log deletes.

    def tick(self, now_s: float) -> None:
        """End the sessions that are over at `now_s`.

        While there are reports to catch up with, that is the time at which the last one arrived;
        the clock's time when there are none.
        """
        horizon = min(
            (each.until for each in self._table.gateways.values() if self._is_awaited(each, now_s)),
            default=int(now_s),
        )
        over = []
        while self._due_next and self._due_next[0] <= horizon:
            for session in self._due.pop(heappop(self._due_next)):
                if session.ended:
                    continue
                if session.seen + self.settings.inactivity_s <= horizon:
                    over.append(session)
                else:
                    self._watch(session)
        for session in sorted(over, key=attrgetter("number")):  # in the same order after a restart
            self._table.end(session, "inactive")
        self._deleted.forget(before=int(now_s) - self.settings.silence_s)

    def _is_awaited(self, gateway: Gateway, now_s: float) -> bool:
        """Say whether a gateway may still report from before."""
        silence_s = max(self.settings.silence_s, 2 * gateway.interval_s)
        return gateway.arrived + silence_s > now_s

    def _set_back(self, now: int) -> None:
        """Go on from `now` by the hub's clock, which was ahead: nothing has been seen later."""
        self._table.clamp(now)
        self._deleted.clamp(now)
        self._due.clear()
        self._due_next.clear()
        self._watch_all()

    def _watch_all(self) -> None:
        for session in self._table.opened():
            self._watch(session)

    def _watch(self, session: Open) -> None:
        due = session.seen + self.settings.inactivity_s
        if due not in self._due:
            self._due[due] = []
            heappush(self._due_next, due)
        self._due[due].append(session)

    def deleted(self, peers: Iterable[str], at_s: float = 0.0) -> None:
        """Forget peers that the log deleted at `at_s`, and end their sessions.

        Peers that are not known are fine. What a gateway read before `at_s` and tells later does
        not bring them back.
        """
        for peer in peers:
            record = self._table.known.get(peer)
            if isinstance(record, Open):
                self._table.forget(peer, self._table.end(record, "deleted").number)
            elif record is not None:
                self._table.forget(peer, unpack(record).number)
            self._deleted.add(peer, int(at_s))

    def interface_deleted(self, name: str) -> None:
        """End the sessions of an interface that the log deleted."""
        for session in self._table.opened():
            if session.interface == name:
                self._table.end(session, "interface_deleted")
