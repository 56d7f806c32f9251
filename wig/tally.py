"""A gateway's tally: what its peers did since it last looked, and what waits to be told.

Called by `bridge.statistics` in a thread: `Tally` compares each reading of the devices with the
one before, `Backlog` keeps what cannot be reported now. Counters are absolute, so that newer
changes of a peer replace older ones: memory is bounded, however long nobody can be told. What gets
lost is how finely that time was divided, never bytes or a last handshake.

**Invariant:** an address is not kept, not even in memory: only whether it is still the same one.
"""

from array import array
from collections import deque
from collections.abc import Callable

from wig import stats
from wig.device import Endpoint
from wig.samples import Batch
from wig.stats import Place, Report

SAMPLES_MAX = 1_000_000
"""Of a backlog, about 60 MB: five minutes of 100,000 active peers, eight hours of 1,000."""
CHANGES_MAX = 1000
"""Of a backlog: eight hours, at an interval of 30 s."""

Find = Callable[[Endpoint], Place | None]
"""Says where an address is; None: nobody knows."""

_Seen = tuple[int, int, int, int, Place | None]
"""Handshake, bytes received and sent, which address (0: none), and the place of that."""
_NEVER: _Seen = (0, 0, 0, 0, None)


class _Columns:
    """The samples of one interface."""

    __slots__ = ("handshakes", "peers", "places", "received", "sent")

    def __init__(self) -> None:
        self.peers: list[str] = []
        self.handshakes = array("q")
        self.received = array("q")
        self.sent = array("q")
        self.places = array("L")


class Changes:
    """The peers that changed between one reading of the devices and the next."""

    def __init__(self, time_s: int, at: float) -> None:
        """Hold nothing yet.

        The devices were read at `time_s`, Unix time, and `at`, by a clock that nobody sets.
        """
        self.time_s = time_s
        self.at = at
        self.interfaces: dict[str, _Columns] = {}
        self.places: dict[Place, int] = {}
        """With their numbers in a report, from 1 on."""

    def __len__(self) -> int:
        """Return the number of peers."""
        return sum(len(columns.peers) for columns in self.interfaces.values())

    def add(self, interface: str, key: str, seen: _Seen) -> None:
        """Add a peer, which is not in it yet."""
        columns = self.interfaces.get(interface)
        if columns is None:
            columns = self.interfaces[interface] = _Columns()
        handshake_s, received, sent, _, place = seen
        columns.peers.append(key)
        columns.handshakes.append(handshake_s)
        columns.received.append(received)
        columns.sent.append(sent)
        number = self.places.setdefault(place, len(self.places) + 1) if place else 0
        columns.places.append(number)

    def fill(self, older: "Changes") -> None:
        """Add older changes, of peers that did not change since."""
        known = {key for columns in self.interfaces.values() for key in columns.peers}
        places: list[Place | None] = [None, *older.places]
        for interface, columns in older.interfaces.items():
            rows = zip(
                columns.peers, columns.handshakes, columns.received, columns.sent, columns.places,
                strict=True,
            )  # fmt: skip
            for key, handshake_s, received, sent, place in rows:
                if key not in known:
                    self.add(interface, key, (handshake_s, received, sent, 0, places[place]))

    def report(self, gateway: str, boot: str, n: int, interval_s: int) -> Report:
        """Return it as a report, of any size: `stats.split` cuts it."""
        return Report(
            format=stats.FORMAT,
            gateway=gateway,
            boot=boot,
            n=n,
            time=self.time_s,
            interval_s=interval_s,
            places=tuple(self.places),
            interfaces=tuple(
                stats.Samples(
                    interface=interface,
                    peers=tuple(columns.peers),
                    handshakes=tuple(columns.handshakes),
                    received=tuple(columns.received),
                    sent=tuple(columns.sent),
                    places=tuple(columns.places) if self.places else (),
                )
                for interface, columns in self.interfaces.items()
            ),
        )


class Tally:
    """All peers as they were at the last look: 250 bytes each."""

    def __init__(self) -> None:
        """Know nobody: the first reading has everybody who ever did anything."""
        self._before: dict[str, _Seen] = {}
        self._now: dict[str, _Seen] = {}

    def __len__(self) -> int:
        """Return the number of peers that are known."""
        return len(self._before) + len(self._now)

    def add(self, batch: Batch, changes: Changes, find: Find | None, version: int = 0) -> None:
        """Add to the changes those peers of a batch that changed since the last reading.

        `find` is asked once for each address of a peer, and again when its `version` is another.
        """
        before, now, interface = self._before, self._now, batch.interface
        for key, handshake_s, received, sent, endpoint in batch.peers:
            if key in now:  # it has just moved from one interface to another
                continue
            old = before.pop(key, _NEVER)
            if old[0] == handshake_s and old[1] == received and old[2] == sent:
                now[key] = old
                continue
            address, place = 0, None
            if endpoint is not None and find is not None:
                address = hash((version, endpoint))
                place = old[4] if address == old[3] else find(endpoint)
            now[key] = seen = (handshake_s, received, sent, address, place)
            changes.add(interface, key, seen)

    def end(self, *, whole: bool = True) -> None:
        """End the reading; after a whole one, whoever was not there is forgotten."""
        if not whole:
            self._now.update(self._before)
        self._before, self._now = self._now, {}


class Backlog:
    """Changes that wait to be reported, oldest first."""

    def __init__(self, samples_max: int = SAMPLES_MAX, changes_max: int = CHANGES_MAX) -> None:
        """Hold at most this much; a single reading may be larger."""
        self._samples_max = samples_max
        self._changes_max = changes_max
        self._waiting: deque[Changes] = deque()
        self.samples = 0
        """How many samples wait."""
        self.merged = 0
        """How many were merged into later ones for want of room."""
        self.oldest_at: float | None = None
        """By that clock, when the oldest were read; None: nothing waits. Any thread may look."""

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def add(self, changes: Changes) -> None:
        """Let them wait; when there is no room, the oldest ones become one."""
        self._waiting.append(changes)
        self.samples += len(changes)
        while len(self._waiting) > 1 and (
            self.samples > self._samples_max or len(self._waiting) > self._changes_max
        ):
            older, newer = self._waiting.popleft(), self._waiting[0]
            self.samples -= len(older) + len(newer)
            newer.fill(older)
            self.samples += len(newer)
            self.merged += 1
        self.oldest_at = self._waiting[0].at

    def take(self) -> Changes | None:
        """Return the oldest ones, which do not wait any more; None: nothing waits."""
        if not self._waiting:
            return None
        changes = self._waiting.popleft()
        self.oldest_at = self._waiting[0].at if self._waiting else None
        self.samples -= len(changes)
        return changes
