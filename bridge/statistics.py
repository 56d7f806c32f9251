"""A gateway's reports of its peers: read the devices, tell what changed, keep what is not told.

Put together in `gateway_node`. `read` and `send` are two services: whatever the bus does, devices
are read every interval, in threads, and what changed waits in bounded memory (`wig.tally`) until
JetStream says that the stream has it. The stream belongs to the process that finds sessions; while
there is none, reports wait. A client's address is used for the look-up of its place, and goes
nowhere.

One report after the other: they are numbered, and stored in that order. The same report is sent
again, byte for byte, until it is acknowledged; the stream drops repeats by their id, and whoever
reads it by (boot, n).
"""

import asyncio
import logging
import math
import random
import secrets
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Never, Protocol

import msgspec

from bridge import jetstream, subjects, supervisor, wire
from bridge.connection import Connection, Disconnected, NoResponders
from bridge.readings import BREATH_S, Readings
from bridge.worker import Worker
from wig import codec, errors, stats
from wig.device import Endpoint
from wig.samples import Batch
from wig.tally import Backlog, Changes, Tally

logger = logging.getLogger(__name__)

INTERVAL_S = 30.0
ACK_S_MAX = 5.0  # JetStream acknowledges in a millisecond, across an ocean in a fifth of a second
LATE_INTERVALS = 3
"""What waits for more intervals than this is a problem that `wig status` shows."""


class Places(Protocol):
    """Who knows where an address is (`bridge.geoip`). One thread at a time."""

    @property
    def version(self) -> int:
        """Another one: what was found before may not be true any more."""

    def refresh(self) -> None:
        """Called before each reading."""

    def find(self, endpoint: Endpoint) -> stats.Place | None:
        """Return where an address is; None: nothing is known of it."""


class _Ack(msgspec.Struct):
    """What we read of an acknowledgement of JetStream."""

    stream: str = ""
    error: jetstream.Error | None = None


_decode_ack = codec.decoder(_Ack)


class _Message(NamedTuple):
    """A report, or a part of one, that is to be sent until it is acknowledged."""

    n: int
    payload: bytes
    at: float
    """When the devices were read, by the monotonic clock."""


