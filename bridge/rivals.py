"""Primaries hear of each other: announcements on `wig.primary`.

Run by every primary. What to think of another one is decided in `wig.primacy`.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import Never

from bridge import connection, subjects
from bridge.source import Me
from bridge.worker import Worker
from wig import codec, errors, primacy
from wig.primacy import Announcement
from wig.sqlite.datastore import Datastore

logger = logging.getLogger(__name__)

EVERY_S = 1.0
ASK_S = 0.5  # for another primary to answer, before this one starts
DOUBLE_S = 2.5  # for whoever has replaced this one to be heard: two announcements and a half

_decode = codec.decoder(Announcement)


class Rivals:
    """What one primary says to others, and hears of them."""

    def __init__(
        self, bus: connection.Connection, me: Me, datastore: Datastore, writer: Worker
    ) -> None:
        """`datastore` is written to in `writer`'s thread only."""
        self._bus = bus
        self._me = me
        self._datastore = datastore
        self._writer = writer
        self._since_ms = int(datetime.now(UTC).timestamp() * 1000)
        self._stop: asyncio.Future[errors.Fenced] = asyncio.get_running_loop().create_future()
        self._double: Announcement | None = None
        """Another process of this node."""
        self._doubled = asyncio.Event()

    async def check(self) -> None:
        """Raise `Fenced` if another primary lives whose place this one must not take."""
        await self._bus.wait_up()
        with suppress(errors.Temporary):
            answer = await self._bus.request(subjects.PRIMARY, timeout_s=ASK_S)
            await self._heard(answer)
        if self._stop.done():
            raise self._stop.result()

    async def run(self) -> Never:
        """Announce, answer, and listen; raise `Fenced` when another one is the primary now."""
        subscription = await self._bus.subscribe(subjects.PRIMARY, self._heard)
        try:
            while not self._stop.done():
                with suppress(connection.Disconnected):
                    await self._bus.publish(subjects.PRIMARY, codec.encode(self._mine()))
                await asyncio.wait({self._stop}, timeout=EVERY_S)
        finally:
            await subscription.stop()
        raise self._stop.result()

    async def replaced(self, error: errors.Fenced) -> errors.Fenced:
        """Return `error`, with what is lost of this one, if the process that has its place says."""
        if self._double is None and self._bus.up:
            subscription = await self._bus.subscribe(subjects.PRIMARY, self._listen)
            with suppress(TimeoutError):
                async with asyncio.timeout(DOUBLE_S):
                    await self._doubled.wait()
            await subscription.stop()
        return await self._writer.call(self._replaced, error)

    def _replaced(self, error: errors.Fenced) -> errors.Fenced:
        """In the writer's thread."""
        position = self._datastore.position()
        head = position.seq if position else 0
        return primacy.replaced(error, self._mine(), self._double, head, self._digest_at).error

    async def _listen(self, message: connection.Message) -> None:
        """Learn of another process of this node."""
        with suppress(errors.Invalid):
            other = _decode(message.data)
            if other.node == self._me.node and other.instance != self._me.instance:
                self._double = other
                self._doubled.set()

    def _mine(self) -> Announcement:
        return Announcement(
            database=self._datastore.database,
            node=self._me.node,
            instance=self._me.instance,
            since_ms=self._since_ms,
            lineage=self._datastore.lineage,
            head=position.seq if (position := self._datastore.position()) else 0,
        )

    def _judge(self, other: Announcement) -> primacy.Verdict | None:
        """Return what to think of it; in the writer's thread."""
        position = self._datastore.position()
        return primacy.judge(self._mine(), other, position.seq if position else 0, self._digest_at)

    def _digest_at(self, seq: int) -> str | None:
        digest = self._datastore.digest_at(seq)
        return digest.hex() if digest is not None else None

    async def _heard(self, message: connection.Message) -> None:
        if message.reply and not message.data:
            with suppress(connection.Disconnected):
                await self._bus.publish(message.reply, codec.encode(self._mine()))
            return
        try:
            other = _decode(message.data)
        except errors.Invalid as error:
            logger.warning("announcement not understood", extra={"error": error.message})
            return
        await self._listen(message)
        verdict = await self._writer.call(self._judge, other)
        if verdict is not None and not self._stop.done():
            if verdict.final:
                await self._writer.call(self._datastore.fence, verdict.error.message)
            if not self._stop.done():
                self._stop.set_result(verdict.error)
