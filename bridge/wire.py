"""The JSON bodies of requests, answers and beacons, and the names of headers.

Called by both ends of every subject in `subjects`. Commands and queries are strict: an unknown
field is an error, so that a misspelt option is never ignored. What nodes tell each other is not
(`replication.Message`).
"""

from typing import Any

import msgspec
from msgspec.structs import replace

from wig import codec, errors
from wig.codec import Time, Value
from wig.errors import ErrorBody
from wig.log import Lineage, Position
from wig.replication import AttachRequest, Beacon, Message

PAYLOAD_BYTES_MAX = 4 * 1024 * 1024
"""`max_payload` of the servers that wig configures."""

PAYLOAD_SHARE = 0.75
"""How much of a server's `max_payload` one of our messages may fill: nats-py does not count
headers, and a message over the limit closes the connection for good."""

GATEWAY_REPORT_BYTES_MAX = 64 * 1024
"""Of the report of a gateway, which would need one thousand. A follower passes it on."""

DEPTH_MAX = 32
"""Of a tree of nodes, as reports tell of it."""

AGE_S_MAX = 1e9
"""Of what a report tells: 30 years. 32 levels of that are still a time."""

NUMBER_MAX = 2**63 - 1
"""Of what a report counts; more cannot be passed on."""

EXPECTED_LAST_SEQUENCE = "Nats-Expected-Last-Sequence"
EXPECTED_LAST_MSG_ID = "Nats-Expected-Last-Msg-Id"
MSG_ID = "Nats-Msg-Id"
"""Of an entry: the digest of the chain, hexadecimal."""
EPOCH = "Wig-Epoch"
"""Of an entry: its epoch. A stream may contain entries of several."""
CHUNK = "Wig-Chunk"
"""Of a piece of a snapshot: its number, from 0."""
END = "Wig-End"
"""Of the message after the last piece of a snapshot: how many there were."""
ABORT = "Wig-Abort"
"""Of the message instead of the next piece: nothing more comes, and the body says why."""


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


class Attached(Message, frozen=True, kw_only=True):
    """Follow this consumer from `start`."""

    stream: str
    consumer: str
    start: int
    """The sequence of the first entry to come."""
    lineage: Lineage
    """Which entries of the stream belong to which epoch."""
    domain: str | None = None
    """Of the JetStream that has the stream; None: the one that the downstream is connected to."""


class Because(Message, frozen=True, kw_only=True):
    """Why there is a snapshot to fetch, or something to wait for."""

    reason: str


class AttachAnswer(Message, frozen=True, kw_only=True):
    """Exactly one member is there."""

    continue_: Attached | None = msgspec.field(default=None, name="continue")
    snapshot: Because | None = None
    wait: Because | None = None
    error: ErrorBody | None = None


class SnapshotRequest(Message, frozen=True, kw_only=True):
    """A downstream asks for a snapshot, with the claims that it was promised one for."""

    inbox: str
    """Fresh and random for each transfer, under `_INBOX.<id>.`; also the transfer's name."""
    credit: int
    """How many pieces it has room for at first."""
    attach: AttachRequest


class Credit(Message, frozen=True, kw_only=True):
    """The downstream has room for all pieces before `credit`; it also says that it is alive."""

    transfer: str
    """The inbox of the request."""
    credit: int
    """A number of a piece, not a difference: lost and repeated messages do no harm."""


class Report(Message, frozen=True, kw_only=True):
    """What a downstream says of itself to the node that it follows."""

    node: str
    instance: str
    role: str
    """`follower` or `gateway`."""
    version: str
    upstream: str
    position: Position | None = None
    """What it has applied; None: nothing."""
    head: int = 0
    """The last entry of the root, as far as it knows; 0: it does not."""
    root_age_s: float | None = None
    """How old that knowledge is; None: it has none."""
    behind_s: float | None = None
    """For how long it has not been at the root's head; 0: it is, None: never since its start."""
    phase: str = ""
    problems: tuple[str, ...] = ()
    draining: bool = False
    """It is a gateway that nobody new should be sent to."""
    connected: int | None = None
    """How many peers are connected to this gateway; None: it is none, or does not know yet."""
    inbox: str = ""
    """Where it can be told something; not passed on."""
    age_s: float = 0.0
    """How long ago it was said, when an upstream passes it on."""
    nodes: tuple["Report", ...] = ()
    """What those that follow it say."""


class DrainRequest(Value, frozen=True, kw_only=True):
    """An operator tells a gateway, through the node that it follows, to be drained or not."""

    gateway: str
    """The gateway's name."""
    draining: bool


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
    upstream: str = ""
    """The node that it follows; empty: it is the primary."""
    lag_s: float = 0.0
    """For how long it has not been at the root's head."""
    behind_since: Time | None = None
    """The same as a time; None: it is at the root's head."""
    position: Position | None = None
    problems: tuple[str, ...] = ()
    draining: bool = False
    """It is a gateway that nobody new should be sent to."""
    connected: int | None = None
    """How many peers are connected to this gateway; None: it is none, or does not know yet."""


decode_attach_request = codec.decoder(AttachRequest)
decode_attach_answer = codec.decoder(AttachAnswer)
decode_snapshot_request = codec.decoder(SnapshotRequest)
decode_credit = codec.decoder(Credit)
decode_beacon = codec.decoder(Beacon)
_decode_report = codec.decoder(Report)
decode_drain = codec.decoder(DrainRequest)


def decode_report(raw: bytes) -> Report:
    """Return a report that can be passed on and told; raises `Invalid`.

    A downstream says what it likes: whatever it is, only its own line may show it.
    """
    report = _decode_report(raw)
    if report.role == "gateway" and len(raw) > GATEWAY_REPORT_BYTES_MAX:
        raise errors.Invalid("report: it is too large for a gateway's", field="report")
    waiting = [(report, 1)]
    while waiting:
        one, depth = waiting.pop()
        if depth > DEPTH_MAX:
            raise errors.Invalid(f"nodes: more than {DEPTH_MAX} levels", field="nodes")
        _check(one)
        waiting += [(below, depth + 1) for below in one.nodes]
    return replace(report, age_s=0.0)  # it comes from the node itself


def _check(one: Report) -> None:
    """Raise `Invalid` if the node says what none of its role can."""
    if one.role not in {"gateway", "follower"} or (one.role == "gateway" and one.nodes):
        raise errors.Invalid(f"role: {errors.quoted(one.role, 40)} does not report", field="role")
    for name in ("age_s", "behind_s", "root_age_s"):
        if not 0 <= (getattr(one, name) or 0) <= AGE_S_MAX:
            raise errors.Invalid(f"{name}: it is not 0–{AGE_S_MAX:g}", field=name)
    seq = one.position.seq if one.position else 0
    for name, number in (("head", one.head), ("connected", one.connected), ("seq", seq)):
        if not 0 <= (number or 0) <= NUMBER_MAX:
            raise errors.Invalid(f"{name}: it is not 0–{NUMBER_MAX}", field=name)
