"""The publisher: brings the log into the stream, and keeps it there.

Called by every datastore, primary or follower. `ownership` gets hold of the stream; then this
sends entries, many at a time, without waiting for one before the next: each is accepted only right
after the one before, so the answer to the last of a group speaks for all of them. A refusal, a
missing answer, or a lost connection is a doubt: it looks at the stream again, and goes on from
what is there.

Entries come from the writer as they are committed (`committed`), or, when the stream is behind,
out of the database. A follower's log may also be replaced by a snapshot (`replaced`): then a new
stream begins.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Never

from bridge.connection import Connection
from bridge.outbox import Outbox
from bridge.ownership import Head, Ownership, Start, Store
from bridge.source import Me
from bridge.streams import Streams
from bridge.worker import Worker
from wig import log
from wig.log import Record

logger = logging.getLogger(__name__)

GROUP_ENTRIES_MAX = 500  # per answer of the stream: answers cost little, and memory is bounded
READ_ENTRIES_MAX = 2_000  # read from the database at once, when the stream is behind
UNDER_WAY_MAX = 5_000  # entries without an answer; nats-server keeps 20,000 waiting, then drops
FRESH_ENTRIES_MAX = 20_000  # committed entries kept in memory; beyond, they are read again
HEADS_MAX = 10_000  # commits that are remembered one by one; beyond, only the last one is
ANSWER_S_MAX = 2.0  # for one group; a server that syncs to a slow disk takes some 100 ms
STUCK_S = 2.0  # without progress while something waits: commands are refused from then on
PAUSE_S_MIN = 0.02  # before looking again at a stream that refused again, doubled each time
PAUSE_S_MAX = 1.0
CHECK_S = 0.25  # between two looks at the clock


class Publisher:
    """The log of one datastore, in its stream. `run` does the work."""

    def __init__(
        self, bus: Connection, store: Store, writer: Worker, me: Me, *, domain: str | None = None,
        replicas: int = 1, replace: bool = False,
    ) -> None:  # fmt: skip
        """`store` is used in `writer`'s thread only; of a follower, it is another node's copy.

        `replicas` is how many servers of a cluster keep the stream. `replace`: streams of another
        database under this name may go.
        """
        self._bus = bus
        self._store = store
        self._writer = writer
        self._streams = Streams(bus, me.node, me.instance, domain=domain, replicas=replicas)
        self.ownership = Ownership(
            bus, store, writer, self._streams, node=me.node, instance=me.instance,
            follows=me.role != "primary", replace=replace,
        )  # fmt: skip
        self._outbox: Outbox | None = None
        self._fresh: deque[Sequence[Record]] = deque()
        self._heads: deque[Head] = deque()
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._listeners: list[Callable[[int], None]] = []
        self._progress_s = 0.0
        self._head = 0
        self._resumed = 0
        """The last entry of the stream when publishing began again."""
        self._failures = 0
        """How often in a row it began again in vain."""
        self._replaced = False
        self._sending = False
        """Whether `run` sends what it has taken, or reads it."""
        self.alone = asyncio.Event()
        """Set once no other instance of this node has answered; until then it must be silent."""
        self.ready = asyncio.Event()
        """Set once the stream is ours; until then nothing may be committed."""
        self.accepted = 0
        """The last entry that the stream is known to have."""
        self.published: Head | None = None
        """The last commit that the stream has completely; None: not known yet."""
        self.first = 0
        """The first entry in the stream, or the next one."""
        bus.on_up(self._reconnected)

    @property
    def generation(self) -> str:
        """Of the stream; empty: there is none yet."""
        return self.ownership.generation if self.ready.is_set() else ""

    # -- for those who commit

    def on_accepted(self, listener: Callable[[int], None]) -> None:
        """Call back with the last entry that the stream has, each time it has more."""
        self._listeners.append(listener)

    def committed(self, head: Head, records: Sequence[Record]) -> None:
        """Take what was just committed; `records` may lack the end, if it is much."""
        if head.position.seq <= self._head:
            return
        if self.accepted >= self._head:
            self._progress_s = self._now()
        self._head = head.position.seq
        self._remember(head)
        outbox = self._outbox
        if outbox is not None and self._next_in(outbox, records):
            outbox.send(records)
            return
        if records and self.backlog <= FRESH_ENTRIES_MAX:
            self._fresh.append(records)
        self._wake.set()

    def _next_in(self, outbox: Outbox, records: Sequence[Record]) -> bool:
        """Say whether they can be sent at once: to wake `run` would take longer than to send."""
        return (
            0 < len(records) <= GROUP_ENTRIES_MAX
            and records[0].seq == outbox.sent + 1
            and outbox.under_way < UNDER_WAY_MAX
            and not self._sending
        )

    def begun(self, head: Head) -> None:
        """Take the begin of a new epoch, which has no entry yet."""
        self._remember(head)
        if self._outbox is not None:
            self._accepted(self.accepted)

    def _remember(self, head: Head) -> None:
        if len(self._heads) >= HEADS_MAX:
            self._heads.pop()  # until the next one is in the stream, that is all there is to say
        self._heads.append(head)

    def replaced(self) -> None:
        """Take note that a snapshot has replaced the log: nothing of it is in a stream yet."""
        self._stop_sending()
        self.ready.clear()
        self.published = None
        self._heads.clear()
        self._head = self.accepted = 0
        self._progress_s = self._now()
        self._replaced = True
        self.ownership.replaced()

    @property
    def head(self) -> int:
        """The last committed entry."""
        return self._head

    @property
    def backlog(self) -> int:
        """How many committed entries the stream is not known to have."""
        return self._head - self.accepted

    @property
    def stuck(self) -> bool:
        """Whether nothing moves although something should."""
        return self.still_s > STUCK_S

    @property
    def still_s(self) -> float:
        """For how long nothing has moved although something should; 0: nothing waits."""
        idle = self._outbox is not None and self.accepted >= self._head
        return 0.0 if idle else self._now() - self._progress_s

    async def moved(self, timeout_s: float) -> None:
        """Return when the stream has more, or after `timeout_s`."""
        self._moved.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._moved.wait()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # -- sending

    async def run(self) -> Never:
        """Claim the stream, bring it up to the log, and publish what comes.

        Raises `Fenced` when another instance runs or has taken the stream.
        """
        self._stop_sending()
        await self.ownership.check_alone()
        self.alone.set()
        while await self._writer.call(self._store.position) is None:
            await self._wait_for_more()  # for a follower's first snapshot
        self._replaced = False
        self._begin(await self.ownership.open())
        while True:
            outbox = self._outbox
            if self._replaced:
                self._replaced = False
                self._begin(await self.ownership.recover())
            elif outbox is None:
                await self._pause()
                self._begin(await self.ownership.recover())
            elif outbox.sent < self._head and outbox.under_way < UNDER_WAY_MAX:
                self._sending = True
                try:
                    await self._send(outbox)
                finally:
                    self._sending = False
            else:
                await self._wait(outbox)

    async def _pause(self) -> None:
        """Wait before looking again, if the last look changed nothing: a full stream stays full."""
        if self.accepted > self._resumed:
            self._failures = 0
        if self._failures:
            await asyncio.sleep(min(PAUSE_S_MIN * 2 ** min(self._failures, 10), PAUSE_S_MAX))
        self._failures += 1

    def _begin(self, start: Start) -> None:
        if self._replaced:
            return  # meanwhile: `start` is of the log before
        self.first = start.first
        self._head = max(self._head, start.head.position.seq)
        self._heads = deque([start.head, *self._later_than(start.head)])
        self._outbox = Outbox(
            self._bus,
            self._streams.subject(self.ownership.generation),
            after=start.after,
            digest=start.digest,
            epoch_at=lambda seq: log.epoch_at(self._store.lineage, seq),
            accepted=self._accepted,
            doubt=self.doubt,
        )
        self._resumed = start.after
        self.ready.set()
        logger.info("publishing", extra={"after": start.after, "head": self._head})
        self._accepted(start.after)

    def _later_than(self, head: Head) -> list[Head]:
        """Return what was committed after `head`, and not what belongs to an epoch that is over."""
        known = [*([self.published] if self.published else []), *self._heads]
        if head in known:
            return known[known.index(head) + 1 :]
        return [one for one in known if one.position.seq > head.position.seq]

    async def _send(self, outbox: Outbox) -> None:
        while self._fresh and self._fresh[0][-1].seq <= outbox.sent:
            self._fresh.popleft()  # sent out of the database meanwhile
        if self._fresh and self._fresh[0][0].seq == outbox.sent + 1:
            records = self._fresh.popleft()
        else:
            records = await self._writer.call(self._store.records, outbox.sent, READ_ENTRIES_MAX)
        for start in range(0, len(records), GROUP_ENTRIES_MAX):
            if outbox is not self._outbox:
                return
            outbox.send(records[start : start + GROUP_ENTRIES_MAX])
            await self._bus.room()

    async def _wait(self, outbox: Outbox) -> None:
        if not await self._wait_for_more() and outbox.waits_s() > ANSWER_S_MAX:
            self.doubt("the stream does not answer")

    async def _wait_for_more(self) -> bool:
        """Say whether something happened soon."""
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(CHECK_S):
                return await self._wake.wait()
        return False

    def doubt(self, reason: str) -> None:
        """Look at the stream before anything more is sent."""
        logger.warning("publishing is in doubt", extra={"reason": reason})
        self._stop_sending()

    def _reconnected(self) -> None:
        """Look at the stream: a server that was away may have lost it, and others would wait."""
        if self._outbox is not None:
            self.doubt("the server was away")

    def _stop_sending(self) -> None:
        if self._outbox is not None:
            self._outbox.close()
            if self.accepted >= self._head:
                self._progress_s = self._now()  # nothing waited until now
        self._outbox = None
        self._fresh.clear()
        self._wake.set()

    def _accepted(self, seq: int) -> None:
        if seq != self.accepted:
            self._progress_s = self._now()
        self.accepted = seq
        while self._heads and self._heads[0].position.seq <= seq:
            self.published = self._heads.popleft()
        if self._outbox is None or self._outbox.sent < self._head:
            self._wake.set()
        self._moved.set()
        for listener in self._listeners:
            listener(seq)

    async def look(self) -> None:
        """Learn which entry is the first: the stream drops the oldest when it is full.

        A stream that is gone is replaced, although nothing waits to be published: without one,
        nobody could attach.
        """
        if self.ready.is_set() and self._outbox is not None:
            seen = await self._streams.look(self.ownership.generation)
            if seen is None:
                self.doubt("the stream is gone")
            else:
                self.first = seen.first

    async def prune(self, keep_from: int) -> None:
        """Delete the entries before `keep_from` from the stream; the last one always stays."""
        keep_from = min(keep_from, self.accepted)
        if self.ready.is_set() and keep_from > self.first:
            await self._streams.prune(self.ownership.generation, keep_from)
            self.first = keep_from
