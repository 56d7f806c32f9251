"""The gateways' reports, out of the stream WIG_STATS. Run by `sessions`.

While one batch is learned from and stored in the thread, the next one gathers. A batch is
acknowledged when it is stored.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Never

from bridge.connection import Connection, Message
from bridge.pull import Pull, sequence_of
from bridge.session_book import Book
from bridge.session_edges import Edges
from bridge.session_streams import SessionStreams
from bridge.worker import Worker
from wig import errors

logger = logging.getLogger(__name__)

HEARTBEAT_S = 1.0
SILENT_S = 4.0  # without a report or a heartbeat: the consumer is gone, or the server
REPORTS_MAX = 128  # asked for and not stored: 45 MB of the largest
BATCH_BYTES = 4 * 1024 * 1024  # 40,000 samples: 0.1 s of the thread


class Reports:
    """Reads, learns, stores, acknowledges."""

    def __init__(
        self, bus: Connection, streams: SessionStreams, book: Book, worker: Worker, edges: Edges
    ) -> None:
        """`book` is used in `worker`'s thread only."""
        self._bus = bus
        self._streams = streams
        self._book = book
        self._worker = worker
        self._edges = edges
        self._waiting: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._idle = False
        self._broken = ""
        bus.on_down(lambda: self._ended("the connection broke"))

    @property
    def waiting(self) -> int:
        """How many reports have come and are not learned from."""
        return len(self._waiting)

    async def run(self) -> Never:
        """Read from where the last one stopped; raise `Unavailable` when it breaks."""
        await self._edges.compared.wait()
        await self._bus.wait_up()
        await self._streams.keep_reports()
        backlog = await self._streams.read_reports()
        if backlog:
            logger.info("reports are waiting", extra={"reports": backlog})
        self._waiting.clear()
        self._broken, self._idle = "", False
        subject = self._streams.reports_subject
        pull = Pull(self._bus, subject, HEARTBEAT_S, self._received, self._ended, REPORTS_MAX)
        try:
            await pull.start()
            while True:
                await self._wait(pull)
                batch = self._batch()
                if batch:
                    last = await self._worker.call(self._book.read, batch)
                    await pull.acknowledge(sequence_of(batch[-1].reply))
                    await pull.ask_more(len(self._waiting))
                else:
                    last = await self._worker.call(self._book.pass_by, datetime.now(UTC))
                self._edges.committed(last)
        finally:
            await pull.stop()

    async def _wait(self, pull: Pull) -> None:
        """Return when there are reports, or it is known that there are none."""
        self._idle = False
        while not self._waiting and not self._idle:
            if self._broken:
                raise errors.Unavailable(f"the reports' consumer: {self._broken}")
            self._wake.clear()
            try:
                async with asyncio.timeout(SILENT_S):
                    await self._wake.wait()
            except TimeoutError:
                if not pull.paused:
                    raise errors.Unavailable("the reports' consumer is silent") from None

    def _received(self, messages: Sequence[Message]) -> None:
        self._waiting.extend(messages)
        self._idle = not messages
        self._wake.set()

    def _ended(self, why: str) -> None:
        self._broken = why
        self._wake.set()

    def _batch(self) -> list[Message]:
        """Return what is stored together next."""
        batch: list[Message] = []
        size = 0
        with suppress(IndexError):
            while size < BATCH_BYTES:
                batch.append(self._waiting.popleft())
                size += len(batch[-1].data)
        return batch
