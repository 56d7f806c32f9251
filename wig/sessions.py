"""Sessions: who was connected when, found in the reports of all gateways.

Called by the process that keeps sessions: each report goes through `observe`, time passes by
`tick`, what the log deletes by `deleted` and `interface_deleted`; `wig.sqlite.history` stores
what changed (`changes`) in one transaction, and says so (`committed`).
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from wig import stats
from wig.codec import Time, Value

INACTIVITY_S = 600
SILENCE_S = 600

Reason = Literal["inactive", "deleted", "interface_deleted", "moved"]


class Settings(Value, frozen=True, kw_only=True):
    """When a session is over."""

    inactivity_s: int = INACTIVITY_S
    """Without a sign of life for so long, a session is over."""
    silence_s: int = SILENCE_S
    """A gateway that sends no report for so long is not waited for any more."""


class Session(Value, frozen=True, kw_only=True):
    """One session as it is listed and published."""

    id: str
    """24 hexadecimal digits; the same for the same peer, begin and first gateway."""
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
    """The last sign of life so far."""
    gateways: tuple[str, ...] = ()
    """In the order in which the client came to them."""
    received_bytes: int = 0
    """From the client."""
    sent_bytes: int = 0
    """To the client."""
    country: str = ""
    """ISO 3166-1 alpha-2; empty: not known."""
    asn: int = 0
    organisation: str = ""


class Edge(NamedTuple):
    """A session's begin or end; each is published once."""

    number: int
    """1, 2, 3 … over all sessions, for as long as the database exists."""
    kind: Literal["begin", "end"]
    session: Session


class Sessions:
    """All that is known of peers, in memory; one thread at a time."""

    def __init__(self, settings: Settings | None = None) -> None:
        """Know nothing; `History.load` returns one that knows what is stored."""
        self.settings = settings or Settings()

    def observe(self, report: stats.Report, arrived_s: float, age_s: float | None = None) -> bool:
        """Learn from a report; False: it was known already, or is stale, and changes nothing.

        `arrived_s` is when the hub's stream took it, in Unix s (so that a redelivery tells the
        same), `age_s` how long the gateway had kept it by then (`stats.AGE_HEADER`), None: it
        does not say.
        """
        return bool(report and arrived_s and age_s)

    def tick(self, now_s: float) -> None:
        """End the sessions that are over at `now_s`.

        While there are reports to catch up with, that is the time at which the last one arrived;
        the clock's time when there are none.
        """

    def deleted(self, peers: Iterable[str]) -> None:
        """Forget peers that the log deleted; their sessions end. Unknown ones are fine."""

    def interface_deleted(self, name: str) -> None:
        """End the sessions of an interface that the log deleted."""
