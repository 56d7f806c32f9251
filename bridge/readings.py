"""One reading of the devices for everybody who wants to know what they say of their peers.

Called by the gateway's reports and metrics. Reading a large device takes a fifth of a second, so
there is never more than one reading under way, in a thread of its own, and whoever can do with one
that is a few seconds old gets that. What stays in memory is columns of numbers, an eighth of what
the samples themselves would take, and no address.
"""

import asyncio
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bridge.worker import Worker
from wig.samples import Batch

CONNECTED_S = 180
"""REJECT_AFTER_TIME: a session without a newer handshake carries no packets any more (Linux,
drivers/net/wireguard/messages.h)."""

BREATH_S = 0.0003
"""After each batch, two milliseconds' work, the event loop gets the interpreter for as long as it
needs. Unasked, the thread would lend it every 5 ms for a moment, and one turn of the loop
takes ten such moments (measured: pauses of 50 to 100 ms with 100,000 peers)."""

Take = Callable[[Batch], None]
"""Called in the reading's thread with each batch."""


@dataclass(slots=True)
class Columns:
    """The peers of one interface, one list or array for each thing about them."""

    keys: list[str] = field(default_factory=list)
    handshakes_s: "array[int]" = field(default_factory=lambda: array("q"))
    """Unix times; 0: never."""
    received_bytes: "array[int]" = field(default_factory=lambda: array("Q"))
    sent_bytes: "array[int]" = field(default_factory=lambda: array("Q"))

    def add(self, batch: Batch) -> None:
        """Append peers."""
        keys, handshakes_s, received, sent, _ = zip(*batch.peers, strict=True)
        self.keys.extend(keys)
        self.handshakes_s.extend(handshakes_s)
        self.received_bytes.extend(received)
        self.sent_bytes.extend(sent)

    def since(self, handshake_s: float) -> "Columns":
        """Return the peers with a handshake at or after this Unix time."""
        chosen = [n for n, time_s in enumerate(self.handshakes_s) if time_s >= handshake_s]
        return Columns(
            [self.keys[n] for n in chosen],
            array("q", [self.handshakes_s[n] for n in chosen]),
            array("Q", [self.received_bytes[n] for n in chosen]),
            array("Q", [self.sent_bytes[n] for n in chosen]),
        )

    def connected(self, now_s: float) -> int:
        """Return how many peers have a session that carries packets."""
        oldest_s = now_s - CONNECTED_S
        return sum(1 for time_s in self.handshakes_s if time_s >= oldest_s)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the devices said at one moment."""

    at: float
    """When it began, by the monotonic clock."""
    time_s: float
    """The same as Unix time."""
    took_s: float
    interfaces: dict[str, Columns]
    connected: dict[str, int]
    """How many peers of each interface have a session that carries packets."""
    complete: bool = True
    """False: a device did not answer, and its interface is missing."""


class Readings:
    """Reads the devices of one gateway, when somebody asks."""

    def __init__(self, samples: Callable[[], Iterator[Batch]]) -> None:
        """`samples` reads all devices; it is called in a thread of its own. Close it at the end."""
        self._samples = samples
        self._worker = Worker("readings")
        self._one = asyncio.Lock()
        self.last: Reading | None = None
        """None: nobody has asked yet."""

    async def current(self, age_s_max: float) -> Reading:
        """Return a reading that is at most so old; read if there is none."""
        async with self._one:
            last = self.last
            if last is None or time.monotonic() - last.at > age_s_max:
                self.last = last = await self._worker.call(_read, self._samples, None)
            return last

    async def read(self, take: Take) -> Reading:
        """Read now, and show each batch to `take` as it comes."""
        async with self._one:
            self.last = reading = await self._worker.call(_read, self._samples, take)
            return reading

    def close(self) -> None:
        """End the thread, after the reading that is under way."""
        self._worker.close()


def _read(samples: Callable[[], Iterator[Batch]], take: Take | None) -> Reading:
    begin, time_s = time.monotonic(), time.time()
    found: dict[str, Columns] = {}
    silent: set[str] = set()
    for batch in samples():
        if not batch.answered:
            silent.add(batch.interface)
            continue
        columns = found.setdefault(batch.interface, Columns())
        if batch.peers:
            columns.add(batch)
        if take is not None:
            take(batch)
        time.sleep(BREATH_S)
    for name in silent:
        found.pop(name, None)
    connected = {name: columns.connected(time_s) for name, columns in found.items()}
    took_s = time.monotonic() - begin
    return Reading(begin, time_s, took_s, found, connected, complete=not silent)
