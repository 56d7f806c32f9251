"""The command service: requests in, one transaction for many, answers out. Called by the primary.

While one group commits in the writer's thread, the next one gathers. The stream's acceptance is
not waited for before the next group, only before the answers. A small group is committed right
here, as long as the disk is quick: handing it over would take longer than the commit itself.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Never, Protocol

from bridge import wire
from bridge.answers import Answers
from bridge.connection import Connection
from bridge.metrics import Histogram
from bridge.ownership import Head, Store, head_of
from bridge.publisher import Publisher
from bridge.worker import Worker
from wig import errors
from wig.commands import DECODE, objects
from wig.log import Record
from wig.sqlite.datastore import Outcome, Request

logger = logging.getLogger(__name__)

WAITING_MAX = 10_000  # requests; at 10,000 a second, the last one waits for a second
WAITING_BYTES_MAX = 32 * 1024 * 1024  # of their payloads: eight imports of the greatest size
GROUP_REQUESTS_MAX = 512  # in one transaction: 50 ms at most, for small ones
GROUP_OBJECTS_MAX = 10_000  # likewise, for imports
GROUP_RECORDS_MAX = 12_000  # entries handed to the publisher; the rest it reads itself
BACKLOG_MAX = 20_000  # entries that are committed and not published, before the next group
SMALL_REQUESTS_MAX = 16  # in a group that the event loop commits itself, in 1–2 ms
QUICK_S = 0.005  # for such a group; if the disk takes longer, the event loop does not wait for it
FINISH_CHECK_S = 0.02
CHECK_S = 0.25  # between two looks at the clock

BUSY = wire.failed(
    errors.Unavailable("primary: too many commands are waiting", hint="repeat it in a moment")
)
STUCK = wire.failed(
    errors.Unavailable(
        "primary: its stream does not take entries", hint="is JetStream's disk full? see its log"
    )
)
LOST = wire.failed(errors.Unknown("primary: it stopped while it worked on this"))
STOPPING = wire.failed(errors.Unavailable("primary: it stops"))
REFUSALS = {"busy": BUSY, "stuck": STUCK, "lost": LOST, "stopping": STOPPING}
"""Answers to commands that are not known to be committed, by what metrics call them."""
_ERROR = b'{"error"'  # how `wire.failed` begins


class CommandStore(Store, Protocol):
    """The datastore, as far as it is used here; in the writer's thread."""

    def commit(self, requests: Sequence[Request], now: datetime) -> list[Outcome]:
        """Decide and commit all requests in one transaction."""


class _Waiting(NamedTuple):
    request: Request
    reply: str
    size: int


class Counts:
    """What became of the commands since the start."""

    def __init__(self) -> None:
        """Begin with none."""
        self.results = dict.fromkeys(("done", "failed", "invalid", *REFUSALS), 0)
        self.entries = 0
        """That were committed."""
        self.commit_s = Histogram()
        """For one group: to decide, and to be on disk."""

    def committed(self, took_s: float, entries: int, *, done: int, failed: int) -> None:
        """Count one group."""
        self.commit_s.observe(took_s)
        self.entries += entries
        self.results["done"] += done
        self.results["failed"] += failed


