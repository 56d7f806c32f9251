"""Begins and ends of sessions into the stream WIG_SESSIONS, each once. Run by `sessions`.

An edge is in the database before anybody hears of it, under a number. Each is published right
after the message before it (`Nats-Expected-Last-Sequence`), so nothing that was sent long ago can
slip in; and its number is in its message, so whatever was interrupted, the end of the stream says
how far it came. Nothing rests on how long JetStream remembers message ids.
"""

import asyncio
import logging
import secrets
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any, Never

import msgspec

from bridge import connection, frames, subjects, wire
from bridge.connection import Connection
from bridge.session_book import Book
from bridge.session_streams import Last, SessionStreams
from bridge.worker import Worker
from wig import codec, edges, errors
from wig.edges import Mark
from wig.sessions import Edge, Session

logger = logging.getLogger(__name__)

GROUP_EDGES_MAX = 500  # with one answer: each is accepted only after the one before
ANSWER_S_MAX = 5.0
LOOK_S = 30.0  # between two looks whether the stream is there, while nothing is published
GENERATION_BYTES = 4


class _PubAck(msgspec.Struct):
    """What JetStream answers to a published message; other members are ignored."""

    seq: int = 0
    error: dict[str, Any] | None = None


_decode = codec.decoder(_PubAck)


class Edges:
    """The edges of one database."""

    def __init__(
        self, bus: Connection, streams: SessionStreams, book: Book, worker: Worker
    ) -> None:
        """`book` is used in `worker`'s thread only."""
        self._bus = bus
        self._streams = streams
        self._book = book
        self._worker = worker
        self._wake = asyncio.Event()
        self._generation = ""
        self.compared = asyncio.Event()
        """The stream has been looked at: its numbers and the database's fit together."""
        self.published = 0
        """The stream has all edges up to this one."""
        self.last = 0
        """The last edge there is."""

    def committed(self, last: int) -> None:
        """Take note that there are edges up to `last`."""
        if last > self.last:
            self.last = last
            self._wake.set()

    async def run(self) -> Never:
        """Publish what there is, and what comes."""
        await self._bus.wait_up()
        seq = await self._open()
        while True:
            self._wake.clear()
            some = await self._worker.call(self._book.edges, self.published, GROUP_EDGES_MAX)
            if some:
                seq = await self._publish(some, seq)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
                    continue
            await self._check(seq)

    async def _open(self) -> int:
        """Find out how far the stream is, and return its last sequence."""
        found = await self._streams.look_at_edges()
        stored = await self._worker.call(self._book.stored)
        resume = edges.resume(stored, found.mark if found else None)
        if resume.lost:
            told = {"first": resume.lost[0], "last": resume.lost[1]}
            logger.warning("the database is an older copy: it has forgotten edges", extra=told)
        fresh = secrets.token_hex(GENERATION_BYTES)
        await self._worker.call(self._book.begin, resume, fresh)
        self._generation = fresh if resume.anew else stored.generation
        self.published = resume.after
        self.last = max(self.last, stored.last)
        self.compared.set()
        await self._streams.keep_edges()
        last = found or await self._streams.look_at_edges() or Last(0, None)
        if resume.after != stored.published:
            told = {"published": resume.after, "known": stored.published}
            logger.info("the stream of sessions was looked at", extra=told)
        return last.seq

    async def _check(self, seq: int) -> None:
        """Begin anew if the stream is not as it was left."""
        found = await self._streams.look_at_edges()
        if found is None or found.seq != seq:
            raise errors.Unavailable("the stream of sessions is not what it was")

    async def _publish(self, some: Sequence[Edge], seq: int) -> int:
        """Publish edges after sequence `seq`, and return the sequence of the last one."""
        if some[0].number != self.published + 1:
            told = {"first": self.published + 1, "last": some[0].number - 1}
            logger.warning("edges are lost: the stream does not have them", extra=told)
        inbox, answer = self._bus.expect_answer()
        parts = [
            frames.message(
                subjects.session(edge.session.interface, edge.kind),
                event(edge, self._book.draining),
                reply=inbox if edge is some[-1] else "",
                head=frames.headers(
                    {
                        wire.EXPECTED_LAST_SEQUENCE: str(seq + index),
                        wire.MSG_ID: Mark(self._generation, edge.number).text,
                    }
                ),
            )
            for index, edge in enumerate(some)
        ]
        try:
            self._bus.send(b"".join(parts))
            async with asyncio.timeout(ANSWER_S_MAX):
                _accepted(await answer, seq + len(some))
        except TimeoutError:
            raise errors.Unknown("the stream of sessions does not answer") from None
        finally:
            answer.cancel()
        await self._worker.call(self._book.published, some[-1].number)
        self.published = some[-1].number
        return seq + len(some)


def _accepted(message: connection.Message, seq: int) -> None:
    """Raise `Unavailable` unless the stream has accepted everything up to `seq`."""
    if connection.is_no_responders(message):
        raise errors.Unavailable("the stream of sessions is gone")
    ack = _decode(message.data)
    if ack.error is not None or ack.seq != seq:
        why = ack.error.get("description", "refused") if ack.error else f"accepted as {ack.seq}"
        raise errors.Unavailable(f"the stream of sessions: {why}")


def event(edge: Edge, draining: Collection[str] = ()) -> bytes:
    """Return an edge as it is published: `deploy/pipelines/session-event.schema.json`.

    `draining` are all gateways that nobody new is to be sent to; those of the session are shown.
    """
    mine = [gateway for gateway in edge.session.gateways if gateway in draining]
    named = {"event": edge.kind, "number": edge.number}
    return codec.encode({**named, **shown(edge.session), "draining": mine})


def shown(session: Session) -> dict[str, Any]:
    """Return a session for programs: every field, whatever its value."""
    return {name: getattr(session, name) for name in Session.__struct_fields__}
