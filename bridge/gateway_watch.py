"""What a gateway's program keeps an eye on, and tells others: problems, clients, the drain mark.

Called by `gateway_node`. Looking is cheap, and what is expensive (reading all peers of the devices)
is shared with whoever reads them anyway (`readings`).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Never, Protocol

from bridge import drain
from bridge.readings import Reading, Readings
from bridge.worker import Worker
from wig import errors

LOOK_S = 1.0
PROBLEMS_MAX = 10  # in one report; there may be as many as peers
COUNT_S = 30.0  # between two counts of connected peers, if nobody reads the devices meanwhile
COUNT_S_DRAINING = 2.0  # somebody watches
COUNT_SHARE_MAX = 0.05  # of the time, however large the devices are


class Quarantined(Protocol):
    """An object that is not on the host as it should be (`wig.linux.quarantine`)."""

    @property
    def subject(self) -> str:
        """What it is about."""

    @property
    def reason(self) -> str:
        """What the host says."""

    @property
    def hint(self) -> str:
        """What an operator can do about it; empty: nothing in particular."""


class Watched(Protocol):
    """The gateway's side of the host, as far as it is looked at here."""

    def quarantine(self) -> Sequence[Quarantined]:
        """Return what is not on the host as it should be."""

    def fault(self) -> BaseException | None:
        """Return why it does not look after its devices any more; None: it does."""


class Watch:
    """Looks at one gateway."""

    def __init__(
        self,
        sink: Watched,
        worker: Worker,
        readings: Readings,
        mark: drain.Mark,
        changed: Callable[[], None],
    ) -> None:
        """`worker` is the sink's thread; `changed` is called when there is news to report."""
        self._sink = sink
        self._worker = worker
        self._readings = readings
        self._changed = changed
        self.draining = drain.Draining(mark, changed)
        self.problems: tuple[str, ...] = ()
        """In words, the first ones."""
        self.quarantined: tuple[str, ...] = ()
        """What they are about, all of them."""

    def connected(self) -> int | None:
        """Return how many peers were connected at the last reading.

        None: there was none, or a device did not answer.
        """
        last = self._last()
        return sum(last.connected.values()) if last is not None and last.complete else None

    def _last(self) -> Reading | None:
        """Return the last reading.

        Of a drained gateway, one from before does not count: somebody waits for nobody to be left.
        """
        last = self._readings.last
        outdated = last is not None and self.draining.on and last.at < self.draining.since
        return None if outdated else last

    def kinds(self) -> dict[str, int]:
        """Return how many objects of each kind are in quarantine."""
        return dict(Counter(subject.split(" ", maxsplit=1)[0] for subject in self.quarantined))

    async def look(self) -> Never:
        """Report what the host refuses; raise if nothing looks after it: only a restart helps."""
        while True:
            await asyncio.sleep(LOOK_S)
            if (fault := self._sink.fault()) is not None:
                raise errors.Unusable("gateway: nothing looks after its devices") from fault
            self.draining.look()
            # In the sink's thread: it may be busy for long, and the event loop must not wait.
            found = await self._worker.call(self._sink.quarantine)
            self.quarantined = tuple(one.subject for one in found)
            if (told := _told(found)) != self.problems:
                self.problems = told
                self._changed()

    async def count(self) -> Never:
        """Count the connected peers now and then, and often while they become fewer."""
        took_s = 0.0
        while True:
            wait_s = COUNT_S_DRAINING if self.draining.on else COUNT_S
            age_s_max = max(wait_s, took_s / COUNT_SHARE_MAX)
            before = self.connected()
            if self._last() is None:
                age_s_max = 0.0
            took_s = (await self._readings.current(age_s_max)).took_s
            if self.connected() != before:
                self._changed()
            await asyncio.sleep(COUNT_S_DRAINING)


def _told(found: Sequence[Quarantined]) -> tuple[str, ...]:
    """Return the first problems as text, and how many there are besides."""
    told = tuple(_sentence(one) for one in found[:PROBLEMS_MAX])
    more = len(found) - len(told)
    return (*told, f"and {more} more") if more else told


def _sentence(one: Quarantined) -> str:
    said = f"{one.subject}: {one.reason}"
    return f"{said}; {one.hint}" if one.hint else said