class Commands:
    """Takes commands, and answers them when they are done for good."""

    def __init__(
        self, bus: Connection, store: CommandStore, writer: Worker, publisher: Publisher
    ) -> None:
        """`store` is used in `writer`'s thread only."""
        self._store = store
        self._writer = writer
        self._publisher = publisher
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._committing = False
        self._quick = False
        self._wake = asyncio.Event()
        self.counts = Counts()
        self.answers = Answers(bus)
        publisher.on_accepted(self.answers.release)

    @property
    def waiting(self) -> int:
        """How many commands wait for a transaction."""
        return len(self._waiting)

    def take(self, identity: str, verb: str, payload: bytes, reply: str) -> None:
        """Queue a command, or answer at once why not."""
        if len(self._waiting) >= WAITING_MAX or self._waiting_bytes > WAITING_BYTES_MAX:
            self.counts.results["busy"] += 1
            self.answers.send(reply, BUSY)
            return
        try:
            command = DECODE[verb](payload)
        except errors.Invalid as error:
            self.counts.results["invalid"] += 1
            self.answers.send(reply, wire.failed(error))
            return
        request = Request(identity, command.request, command)
        self._waiting.append(_Waiting(request, reply, len(payload)))
        self._waiting_bytes += len(payload)
        self._wake.set()

    async def run(self) -> Never:
        """Commit what is queued, group by group."""
        await self._publisher.ready.wait()
        try:
            while True:
                await self._wake.wait()
                await self._room()
                group = self._group()
                if self._publisher.stuck:
                    self._refuse(group, "stuck")
                elif group:
                    await self._commit(group)
        finally:
            self._refuse(self._waiting, "stopping")
            self._waiting.clear()

    async def finish(self, timeout_s: float) -> None:
        """Wait until everything that was taken has been answered, or the time is over."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while self._waiting or self._committing or self.answers.waiting:
            left_s = deadline - asyncio.get_running_loop().time()
            if left_s <= 0:
                return
            await self._publisher.moved(min(left_s, FINISH_CHECK_S))

    async def _room(self) -> None:
        """Wait while too much is committed and not published; not for ever."""
        while self._publisher.backlog > BACKLOG_MAX and not self._publisher.stuck:
            await self._publisher.moved(CHECK_S)

    def _group(self) -> list[_Waiting]:
        """Return what goes into the next transaction."""
        group: list[_Waiting] = []
        count = 0
        while self._waiting and len(group) < GROUP_REQUESTS_MAX and count < GROUP_OBJECTS_MAX:
            waiting = self._waiting.popleft()
            self._waiting_bytes -= waiting.size
            group.append(waiting)
            count += objects(waiting.request.command)
        if not self._waiting:
            self._wake.clear()
        return group

    async def _commit(self, group: list[_Waiting]) -> None:
        requests = [waiting.request for waiting in group]
        known = False
        self._committing = True
        now = asyncio.get_running_loop().time
        begin = now()
        try:
            outcomes, records, head = await self._committed(requests)
            known = True
        finally:
            self._committing = False
            if not known:  # stopped, or a defect
                self._refuse(group, "lost")
        took_s = now() - begin
        entries = max(0, head.position.seq - self._publisher.head)
        self._publisher.committed(head, records)
        self.answers.add(
            (outcome.head, waiting.reply, outcome.reply)
            for waiting, outcome in zip(group, outcomes, strict=True)
        )
        self.answers.release(self._publisher.accepted)
        failed = sum(outcome.reply.startswith(_ERROR) for outcome in outcomes)
        self.counts.committed(took_s, entries, done=len(outcomes) - failed, failed=failed)

    async def _committed(self, requests: list[Request]) -> tuple[list[Outcome], list[Record], Head]:
        begin = time.monotonic()
        small = len(requests) <= SMALL_REQUESTS_MAX and not any(
            objects(request.command) > 1 for request in requests
        )
        try:
            if small and self._quick and self._writer.idle:
                return self._writer.at_once(self._commit_now, requests)
            return await self._writer.call(self._commit_now, requests)
        finally:
            if small:
                self._quick = time.monotonic() - begin < QUICK_S

    def _commit_now(self, requests: list[Request]) -> tuple[list[Outcome], list[Record], Head]:
        before = head_of(self._store).position.seq
        outcomes = self._store.commit(requests, datetime.now(UTC))
        head = head_of(self._store)
        changed = head.position.seq > before
        records = self._store.records(before, GROUP_RECORDS_MAX) if changed else []
        return outcomes, records, head

    def _refuse(self, group: Sequence[_Waiting], why: str) -> None:
        self.counts.results[why] += len(group)
        for waiting in group:
            self.answers.send(waiting.reply, REFUSALS[why])
