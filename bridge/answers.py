"""Answers that wait until the stream has what they rest on. Called by `commands`.

Acknowledged means committed *and* accepted by the stream. An answer that waits too long becomes
`unknown`: its command is committed, and will be published, but nobody can say when.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple, Never

from bridge import frames, wire
from bridge.connection import Connection, Disconnected
from wig import errors

logger = logging.getLogger(__name__)

WAIT_S_MAX = 5.0  # for the stream to reach an answer; clients repeat after as long
CHECK_S = 0.5  # between two looks at the clock

UNKNOWN = wire.failed(
    errors.Unknown(
        "stream: it does not take entries; the command is stored, and will take effect",
        hint="repeat it with the same request id; see `wig status`",
    )
)


class _Answer(NamedTuple):
    head: int
    until_s: float
    reply: str
    body: bytes


class Answers:
    """Answers in the order in which they were decided."""

    def __init__(self, bus: Connection) -> None:
        """Hold nothing."""
        self._bus = bus
        self._waiting: deque[_Answer] = deque()

    @property
    def waiting(self) -> int:
        """How many answers wait."""
        return len(self._waiting)

    def add(self, answers: Iterable[tuple[int, str, bytes]]) -> None:
        """Send each (head, reply, body) when the stream has entry `head`, in this order."""
        until_s = asyncio.get_running_loop().time() + WAIT_S_MAX
        self._waiting.extend(_Answer(head, until_s, reply, body) for head, reply, body in answers)

    def release(self, accepted: int) -> None:
        """Send what rests on entries up to `accepted`."""
        parts = []
        waiting = self._waiting
        while waiting and waiting[0].head <= accepted:
            answer = waiting.popleft()
            parts.append(frames.message(answer.reply, answer.body))
        self._send(parts)

    async def run(self) -> Never:
        """Tell those who wait too long."""
        while True:
            await asyncio.sleep(CHECK_S)
            now_s = asyncio.get_running_loop().time()
            parts = []
            while self._waiting and self._waiting[0].until_s < now_s:
                parts.append(frames.message(self._waiting.popleft().reply, UNKNOWN))
            self._send(parts)

    def send(self, reply: str, body: bytes) -> None:
        """Send an answer that rests on nothing."""
        self._send([frames.message(reply, body)])

    def _send(self, parts: list[bytes]) -> None:
        if not parts:
            return
        try:
            self._bus.send(b"".join(parts))
        except Disconnected:
            # The callers are gone as well, or repeat their requests when they are back.
            logger.info("answers were lost with the connection", extra={"answers": len(parts)})