class Statistics:
    """The reports of one gateway. `read` and `send` run beside each other; close it at the end."""

    def __init__(
        self,
        bus: Connection,
        readings: Readings,
        *,
        interval_s: float = INTERVAL_S,
        places: Places | None = None,
        backlog: Backlog | None = None,
        draining: Callable[[], bool] = lambda: False,
    ) -> None:
        """Report every `interval_s` seconds, 0: never; without `places`, not where clients are."""
        self._bus = bus
        self._readings = readings
        self._interval_s = interval_s
        self._places = places
        self._draining = draining
        self._boot = secrets.token_hex(stats.BOOT_BYTES)
        self._worker = Worker("statistics")
        self._tally = Tally()
        self._backlog = Backlog() if backlog is None else backlog
        self._numbered = 0
        self._under_way: deque[_Message] = deque()
        self._more = asyncio.Event()
        self._told = False
        self.sent = 0
        """Reports that the stream has taken; a large one counts as several."""
        self.failures = 0
        """Attempts to send one that failed, while there was a connection."""
        self.error: errors.WigError | None = None
        """Why the last attempt failed; None: it did not."""

    # What there is to tell of it.

    @property
    def waiting(self) -> int:
        """How many reports wait."""
        return len(self._backlog) + bool(self._under_way)

    @property
    def waiting_samples(self) -> int:
        """How many samples wait, without those that are being sent."""
        return self._backlog.samples

    @property
    def merged(self) -> int:
        """How many reports became part of a later one, because there was no room."""
        return self._backlog.merged

    @property
    def waiting_since(self) -> float | None:
        """When the oldest report that waits was made, by the monotonic clock; None: none does."""
        if self._under_way:
            return self._under_way[0].at
        return self._backlog.oldest_at

    def problems(self) -> tuple[str, ...]:
        """Return what an operator should know; nothing: all is well."""
        since = self.waiting_since
        if since is None or time.monotonic() - since <= LATE_INTERVALS * self._interval_s:
            return ()
        begin = datetime.now(UTC) - timedelta(seconds=time.monotonic() - since)
        return (f"statistics: reports wait since {begin:%Y-%m-%d %H:%M} UTC: {self._reason()}",)

    def _reason(self) -> str:
        if isinstance(self.error, NoResponders):
            return (
                f"stream {subjects.STATS_STREAM} is not there: start `wig sessions`, "
                "or --report-interval 0 makes none"
            )
        if isinstance(self.error, Disconnected):
            return "there is no connection to the bus"
        return self.error.message if self.error is not None else "there are many"

    # Services.

    def services(self) -> dict[str, supervisor.Service]:
        """Return `read` and `send`; with an interval of 0 nothing."""
        if not self._interval_s:
            return {}
        return {"gateway statistics": self.read, "gateway reports": self.send}

    async def read(self) -> Never:
        """Read the devices now, and then every interval."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self.look()
            due = max(due + self._interval_s, loop.time())
            await asyncio.sleep(due - loop.time())

    async def look(self) -> None:
        """Read the devices once, and let what changed wait to be sent."""
        if self._places is not None:
            await self._worker.call(self._places.refresh)
        changes = Changes(int(time.time()), time.monotonic())
        whole = False
        try:
            await self._readings.read(lambda batch: self._take(batch, changes))
            whole = True
        finally:
            await self._worker.call(self._keep, changes, whole=whole)
            self._more.set()

    def _take(self, batch: Batch, changes: Changes) -> None:
        """In the thread that reads."""
        places = self._places
        if places is None:
            self._tally.add(batch, changes, None)
        else:
            self._tally.add(batch, changes, places.find, places.version)

    def _keep(self, changes: Changes, *, whole: bool) -> None:
        self._tally.end(whole=whole)
        self._backlog.add(changes)

    async def send(self) -> Never:
        """Send what waits, oldest first."""
        while True:
            if not self._under_way:
                self._more.clear()
                self._under_way.extend(await self._worker.call(self._next))
            if not self._under_way:
                await self._more.wait()
            while self._under_way:
                await self._deliver(self._under_way[0])
                self._under_way.popleft()

    def _next(self) -> list[_Message]:
        """Return the oldest changes as numbered reports, ready to be sent."""
        changes = self._backlog.take()
        if changes is None:
            return []
        whole = changes.report(
            self._bus.options.identity, self._boot, self._numbered + 1, math.ceil(self._interval_s)
        )
        found = []
        for part in stats.split(whole):
            found.append(_Message(part.n, stats.encode(part), changes.at))
            time.sleep(BREATH_S)
        self._numbered += len(found)
        return found

    async def _deliver(self, message: _Message) -> None:
        """Send until the stream has it."""
        attempts = 0
        while True:
            try:
                await self._publish(message)
            except Disconnected as error:
                self._failed(error)
                await self._bus.wait_up()
            except errors.WigError as error:  # denied, too: the next token may be of another role
                self.failures += 1
                self._failed(error)
                chance = random.random()  # noqa: S311  # no secret
                await asyncio.sleep(supervisor.retry_wait_s(attempts, chance))
                attempts += 1
            else:
                break
        self.sent += 1
        self.error = None
        if self._told:
            logger.info("statistics are taken again", extra={"waiting": self.waiting})
            self._told = False

    def _failed(self, error: errors.WigError) -> None:
        self.error = error
        if not self._told and self.problems():
            self._told = True
            logger.warning("statistics wait", extra={"reason": self._reason()})

    async def _publish(self, message: _Message) -> None:
        """Send once; raise unless the stream says that it has it."""
        answer = await self._bus.request(
            subjects.stats(self._bus.options.identity),
            message.payload,
            timeout_s=ACK_S_MAX,
            headers={
                wire.MSG_ID: f"{self._bus.options.identity}.{self._boot}.{message.n}",
                stats.AGE_HEADER: f"{time.monotonic() - message.at:.3f}",
            }
            | ({stats.DRAINING_HEADER: "1"} if self._draining() else {}),
        )
        ack = _decode_ack(answer.data)
        if ack.error is not None:
            raise jetstream.Refused("publish", ack.error.err_code, ack.error.description)
        if ack.stream != subjects.STATS_STREAM:
            raise errors.Unavailable(f"the answer is not of stream {subjects.STATS_STREAM}")

    def close(self) -> None:
        """End the thread."""
        self._worker.close()
