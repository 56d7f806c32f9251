"""A continuous pull of one consumer's messages.

Called by `follower`, and by what reads reports. nats-py's `fetch` hides why nothing comes
(measured: a deleted consumer looks like an idle one), so the requests are made and read here.
There is always a request open, with heartbeats, as long as there is room for what comes.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import groupby

from bridge import connection, wire
from bridge.connection import Message
from wig import codec
from wig.log import Record

MESSAGES_MAX = 4000  # asked for and not yet applied: entries of 2 MB, 0.2 s of catching up
EXPIRES_S = 30
NS = 10**9
STATUS_HEARTBEAT = "100"  # NATS, ADR-37
STATUS_EXPIRED = "408"  # the rest of a request will not be served; ask again
STATUS = "Status"
PENDING = "Nats-Pending-Messages"
"""With 408: how many messages of the request did not come."""

Received = Callable[[Sequence[Message]], None]
"""Called with messages in the order of the stream; with none at a heartbeat."""

Broken = Callable[[str], None]
"""Called once, with the reason, when the consumer is gone or nobody answers for it."""


class Pull:
    """The messages of one attachment."""

    def __init__(
        self,
        bus: connection.Connection,
        subject: str,
        heartbeat_s: float,
        received: Received,
        broken: Broken,
        most: int = MESSAGES_MAX,
    ) -> None:
        """Ask for nothing yet; `subject` is `subjects.pull`. Never hold more than `most`."""
        self._bus = bus
        self._loop = asyncio.get_running_loop()
        self._subject = subject
        self._heartbeat_s = heartbeat_s
        self._received = received
        self._broken = broken
        self._inbox = bus.new_inbox()
        self._subscription: connection.Subscription | None = None
        self._most = most
        self._open = most
        """How many messages have been asked for and have not come; `start` asks for these."""
        self._messages: list[Message] = []
        self._replies: deque[tuple[int, str]] = deque()
        self._stopped = False

    async def start(self) -> None:
        """Listen, and ask for the first messages.

        With two requests that expire at different times: when one does, the other is open.
        """
        self._subscription = await self._bus.subscribe(self._inbox, self._arrived)
        await self._ask(self._most // 2, EXPIRES_S / 2)
        await self._ask(self._most // 2, EXPIRES_S)

    async def stop(self) -> None:
        """Ask for nothing more; what has come and not been given is dropped."""
        self._stopped = True
        self._messages.clear()
        if self._subscription is not None:
            await self._subscription.stop()

    @property
    def paused(self) -> bool:
        """Whether nothing is asked for, because enough waits to be applied: no heartbeats."""
        return self._open == 0

    def has_room(self, backlog: int) -> bool:
        """Say whether it is time to ask for more; `backlog` messages wait to be applied."""
        return not self._stopped and self._most - backlog - self._open >= self._most // 2

    async def ask_more(self, backlog: int) -> None:
        """Ask for more if it is time to."""
        if self.has_room(backlog):
            count = self._most - backlog - self._open
            self._open += count
            await self._ask(count, EXPIRES_S)

    async def _ask(self, count: int, expires_s: float) -> None:
        body = {
            "batch": count,
            "expires": int(expires_s * NS),
            "idle_heartbeat": int(self._heartbeat_s * NS),
        }
        with suppress(connection.Disconnected):
            await self._bus.publish(self._subject, codec.encode(body), reply=self._inbox)

    async def acknowledge(self, seq: int) -> None:
        """Tell the stream that everything up to `seq` is done with."""
        reply = ""
        while self._replies and self._replies[0][0] <= seq:
            reply = self._replies.popleft()[1]
        if reply and not self._stopped:
            with suppress(connection.Disconnected):
                await self._bus.publish(reply)

    def _arrived(self, message: Message) -> None:
        headers = message.headers or {}
        status = headers.get(STATUS)
        if status is None:
            self._take(message)
        elif status == STATUS_HEARTBEAT:
            self._give()
        elif status == STATUS_EXPIRED:
            self._open = max(0, self._open - int(headers.get(PENDING) or 0))
            self._give()
        elif not self._stopped:
            self._stopped = True
            self._broken(f"{status} {headers.get('Description', 'nobody answers')}")

    def _take(self, message: Message) -> None:
        if not self._messages:
            # Once for everything that the socket had: messages are given in batches.
            self._loop.call_soon(self._give)
        self._open -= 1
        self._messages.append(message)

    def _give(self) -> None:
        messages, self._messages = self._messages, []
        if messages:
            last = messages[-1].reply
            self._replies.append((sequence_of(last), last))
        if not self._stopped:
            self._received(messages)


def entries(received: Callable[[Sequence[Record], str], None]) -> Received:
    """Return what gives messages on as entries, those of one epoch at a time; none as none."""

    def arrived(messages: Sequence[Message]) -> None:
        if not messages:
            received((), "")
        for epoch, some in groupby(messages, _epoch):
            received([_record(message) for message in some], epoch)

    return arrived


def _epoch(message: Message) -> str:
    return (message.headers or {}).get(wire.EPOCH, "")


def _record(message: Message) -> Record:
    digest = _digest((message.headers or {}).get(wire.MSG_ID))
    return Record(sequence_of(message.reply), message.data, digest)


def sequence_of(reply: str) -> int:
    """Return the sequence in the stream of a delivered message, from its reply subject.

    `$JS.ACK.<stream>.<consumer>.<delivered>.<seq>…`, or, with more tokens,
    `$JS.ACK.<domain>.<account>.<stream>.<consumer>.<delivered>.<seq>…` (nats-server, ADR-15).
    """
    tokens = reply.split(".")
    return int(tokens[5] if len(tokens) == 9 else tokens[7])


def _digest(text: str | None) -> bytes:
    """Return the digest in a header; empty, which matches nothing, if there is none."""
    with suppress(ValueError):
        return bytes.fromhex(text or "")
    return b""
