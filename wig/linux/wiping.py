"""Takes from the devices the addresses of clients that have been idle for too long.

Called by `sink`, in the caretaker's thread. Whoever seizes a gateway then does not learn from it
where its clients were. No device can clear an endpoint, so the peer is removed and added again as
it was, in one request, right after the device was read. What remains: a client that comes between
the two has its handshake undone, and repeats it within 15 s (REKEY_TIMEOUT and KEEPALIVE_TIMEOUT,
WireGuard paper, section 6.1); and the peer's counters begin again at 0. The device also forgets
when the last greeting was made, as it does when it is started: somebody who recorded an old one
could have it answered once more, which gives no session, and ends with the client's next greeting.

It needs no state: nothing but the address is taken, so a gateway that has lost its upstream
forgets as well.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from wig import errors
from wig.device import DevicePeer
from wig.idle import Idle
from wig.linux.quarantine import problem, subject
from wig.steps import HostPort, PeerChange, Problem, SetPeers

logger = logging.getLogger(__name__)

PEERS_MAX = 1000
"""In one go: the device is read again before the next ones, so that no client waits for its turn
longer than its handshake takes."""

PAUSE_S = 0.02
"""Between two rounds: many times what a waiting thread needs to wake up."""


class Wiping:
    """Who is idle, and how many addresses were taken."""

    def __init__(
        self,
        host: HostPort,
        lock: threading.RLock,
        age_s_max: float,
        set_aside: Callable[[Iterable[Problem]], None],
    ) -> None:
        """Use the host, and change it under its lock. 0: never take anything.

        `set_aside` takes what the host refused: a peer that is not back on its device.
        """
        self._host = host
        self._lock = lock
        self._set_aside = set_aside
        self._idle = Idle(age_s_max) if age_s_max else None
        self.count = 0
        """How many addresses were taken since the start."""

    def run(self, now: float, wall: float) -> int:
        """Look at all clients, and take the addresses of those that are idle; return how many.

        `now` is of `time.monotonic`, `wall` of `time.time`.
        """
        if self._idle is None:
            return 0
        names = self._host.interfaces()
        self._idle.keep(frozenset(names))
        wiped = sum(self._wipe(name, self._idle, now, wall) for name in names)
        if wiped:
            self._host.remember()  # without them
            self.count += wiped
            logger.info("addresses of idle clients forgotten", extra={"count": wiped})
        return wiped

    def _wipe(self, name: str, idle: Idle, now: float, wall: float) -> int:
        """Take the addresses of one interface's idle clients.

        First without the lock: reading a large device takes a second, and mostly nobody is idle.
        """
        wiped = 0
        try:
            if not self._somebody(name, idle, now, wall):
                return wiped
            while count := self._wipe_some(name, idle, now, wall):
                wiped += count
                _pause()
        except (errors.Unusable, OSError) as error:
            # The other interfaces have their own: this one's comes again the next time.
            _stay(name, problem("clients", name, error).reason)
        return wiped

    def _somebody(self, name: str, idle: Idle, now: float, wall: float) -> bool:
        """Say whether anybody is idle, or may be: entries that go on arriving can hide it."""
        try:
            clients = self._host.clients(name)
        except errors.Unusable:
            return True
        return bool(idle.look(name, clients, now=now, wall=wall))

    def _wipe_some(self, name: str, idle: Idle, now: float, wall: float) -> int:
        """Take the addresses of those who are idle for longest; return how many."""
        with self._lock:
            clients = self._host.clients(name)
            due = idle.look(name, clients, now=now, wall=wall)[:PEERS_MAX]
            if due and self._take(name, {key: clients[key] for key in due}):
                return len(due)
        return 0

    def _take(self, name: str, clients: dict[str, DevicePeer]) -> bool:
        changes = tuple(change for key, peer in clients.items() for change in _anew(key, peer))
        step = SetPeers(name=name, changes=changes)
        try:
            problems = self._host.perform(step)
        except (errors.Unusable, OSError) as error:
            problems = (problem(subject(step), name, error),)
        self._set_aside(problems)
        # Not before the next time: they are still there, and would be asked for for ever.
        return not problems or _stay(name, problems[0].reason)

    def oldest_s(self) -> float | None:
        """Return how long the client that is idle for longest has been; None: nobody looks."""
        return None if self._idle is None else self._idle.oldest_s(time.monotonic())


def _pause() -> None:
    """Let in who waits for the lock: whoever gives it back and asks again at once has it first."""
    time.sleep(PAUSE_S)


def _stay(name: str, reason: str) -> bool:
    logger.warning("addresses of idle clients stay", extra={"interface": name, "reason": reason})
    return False


def _anew(public_key: str, peer: DevicePeer) -> Iterator[PeerChange]:
    """Yield what makes a peer one that was never heard of."""
    yield PeerChange(public_key=public_key, remove=True)
    yield PeerChange(
        public_key=public_key,
        preshared_key=peer.preshared_key,
        allowed_ips=peer.allowed_ips,
        keepalive_s=peer.keepalive_s,
    )
