"""What `wig sessions` answers: who was connected when, and who is an own reader of the edges.

Run by `sessions`. Reads of the database go the way of all queries, in a thread of their own;
what needs JetStream is done here, one at a time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple, Never

import msgspec

from bridge import frames, subjects, wire
from bridge.connection import Connection, Disconnected
from bridge.queries import Query
from bridge.session_edges import shown
from bridge.session_streams import SessionStreams
from wig import checks, codec, errors, keys
from wig.codec import Time, Value
from wig.sessions import SILENCE_S
from wig.sqlite.history import HistoryReader
from wig.sqlite.history import Query as Wanted

logger = logging.getLogger(__name__)

NOUN = "session"
PAGE_MAX = 1_000
PEERS_MAX = 5_000
EDGES_MAX = 500  # each is read by itself: 0.15 s
WAITING_MAX = 100


class ListSessions(Value, frozen=True, kw_only=True):
    """Of `session.list`; what is absent is not asked about."""

    peer: str | None = None
    interface: str | None = None
    country: str | None = None
    active: bool = False
    since: Time | None = None
    """Those that had not ended by then."""
    until: Time | None = None
    """Those that had begun before."""
    before: str = ""
    """The cursor of the page before."""
    limit: int = 100


class SeenPeers(Value, frozen=True, kw_only=True):
    """Of `session.seen`."""

    peers: Annotated[tuple[str, ...], msgspec.Meta(max_length=PEERS_MAX)]


class ListEdges(Value, frozen=True, kw_only=True):
    """Of `session.edges`: those after a place in the stream, or the last ones."""

    after: int | None = None
    last: int = 0
    limit: int = EDGES_MAX


class Nothing(Value, frozen=True, kw_only=True):
    """No parameters."""


class History(NamedTuple):
    """What is read; it has no place in anybody's log."""

    reader: HistoryReader

    def position(self) -> None:
        """Return none."""


def _list(history: History, wanted: ListSessions) -> dict[str, Any]:
    if wanted.peer is not None:
        keys.parse_public(wanted.peer, "peer")
    if wanted.interface is not None:
        _check_interface(wanted.interface)
    if wanted.country is not None and not _is_country(wanted.country):
        raise errors.Invalid(
            f"country: {errors.quoted(wanted.country)} is not a code of two letters",
            field="country",
            hint="ISO 3166-1, as in SE",
        )
    fields = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
    page = history.reader.sessions(Wanted(**fields | {"limit": _limit(wanted.limit, PAGE_MAX)}))
    return {"sessions": [shown(one) for one in page.sessions], "before": page.before or None}


def _check_interface(name: str) -> None:
    """Raise `Invalid` for what no interface is called; one that is gone still has sessions."""
    try:
        checks.interface_name(name)
    except errors.Invalid as error:
        rule = error.message.partition(": ")[2]
        raise errors.Invalid(f"interface: {rule}", field="interface") from None


def _is_country(text: str) -> bool:
    return len(text) == 2 and text.isascii() and text.isalpha() and text.isupper()


def _seen(history: History, wanted: SeenPeers) -> dict[str, Any]:
    for key in wanted.peers:
        keys.parse_public(key, "peers")
    return {
        "seen": history.reader.last_seen(wanted.peers),
        "recorded_since": history.reader.recorded_since(),
        # Whom they have seen since is not known.
        "silent": history.reader.silent(datetime.now(UTC), SILENCE_S),
    }


def _limit(limit: int, most: int) -> int:
    if not 1 <= limit <= most:
        raise errors.Invalid(f"limit: '{limit}' is not 1–{most}", field="limit")
    return limit


QUERIES: dict[str, Query] = {
    "session.list": Query(codec.decoder(ListSessions), _list),
    "session.seen": Query(codec.decoder(SeenPeers), _seen),
}
"""What the database answers."""

VERBS = (*QUERIES, "session.edges", "session.attach", "session.status")
"""All that is answered."""

_decode_edges = codec.decoder(ListEdges)
_decode_nothing = codec.decoder(Nothing)


class _Waiting(NamedTuple):
    identity: str
    verb: str
    payload: bytes
    reply: str


class StreamQueries:
    """What the stream of edges answers, and who this process is."""

    def __init__(
        self, bus: Connection, streams: SessionStreams, status: Callable[[], dict[str, Any]]
    ) -> None:
        """`status` describes this process."""
        self._bus = bus
        self._streams = streams
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue(WAITING_MAX)
        self._status = status
        self.answers: dict[str, Callable[[str, bytes], Awaitable[dict[str, Any]]]] = {
            "session.edges": self._edges,
            "session.attach": self._attach,
        }

    def take(self, identity: str, verb: str, payload: bytes, reply: str) -> None:
        """Queue a request, or answer at once why not."""
        if verb == "session.status":  # no crowd may keep another process from hearing of this one
            self._send(reply, self._tell_status(payload or b"{}"))
            return
        try:
            self._waiting.put_nowait(_Waiting(identity, verb, payload or b"{}", reply))
        except asyncio.QueueFull:
            busy = errors.Unavailable("sessions: too many requests are waiting")
            self._send(reply, wire.failed(busy))

    async def run(self) -> Never:
        """Answer what is queued."""
        while True:
            one = await self._waiting.get()
            try:
                body = wire.ok(await self.answers[one.verb](one.identity, one.payload))
            except errors.WigError as error:
                body = wire.failed(error)
            self._send(one.reply, body)

    async def _edges(self, _: str, payload: bytes) -> dict[str, Any]:
        wanted = _decode_edges(payload)
        if wanted.last < 0 or (wanted.after or 0) < 0:
            raise errors.Invalid("after, last: is negative", field="after")
        after = wanted.after
        if after is None:
            after = max(0, await self._streams.last_edge() - min(wanted.last, EDGES_MAX))
        found, seq = await self._streams.edges(after, _limit(wanted.limit, EDGES_MAX))
        return {"edges": [msgspec.Raw(one) for one in found], "after": seq}

    async def _attach(self, identity: str, payload: bytes) -> dict[str, Any]:
        _decode_nothing(payload)
        made = await self._streams.attach(identity)
        logger.info("a reader of sessions", extra={"identity": identity, "new": made})
        return {
            "stream": subjects.SESSIONS_STREAM,
            "consumer": identity,
            "domain": await self._streams.domain(),
        }

    def _tell_status(self, payload: bytes) -> bytes:
        try:
            _decode_nothing(payload)
        except errors.Invalid as error:
            return wire.failed(error)
        return wire.ok(self._status())

    def _send(self, reply: str, body: bytes) -> None:
        try:
            self._bus.send(frames.message(reply, body))
        except Disconnected:
            logger.info("an answer was lost with the connection")
