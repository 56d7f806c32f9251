"""What is known of sessions, and the database behind it. Lives in one thread, which `sessions` has.

Reports are learned from in batches. A batch is stored in one transaction, and acknowledged after;
if that fails (a full disk), nothing is forgotten, and the next one stores both.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from bridge import subjects
from bridge.connection import Message
from wig import errors, stats
from wig.edges import Resume, Stored
from wig.passing import Passing
from wig.sessions import Edge, Sessions, Settings
from wig.sqlite.history import History

logger = logging.getLogger(__name__)

REFUSED_MAX = 1000  # different complaints, each logged once
FAR = datetime.max.replace(tzinfo=UTC)


class Delivered(NamedTuple):
    """What JetStream says of a message beside its content."""

    seq: int
    arrived_s: float
    """When the stream took it, Unix s."""
    pending: int
    """How many come after it."""


def delivered(reply: str) -> Delivered:
    """Read the reply subject of a message (nats-server, ADR-15; see `pull.sequence_of`)."""
    tokens = reply.split(".")
    at = 5 if len(tokens) == 9 else 7
    return Delivered(int(tokens[at]), int(tokens[at + 2]) / 1e9, int(tokens[at + 3]))


class Book:
    """Sessions and their database; every method is called in the same thread."""

    def __init__(self, history: History, settings: Settings) -> None:
        """Read what is stored."""
        self.history = history
        self.sessions: Sessions = history.load(settings)
        self._passing = Passing()
        self._complaints: set[tuple[str, str]] = set()
        self.reports = 0
        """How many reports taught something."""
        self.repeated = 0
        """How many were known already."""
        self.refused = 0
        """How many were none."""
        self.samples = 0
        self.draining: frozenset[str] = frozenset()
        """The gateways that nobody new is to be sent to, by their last reports."""

    def read(self, messages: Sequence[Message]) -> int:
        """Learn from reports, store it, and return the number of the last edge."""
        caught_up = False
        for message in messages:
            about = delivered(message.reply)
            self._observe(message, about.arrived_s)
            self.sessions.tick(self._passing.heard(about.arrived_s))
            caught_up = about.pending == 0
        return self.pass_by(datetime.now(UTC)) if caught_up else self.history.commit(self.sessions)

    def pass_by(self, now: datetime) -> int:
        """End what is over when there are no more reports; return the number of the last edge."""
        self.sessions.tick(self._passing.heard(now.timestamp()))
        return self.history.commit(self.sessions)

    def _observe(self, message: Message, arrived_s: float) -> None:
        identity = subjects.parse_stats(message.subject) or ""
        try:
            report = _from(identity, message.data)
        except (errors.Invalid, errors.Unsupported) as error:
            self._complain(identity, error.message)
            return
        drained = stats.DRAINING_HEADER in (message.headers or {})
        if drained != (identity in self.draining):
            self.draining ^= {identity}
        if self.sessions.observe(report, arrived_s, _age_s(message)):
            self.reports += 1
            self.samples += report.count()
        else:
            self.repeated += 1

    def _complain(self, identity: str, reason: str) -> None:
        """Say what is wrong with the reports of a gateway: once, for it goes on and on."""
        self.refused += 1
        complaint = identity, reason
        if complaint not in self._complaints and len(self._complaints) < REFUSED_MAX:
            self._complaints.add(complaint)
            logger.warning("reports are refused", extra={"from": identity, "error": reason})

    # What the log deletes.

    def forget(self, peers: Sequence[str], interfaces: Sequence[str]) -> int:
        """End the sessions of what is deleted; return the number of the last edge."""
        self.sessions.deleted(peers, datetime.now(UTC).timestamp())
        for name in interfaces:
            self.sessions.interface_deleted(name)
        return self.history.commit(self.sessions)

    # Edges.

    def stored(self) -> Stored:
        """Return what is known of the edges."""
        last = self.history.commit(self.sessions)
        return Stored(self.history.generation, self.history.published_number, last)

    def begin(self, resume: Resume, generation: str) -> None:
        """Remember the generation of the numbers, if they need a new one, and where it begins."""
        if resume.lost:
            self.sessions.recorded.anew()  # an older copy: what came since then is lost
        if resume.anew:
            since = self.sessions.recorded.since
            self.history.begin(generation, resume.after, since)

    def edges(self, after: int, limit: int) -> list[Edge]:
        """Return the edges after a number."""
        return self.history.edges(after, limit)

    def published(self, number: int) -> None:
        """Remember that the stream has all edges up to a number."""
        self.history.published(number)

    def prune(self, now: datetime, max_age: timedelta) -> int:
        """Forget a few old sessions, and return how many."""
        return self.history.prune(now, max_age)


def _from(identity: str, raw: bytes) -> stats.Report:
    """Return a report, if it is one of the gateway that sent it."""
    report = stats.decode(raw)
    if report.gateway != identity:
        raise errors.Invalid(
            f"gateway: {errors.quoted(report.gateway)} is not who sent it", field="gateway"
        )
    return report


def _age_s(message: Message) -> float | None:
    """Return how long the gateway had kept a report; None: it does not say."""
    try:
        age_s = float((message.headers or {})[stats.AGE_HEADER])
    except (KeyError, ValueError):
        return None
    return age_s if 0 <= age_s < 1e9 else None
