"""Other processes that keep sessions: there may be one, since two take each other's reports.

Run by `sessions`. All of them answer the question who they are; the one that began first goes on.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from bridge import subjects
from bridge.connection import Connection, Disconnected, Message, Subscription
from wig import codec, errors
from wig.codec import Time

logger = logging.getLogger(__name__)

VERB = "session.status"
ALONE_S = 0.5  # for another one to say that it is there


class Status(msgspec.Struct, frozen=True):
    """What one of them says of itself."""

    instance: str = ""
    since: Time = datetime.min.replace(tzinfo=UTC)


class _Reply(msgspec.Struct):
    ok: Status = msgspec.field(default_factory=Status)


_decode = codec.decoder(_Reply)


class Rivals:
    """Who else keeps sessions, beside the process `mine`."""

    def __init__(self, bus: Connection, mine: Status) -> None:
        """Ask nobody yet."""
        self._bus = bus
        self._mine = mine
        self._subject = subjects.api(bus.options.identity, VERB)
        self._inbox = bus.new_inbox()
        self._subscription: Subscription | None = None
        self._heard = False
        self._before: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def check_alone(self) -> None:
        """Raise `Fenced` if another one answers, before this one does."""
        with suppress(errors.Temporary):
            told = _told(await self._bus.request(self._subject, timeout_s=ALONE_S))
            if told is not None and told.instance != self._mine.instance:
                raise _fenced(told.instance)

    async def open(self) -> None:
        """Listen until closed, for an answer may take longer than anybody waits for it."""
        self._subscription = await self._bus.subscribe(self._inbox, self._hear)

    async def close(self) -> None:
        """Listen no more."""
        self._before.cancel()
        if self._subscription is not None:
            await self._subscription.stop()

    async def look(self, wait_s: float) -> bool:
        """Ask, and say whether another one answered in that time, whenever it was asked.

        Raises `Fenced` as soon as one is known that has begun before.
        """
        self._heard = False
        with suppress(Disconnected):
            await self._bus.publish(self._subject, b"{}", reply=self._inbox)
        await asyncio.wait([self._before], timeout=wait_s)
        if self._before.done():
            raise _fenced(self._before.result())
        return self._heard

    async def _hear(self, message: Message) -> None:
        told = _told(message)
        if told is None or told.instance == self._mine.instance:
            return
        self._heard = True
        earlier = (told.since, told.instance) < (self._mine.since, self._mine.instance)
        if earlier and not self._before.done():
            self._before.set_result(told.instance)


def _told(message: Message) -> Status | None:
    """Return what one says of itself; None: it says nothing, so an error is nobody's answer."""
    try:
        status = _decode(message.data).ok
    except errors.Invalid:
        return None
    return status if status.instance else None


def _fenced(instance: str) -> errors.Fenced:
    return errors.Fenced(
        f"sessions: another process keeps them already ({instance})",
        hint="there is one for a deployment, beside the primary: stop the other one",
    )
