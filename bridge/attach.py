"""Answers those who want to follow this node.

Run by every node that can be followed. What to answer is decided in `wig.replication`; here the
answer becomes a consumer. The node makes its downstreams' consumers itself, so that they need no
right to create, delete or read anything of JetStream, and always a fresh one: what an old
consumer remembers may belong to another past.
"""

import asyncio
import logging
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Never

from bridge import connection, jetstream, subjects, wire
from bridge.reports import Reports
from bridge.source import Source, StreamName
from wig import codec, errors, replication
from wig.log import Loss, Position
from wig.replication import Answer, AttachRequest, Continue, Refused, Snapshot, Wait

logger = logging.getLogger(__name__)

WORKERS = 8
QUEUE_MAX = 1000  # requests; a downstream asks again after two seconds
WAITED_S_MAX = 1.0
"""For a worker; who asked before has half given up, and asks again. Answering the oldest first
would answer nobody in time, as soon as more ask than can be answered in two seconds."""
ACK_WAIT_NS = 60 * 10**9  # an apply takes milliseconds, a pause of the process may take more
INACTIVE_NS = 600 * 10**9  # whoever comes back later attaches anew anyway
WAITING_MAX = 16  # pull requests; a downstream has two

_CONSUMERS = {"gateway": "{}", "follower": "{}-store"}
"""The names of consumers: a host may have one of each kind under one identity."""


@dataclass(slots=True)
class _Downstream:
    """What is remembered of one downstream."""

    lock: asyncio.Lock
    instance: str = ""
    inbox: str = ""
    claim: Position | None = None
    claimed_at: float | None = None
    """When it first came with this claim, since it last followed."""
    making: tuple[str, dict[str, Any]] | None = None
    """The stream and consumer that JetStream was asked to make, and has not confirmed."""
    lost: Position | None = None
    """Its position that turned out not to be in this timeline: to be told once."""


