"""The two streams of sessions, WIG_STATS and WIG_SESSIONS, and who reads them.

Called by `sessions`, which owns both. Neither is precious: a stream that is gone is made again,
reports that come twice are known, and edges are kept in the database until they are in.
"""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from bridge import subjects, wire
from bridge.connection import Connection
from bridge.jetstream import JetStream, Refused, need_leader
from wig import edges
from wig.edges import Mark

logger = logging.getLogger(__name__)

NS = 10**9
CONSUMER = "sessions"
STATS_AGE = timedelta(days=3)  # a weekend on which nobody looks
STATS_BYTES_MAX = 512 * 1024**2  # 4 million samples: 20 minutes of 100,000 active clients
EDGES_AGE = timedelta(days=90)
EDGES_BYTES_MAX = 512 * 1024**2  # 800,000 edges
DUPLICATES_NS = 100_000_000  # the shortest: expected sequences and numbers leave it nothing to do
ACK_WAIT_NS = 60 * NS  # a batch takes a second at most
READER_WAITING_MAX = 16
READER_PENDING_MAX = 10_000


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much of WIG_SESSIONS stays."""

    max_age: timedelta = EDGES_AGE
    max_bytes: int = EDGES_BYTES_MAX


class Last(NamedTuple):
    """The end of the stream of edges."""

    seq: int
    """The next message will be `seq + 1`."""
    mark: Mark | None
    """Which edge the last message is; None: there is none, or it is nobody's."""


class SessionStreams:
    """Both streams, in one JetStream domain."""

    def __init__(
        self, bus: Connection, *, domain: str | None = None, replicas: int = 1,
        limits: Limits | None = None,
    ) -> None:  # fmt: skip
        """`domain` is JetStream's; None: that of the server we are connected to.

        `replicas` is how many servers of a cluster keep the streams.
        """
        self._jetstream = JetStream(bus, domain)
        self.reports_subject = subjects.pull(domain, subjects.STATS_STREAM, CONSUMER)
        """Where reports are asked for."""
        self._replicas = replicas
        self._limits = limits or Limits()
        self._done = 0
        """The last report that is known to be acknowledged."""
        self._making: dict[str, Any] | None = None
        """The consumer of reports that JetStream was asked to make, and has not confirmed."""

    async def domain(self) -> str | None:
        """Return the domain; None: it has no name."""
        return await self._jetstream.domain()

    # Reports.

    async def keep_reports(self) -> None:
        """See to it that reports are kept."""
        made = await self._keep(
            subjects.STATS_STREAM, subjects.stats(subjects.ANY), STATS_AGE, STATS_BYTES_MAX
        )
        if made:
            self._done, self._making = 0, None

    async def read_reports(self) -> int:
        """Begin to read after what was acknowledged; return how many reports wait.

        Always with a new consumer: an old one would deliver what a dead process had not
        acknowledged later, and out of order. If there was none, everything is read again.

        Raises `Temporary` while it cannot be used: call it again. One that is not
        confirmed yet is not made anew then: what was acknowledged could be forgotten.
        """
        state = await self._jetstream.state(subjects.STATS_STREAM)
        last = state.last_seq if state is not None else 0
        if self._making is None or self._making["opt_start_seq"] > last + 1:
            self._making = None
            done = min(await self._done_with_reports(), last)
            await self._jetstream.find(f"CONSUMER.DELETE.{subjects.STATS_STREAM}.{CONSUMER}")
            self._making = _reports_config(done + 1)
        try:
            made = await self._jetstream.create_consumer(subjects.STATS_STREAM, self._making)
        except Refused:
            self._making = None
            raise
        self._making = None
        return made.num_pending

    async def _done_with_reports(self) -> int:
        """Return the last report that was acknowledged; 0: none, or nobody knows."""
        found = await self._jetstream.find(f"CONSUMER.INFO.{subjects.STATS_STREAM}.{CONSUMER}")
        if found is not None:
            need_leader(found)
            self._done = max(self._done, found.ack_floor.stream_seq if found.ack_floor else 0)
        return self._done

    # Edges.

    async def look_at_edges(self) -> Last | None:
        """Return the end of the stream of edges; None: there is no such stream."""
        state = await self._jetstream.state(subjects.SESSIONS_STREAM)
        if state is None:
            return None
        stored = None
        if state.messages:
            stored = await self._jetstream.message(subjects.SESSIONS_STREAM, state.last_seq)
        return Last(state.last_seq, edges.parse_mark(stored.header(wire.MSG_ID) if stored else ""))

    async def keep_edges(self) -> None:
        """See to it that there is a stream of edges, within its limits."""
        await self._keep(
            subjects.SESSIONS_STREAM,
            "wig.session.>",
            self._limits.max_age,
            self._limits.max_bytes,
        )

    async def edges(self, after: int, limit: int) -> tuple[list[bytes], int]:
        """Return up to `limit` edges after a sequence as they were published, and the last's."""
        state = await self._jetstream.state(subjects.SESSIONS_STREAM)
        if state is None:
            return [], 0
        found: list[bytes] = []
        seq = min(max(after, state.first_seq - 1), state.last_seq)
        while seq < state.last_seq and len(found) < limit:
            seq += 1
            stored = await self._jetstream.message(subjects.SESSIONS_STREAM, seq)
            if stored is not None:
                found.append(stored.payload)
        return found, seq

    async def last_edge(self) -> int:
        """Return the sequence of the last edge."""
        state = await self._jetstream.state(subjects.SESSIONS_STREAM)
        return state.last_seq if state is not None else 0

    async def attach(self, identity: str) -> bool:
        """Make the consumer of one reader, whose place is kept; False: it was there.

        It begins with the oldest edge, and is forgotten when it has not been used for as long as
        edges are kept.
        """
        if await self._jetstream.find(f"CONSUMER.INFO.{subjects.SESSIONS_STREAM}.{identity}"):
            return False
        config = {
            "name": identity,
            "durable_name": identity,
            "deliver_policy": "all",
            "ack_policy": "all",
            "ack_wait": ACK_WAIT_NS,
            "max_ack_pending": READER_PENDING_MAX,
            "max_waiting": READER_WAITING_MAX,
            "inactive_threshold": int(self._limits.max_age.total_seconds()) * NS,
        }
        await self._jetstream.create_consumer(subjects.SESSIONS_STREAM, config)
        return True

    # JetStream.

    async def _keep(self, name: str, subject: str, max_age: timedelta, max_bytes: int) -> bool:
        """Make a stream, or give the one that is there the limits of now; say whether it is new."""
        found = await self._jetstream.look(name)
        config = {
            "name": name,
            "subjects": [subject],
            "storage": "file",
            "retention": "limits",
            "discard": "old",
            "max_age": int(max_age.total_seconds()) * NS,
            "max_bytes": max_bytes,
            "duplicate_window": DUPLICATES_NS,
            "num_replicas": self._replicas,
        }
        what = "CREATE" if found is None else "UPDATE"
        await self._jetstream.call(f"STREAM.{what}.{name}", config)
        if found is None:
            logger.info("a stream is made", extra={"stream": name})
        return found is None


def _reports_config(start: int) -> dict[str, Any]:
    return {
        "name": CONSUMER,
        "durable_name": CONSUMER,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": start,
        "ack_policy": "all",
        "ack_wait": ACK_WAIT_NS,
        "max_ack_pending": -1,
        "max_waiting": READER_WAITING_MAX,
    }
