"""The JSON bodies of requests, answers and beacons, and the names of headers.

Called by both ends of every subject in `subjects`. Bodies are strict: an unknown field is an
error, so that a misspelt option is never ignored.
"""

from typing import Any

import msgspec

from wig import codec, errors
from wig.codec import Time, Value
from wig.errors import ErrorBody
from wig.log import Lineage, Position

PAYLOAD_BYTES_MAX = 4 * 1024 * 1024
"""`max_payload` of the servers that wig configures."""

PAYLOAD_SHARE = 0.75
"""How much of a server's `max_payload` one of our messages may fill: nats-py does not count
headers, and a message over the limit closes the connection for good."""

EXPECTED_LAST_SEQUENCE = "Nats-Expected-Last-Sequence"
EXPECTED_LAST_MSG_ID = "Nats-Expected-Last-Msg-Id"
MSG_ID = "Nats-Msg-Id"
"""Of an entry: the digest of the chain, hexadecimal."""
CHUNK = "Wig-Chunk"
"""Of a piece of a snapshot: its number, from 0."""
END = "Wig-End"
"""Of the last piece of a snapshot."""


def payload_limit(server_limit: int) -> int:
    """Return how many bytes a message may have on a server with this `max_payload`."""
    return int(server_limit * PAYLOAD_SHARE)


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a command or query: `ok` or `error`.

    Unknown members are ignored here, so that an older client understands a newer primary.
    """

    ok: dict[str, Any] | None = None
    position: Position | None = None
    """The primary's position when it decided; None in answers that have none."""
    error: ErrorBody | None = None


decode_reply = codec.decoder(Reply)


def ok(result: Any, position: Position | None = None) -> bytes:
    """Return the bytes of a good answer; `result` is a value or a dict."""
    body: dict[str, Any] = {"ok": result}
    if position is not None:
        body["position"] = position
    return codec.encode(body)


def failed(error: errors.WigError) -> bytes:
    """Return the bytes of a bad answer."""
    return codec.encode({"error": error.body()})


def unpack(raw: bytes) -> Reply:
    """Return a good answer, or raise the error that the other side raised."""
    try:
        reply = decode_reply(raw)
    except errors.Invalid as error:
        raise errors.Unsupported(f"reply: {error.message}") from error
    if reply.error is not None:
        raise errors.from_body(reply.error)
    return reply


class AttachRequest(Value, frozen=True, kw_only=True):
    """A downstream asks how to follow."""

    instance: str
    """Random per process start: tells a restarted downstream from a second one."""
    kind: str
    """`gateway` or `follower`; decides the name of the consumer."""
    version: str
    database: str | None = None
    """None: it holds nothing."""
    position: Position | None = None


class Continue(Value, frozen=True, kw_only=True):
    """Follow this consumer from `start`."""

    stream: str
    consumer: str
    start: int
    """The sequence of the first entry to come."""
    database: str
    epoch: str
    """What the entries of the stream belong to."""
    lineage: Lineage = ()
    domain: str | None = None


class Because(Value, frozen=True, kw_only=True):
    """Why there is a snapshot to fetch, or something to wait for."""

    reason: str


class AttachAnswer(Value, frozen=True, kw_only=True):
    """Exactly one member is there."""

    continue_: Continue | None = msgspec.field(default=None, name="continue")
    snapshot: Because | None = None
    wait: Because | None = None
    error: ErrorBody | None = None


class SnapshotRequest(Value, frozen=True, kw_only=True):
    """A downstream asks for a snapshot."""

    inbox: str
    """Fresh and random for each transfer, under `_INBOX.<id>.`."""
    instance: str


class Credit(Value, frozen=True, kw_only=True):
    """The downstream has room for `credit` more pieces."""

    transfer: str
    credit: int


class Root(Value, frozen=True, kw_only=True):
    """What a node knows of the primary that everything comes from."""

    seq: int
    age_s: float
    """How old this knowledge is; 0 at the primary."""
    path: tuple[str, ...]
    """Nodes from the root to the sender; whoever finds itself in it has found a loop."""


class Beacon(Value, frozen=True, kw_only=True):
    """Where a node is: every second, and on change at most 10 times a second."""

    node: str
    instance: str
    counter: int
    """Rises by one with each beacon of an instance: stale ones are recognised."""
    position: Position
    state_digest: str
    oldest: int
    """The first entry that the node can still give."""
    root: Root
    version: str
    role: str
    """`primary`, `follower` or `gateway`."""


class Report(Value, frozen=True, kw_only=True):
    """What a downstream says of itself to the node that it follows."""

    node: str
    instance: str
    role: str
    version: str
    position: Position | None = None
    since: Time | None = None
    """When it attached."""
    problems: tuple[str, ...] = ()


class NodeStatus(Value, frozen=True, kw_only=True):
    """One line of `wig status`."""

    name: str
    role: str
    version: str
    instance: str
    head: int
    """The last entry of the root, as far as known."""
    lag_entries: int
    since: Time
    """When this instance was first heard of."""
    seen: Time
    """When it was last heard of."""
    position: Position | None = None
    problems: tuple[str, ...] = ()


decode_attach_request = codec.decoder(AttachRequest)
decode_attach_answer = codec.decoder(AttachAnswer)
decode_snapshot_request = codec.decoder(SnapshotRequest)
decode_credit = codec.decoder(Credit)
decode_beacon = codec.decoder(Beacon)
decode_report = codec.decoder(Report)