class Attachments:
    """The downstreams of one node."""

    def __init__(
        self, bus: connection.Connection, node: str, source: Source, reports: Reports
    ) -> None:
        """Serve `source` under the name `node`."""
        self._bus = bus
        self._node = node
        self._source = source
        self._reports = reports
        self._queue: asyncio.Queue[tuple[float, connection.Message]] = asyncio.Queue(QUEUE_MAX)
        self._downstreams: dict[str, _Downstream] = defaultdict(lambda: _Downstream(asyncio.Lock()))
        self.loss: Loss | None = None
        """What the last downstream of another past had; None: there was none, in this process."""
        self.losses = 0
        """How many downstreams came with entries that this timeline does not have."""

    async def run(self) -> Never:
        """Answer."""
        subject = subjects.node_of(self._node, "attach")
        subscription = await self._bus.subscribe(subject, self._received)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(WORKERS):
                    group.create_task(self._work())
        finally:
            await subscription.stop()
        raise AssertionError("unreachable: workers do not end")

    async def _received(self, message: connection.Message) -> None:
        with suppress(asyncio.QueueFull):
            self._queue.put_nowait((asyncio.get_running_loop().time(), message))

    async def _work(self) -> Never:
        now = asyncio.get_running_loop().time
        while True:
            asked, message = await self._queue.get()
            parsed = subjects.parse_node(message.subject)
            if parsed is None or now() - asked > WAITED_S_MAX:
                continue
            _, identity, _ = parsed
            if not subjects.may_answer(message.reply, identity):
                logger.warning("reply subject refused", extra={"from": identity})
                continue
            # Requests come while a new connection is not complete, and the answer would be lost.
            await self._bus.wait_up()
            answer = await self._answer(identity, message.data)
            with suppress(connection.Disconnected):
                await self._bus.publish(message.reply, codec.encode(answer))

    async def _answer(self, identity: str, body: bytes) -> wire.AttachAnswer:
        try:
            request = wire.decode_attach_request(body)
            return await self._attach(identity, request)
        except errors.Permanent as error:
            return wire.AttachAnswer(error=error.body())
        except errors.Temporary as error:
            return wire.AttachAnswer(wait=wire.Because(reason=error.message))

    async def _attach(self, identity: str, request: AttachRequest) -> wire.AttachAnswer:
        consumer = consumer_name(identity, request.kind)
        downstream = self._downstreams[consumer]
        async with downstream.lock:
            stream = self._source.stream()
            answer = await self.decide(identity, request)
            if not isinstance(answer, Continue) or stream is None:
                return to_wire(answer)
            if stream != self._source.stream():
                return wire.AttachAnswer(wait=wire.Because(reason="the stream has changed"))
            await self._make_consumer(stream, downstream, _config(consumer, answer.start, request))
            attached = wire.Attached(
                stream=stream.name,
                consumer=consumer,
                start=answer.start,
                lineage=answer.lineage,
                domain=stream.domain,
            )
            logger.info(
                "downstream attached",
                extra={"downstream": request.node, "consumer": consumer, "start": answer.start},
            )
            return wire.AttachAnswer(continue_=attached)

    async def decide(self, identity: str, request: AttachRequest) -> Answer:
        """Return how the downstream shall follow; remember who it is.

        Also asked before a snapshot is sent: much can change between promise and request.
        """
        consumer = consumer_name(identity, request.kind)
        downstream = self._downstreams[consumer]
        if busy := await self._in_use(identity, consumer, downstream, request):
            return Refused(busy)
        digest = None
        if request.position is not None:
            digest = await self._source.digest_at(request.position.seq)
        now = asyncio.get_running_loop().time()
        if downstream.claimed_at is None or downstream.claim != request.position:
            downstream.claim, downstream.claimed_at = request.position, now
        waited_s = now - downstream.claimed_at
        answer = replication.answer(request, self._source.serving(), digest, waited_s)
        if isinstance(answer, Continue):
            downstream.claimed_at = None
        if isinstance(answer, Snapshot) and answer.loss and downstream.lost != request.position:
            downstream.lost = request.position
            self._tell(request.node, answer.loss)
        return answer

    def _tell(self, node: str, loss: Loss) -> None:
        self.loss = loss
        self.losses += 1
        logger.warning(
            "a downstream has entries that this timeline does not have; it gets a snapshot",
            extra={"downstream": node, "first": loss.first, "last": loss.last},
        )

    async def _in_use(
        self,
        identity: str,
        consumer: str,
        downstream: _Downstream,
        request: AttachRequest,
    ) -> errors.Conflict | None:
        """Say whether another process uses this identity; take note of this one if not."""
        if not subjects.may_answer(request.inbox, identity):
            raise errors.Invalid("inbox: it is not under the caller's own", field="inbox")
        if not downstream.instance:
            downstream.instance, downstream.inbox = await self._holder(consumer)
        held = downstream.instance not in {"", request.instance}
        if held and await self._reports.alive(identity, downstream.instance, downstream.inbox):
            return errors.Conflict(
                f"identity: {identity!r} is in use by instance {downstream.instance}",
                field="identity",
                hint="give each host its own identity, or stop the other process",
            )
        downstream.instance, downstream.inbox = request.instance, request.inbox
        return None

    # Consumers.

    async def _holder(self, consumer: str) -> tuple[str, str]:
        """Return instance and inbox of who has the consumer; this node may have restarted."""
        stream = self._source.stream()
        if stream is None:
            return "", ""
        api = jetstream.JetStream(self._bus, stream.domain)
        answer = await api.find(f"CONSUMER.INFO.{stream.name}.{consumer}")
        metadata = answer.config.metadata if answer and answer.config else {}
        return metadata.get("instance", ""), metadata.get("inbox", "")

    async def _make_consumer(
        self, stream: StreamName, downstream: _Downstream, config: dict[str, Any]
    ) -> None:
        """Make a fresh consumer; raise `Temporary` while it cannot be used.

        One that is not confirmed yet is not made anew at the next attempt.
        """
        api = jetstream.JetStream(self._bus, stream.domain)
        if downstream.making != (stream.name, config):
            downstream.making = None
            await api.find(f"CONSUMER.DELETE.{stream.name}.{config['name']}")
            downstream.making = stream.name, config
        try:
            await api.create_consumer(stream.name, config)
        except jetstream.Refused:
            downstream.making = None
            raise
        downstream.making = None


def _config(consumer: str, start: int, request: AttachRequest) -> dict[str, Any]:
    return {
        "name": consumer,
        "durable_name": consumer,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": start,
        "ack_policy": "all",
        "ack_wait": ACK_WAIT_NS,
        "max_ack_pending": -1,
        "max_waiting": WAITING_MAX,
        "inactive_threshold": INACTIVE_NS,
        "metadata": {"instance": request.instance, "inbox": request.inbox},
    }


def consumer_name(identity: str, kind: str) -> str:
    """Return the name of a downstream's consumer."""
    if kind not in _CONSUMERS:
        raise errors.Invalid(f"kind: {errors.quoted(kind)} is not a kind of node", field="kind")
    return _CONSUMERS[kind].format(identity)


def consumer_names(identity: str) -> set[str]:
    """Return the names of all consumers that an identity may have."""
    return {form.format(identity) for form in _CONSUMERS.values()}


def to_wire(answer: Answer) -> wire.AttachAnswer:
    """Return an answer as it travels; a Continue needs its consumer instead."""
    match answer:
        case Snapshot(reason=reason):
            return wire.AttachAnswer(snapshot=wire.Because(reason=reason))
        case Wait(reason=reason):
            return wire.AttachAnswer(wait=wire.Because(reason=reason))
        case Refused(error=error):
            return wire.AttachAnswer(error=error.body())
        case Continue():
            return wire.AttachAnswer(wait=wire.Because(reason="there is no stream yet"))
