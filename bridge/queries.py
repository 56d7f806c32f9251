"""Reads: answered from a reader of its own, in its own thread, beside the writer.

Called by whoever has a database: nodes, and `wig sessions`. Each verb is a value (its parameters)
and a function.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Never, Protocol

import msgspec

from bridge import frames, wire
from bridge.connection import Connection, Disconnected
from bridge.worker import Worker
from wig import codec, errors, results
from wig.codec import Value
from wig.log import Position, Record
from wig.sqlite.reader import Reader
from wig.sqlite.transaction import decode_entry

logger = logging.getLogger(__name__)

WAITING_MAX = 1_000  # queries; beyond, they are refused at once
PAGE_MAX = 5_000  # objects in one answer, if they fit
PAGE_DEFAULT = 1_000
BUSY = wire.failed(errors.Unavailable("node: too many queries are waiting"))
TOO_MUCH = wire.failed(
    errors.TooLarge("limit: the answer would be too large", field="limit", hint="ask for less")
)
DEFECT = wire.failed(
    errors.WigError("node: this is a defect of wig", hint="the node's log shows where; report it")
)
SEQ_MAX = 2**63 - 1  # of SQLite's integers
SECRET_FIELDS = ("private_key", "preshared_key", "secret_digest")


class Nothing(Value, frozen=True, kw_only=True):
    """No parameters."""


class ShowInterface(Value, frozen=True, kw_only=True):
    """Of `interface.show`."""

    name: str
    secrets: bool = False


class ShowPeer(Value, frozen=True, kw_only=True):
    """Of `peer.show`."""

    public_key: str
    secrets: bool = False


class ListPeers(Value, frozen=True, kw_only=True):
    """Of `peer.list`."""

    interface: str | None = None
    after: str | None = None
    """The last public key of the page before."""
    limit: int = PAGE_DEFAULT
    secrets: bool = False


class ListEntries(Value, frozen=True, kw_only=True):
    """Of `log.list`."""

    after: int = 0
    limit: int = PAGE_DEFAULT
    """Of entries that are looked at."""
    do: tuple[str, ...] = ()
    """Only entries with these ops, such as `peer.delete`; empty: all."""
    secrets: bool = False


def _interfaces(reader: Reader, _: Nothing) -> dict[str, Any]:
    return {"interfaces": [results.public(one) for one in reader.interfaces()]}


def _interface(reader: Reader, wanted: ShowInterface) -> dict[str, Any]:
    found = reader.interface(wanted.name)
    if found is None:
        raise errors.NotFound(
            f"name: {errors.quoted(wanted.name)} is not an interface",
            field="name",
            hint="`wig interface list` shows them",
        )
    return {"interface": found if wanted.secrets else results.public(found)}


def _peer(reader: Reader, wanted: ShowPeer) -> dict[str, Any]:
    found = reader.peer(wanted.public_key)
    if found is None:
        raise errors.NotFound(
            f"public_key: {errors.quoted(wanted.public_key)} is not a peer",
            field="public_key",
            hint="`wig peer list` shows them",
        )
    return {"peer": found if wanted.secrets else results.public(found)}


def _peers(reader: Reader, wanted: ListPeers) -> dict[str, Any]:
    limit = _limit(wanted.limit)
    if wanted.interface is not None and reader.interface(wanted.interface) is None:
        raise errors.NotFound(
            f"interface: {errors.quoted(wanted.interface)} is not an interface",
            field="interface",
            hint="`wig interface list` shows them",
        )
    found = reader.peers(wanted.after, limit, wanted.interface)
    peers = found if wanted.secrets else [results.public(one) for one in found]
    return {"peers": peers, "next": found[-1].public_key if len(found) == limit else None}


def _tokens(reader: Reader, _: Nothing) -> dict[str, Any]:
    return {"tokens": [results.public(one) for one in reader.tokens()]}


def _entries(reader: Reader, wanted: ListEntries) -> dict[str, Any]:
    if not 0 <= wanted.after <= SEQ_MAX:
        raise errors.Invalid(f"after: '{wanted.after}' is not 0–{SEQ_MAX}", field="after")
    page = reader.records(wanted.after, _limit(wanted.limit))
    marks = [f'"do":"{kind}"'.encode() for kind in wanted.do]  # quotes within texts are escaped
    found = [one for one in page if any(mark in one.payload for mark in marks)] if marks else page
    return {
        "entries": [_entry(one, secrets=wanted.secrets) for one in found],
        "first": _mark(page[0]) if page else None,
        "last": _mark(page[-1]) if page else None,
    }


def _mark(record: Record) -> dict[str, Any]:
    return {"seq": record.seq, "digest": record.digest.hex()}


def _entry(record: Record, *, secrets: bool) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.json.decode(codec.encode(decode_entry(record)))
    if not secrets:
        for thing in fields["op"].values():
            if isinstance(thing, dict):
                for name in SECRET_FIELDS:
                    thing.pop(name, None)
    return fields | {"digest": record.digest.hex()}


def _limit(limit: int) -> int:
    if not 1 <= limit <= PAGE_MAX:
        raise errors.Invalid(f"limit: '{limit}' is not 1–{PAGE_MAX}", field="limit")
    return limit


class Query(NamedTuple):
    """One verb: how its parameters are read, and how it is answered."""

    decode: Callable[[bytes], Any]
    answer: Callable[[Any, Any], dict[str, Any]]


QUERIES: dict[str, Query] = {
    "interface.list": Query(codec.decoder(Nothing), _interfaces),
    "interface.show": Query(codec.decoder(ShowInterface), _interface),
    "peer.list": Query(codec.decoder(ListPeers), _peers),
    "peer.show": Query(codec.decoder(ShowPeer), _peer),
    "token.list": Query(codec.decoder(Nothing), _tokens),
    "log.list": Query(codec.decoder(ListEntries), _entries),
}


class _Waiting(NamedTuple):
    verb: str
    payload: bytes
    reply: str


class Readable(Protocol):
    """What is read."""

    def position(self) -> Position | None:
        """Return where the state is; None: it has no position."""


class Queries:
    """Takes queries, and answers them one after another."""

    def __init__(
        self, bus: Connection, reader: Readable, worker: Worker,
        queries: Mapping[str, Query] = QUERIES,
    ) -> None:  # fmt: skip
        """`reader` is used in `worker`'s thread only; it is what `queries` read."""
        self._bus = bus
        self._reader = reader
        self._queries = queries
        self._worker = worker
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue(WAITING_MAX)

    def take(self, identity: str, verb: str, payload: bytes, reply: str) -> None:
        """Queue a query, or answer at once why not; everybody may ask everything."""
        del identity
        try:
            self._waiting.put_nowait(_Waiting(verb, payload, reply))
        except asyncio.QueueFull:
            self._send(reply, BUSY)

    async def run(self) -> Never:
        """Answer what is queued."""
        while True:
            waiting = await self._waiting.get()
            body = await self._worker.call(self._answer, waiting.verb, waiting.payload)
            limit = wire.payload_limit(self._bus.server_payload_limit) if self._bus.up else 0
            if len(body) > limit:
                # The server would close the connection over a message that is too large.
                body = TOO_MUCH
            self._send(waiting.reply, body)

    def _answer(self, verb: str, payload: bytes) -> bytes:
        query = self._queries[verb]
        try:
            wanted = query.decode(payload or b"{}")
            return wire.ok(query.answer(self._reader, wanted), self._reader.position())
        except errors.WigError as error:
            return wire.failed(error)
        except Exception:  # one query must not cost the others their answers
            logger.exception("a query failed by a defect", extra={"verb": verb})
            return DEFECT

    def _send(self, reply: str, body: bytes) -> None:
        try:
            self._bus.send(frames.message(reply, body))
        except Disconnected:
            logger.info("an answer was lost with the connection")
