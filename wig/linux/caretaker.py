"""Looks after the devices whether or not anything arrives: revives, remembers, audits, wipes.

Started by `gateway`, in a thread of its own, so that a device that dies is back within a second
even when the bus, its event loop or the datastore are in trouble.
"""

import logging
import os
import select
import threading
import time

from wig import errors
from wig.linux.sink import HostSink

logger = logging.getLogger(__name__)

REMEMBER_INTERVAL_S = 5.0  # a client that moved later than this must greet by itself
WIPE_INTERVAL_S = 30.0  # how much longer than its time an address stays, at most
SHARE_MAX = 0.02  # of the time may go into reading devices, however large they are
WAIT_S_MAX = 0.5  # and then hears of devices that are new
REVIVE_WAIT_S_MAX = 30.0
STEADY_S = 10.0
"""A device that dies sooner after it was revived waits before the next time, twice as long each
time: 1, 2, 4 … `REVIVE_WAIT_S_MAX`."""


class _Revival:
    """When a device that died is started again."""

    def __init__(self) -> None:
        self.last = float("-inf")
        self.wait_s = 0.0

    def due(self, now: float) -> float:
        steady = now - self.last > STEADY_S
        self.wait_s = 0.0 if steady else min(max(1.0, self.wait_s * 2), REVIVE_WAIT_S_MAX)
        return now + self.wait_s


class Caretaker:
    """One thread that looks after one sink."""

    def __init__(self, sink: HostSink, audit_interval_s: float) -> None:
        """Start nothing yet."""
        self._sink = sink
        self._audit_interval_s = audit_interval_s
        self._thread = threading.Thread(target=self._run, name="wig-caretaker", daemon=True)
        self._stop_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._stopping = False
        self._revivals: dict[str, _Revival] = {}
        self._due: dict[str, float] = {}
        now = time.monotonic()
        self._next_audit = now + audit_interval_s
        self._next_memory = now + REMEMBER_INTERVAL_S
        self._next_wipe = now
        self.fault: BaseException | None = None
        """Why the thread has ended without being told to; it cannot happen."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after what is under way."""
        self._stopping = True
        os.eventfd_write(self._stop_fd, 1)
        if self._thread.is_alive():
            self._thread.join()
        os.close(self._stop_fd)

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._tend(time.monotonic())
                self._wait()
        except BaseException as error:
            self.fault = error
            raise

    def _tend(self, now: float) -> None:
        try:
            self._revive(now)
            if now >= self._next_memory:
                self._remember(now)
            if now >= self._next_audit:
                self._audit(now)
            if now >= self._next_wipe:
                self._wipe(now)
        except (errors.WigError, OSError) as error:
            # One look at the host failed; the next comes soon, and sees whatever this one did not.
            logger.warning("host not readable", extra={"reason": str(error)})

    def _revive(self, now: float) -> None:
        for name in self._sink.dead():
            self._due[name] = self._revivals.setdefault(name, _Revival()).due(now)
            self._forget_steady(now)
        for name in [name for name, due in self._due.items() if due <= now]:
            del self._due[name]
            self._revivals[name].last = now
            try:
                self._sink.revive(name)
            except (errors.WigError, OSError):
                self._due[name] = self._revivals[name].due(now)  # the host tells of it only once
                raise

    # What failed is not due at once, either: the thread would do nothing else.

    def _remember(self, now: float) -> None:
        try:
            self._sink.remember()
        finally:
            self._next_memory = _after(now, REMEMBER_INTERVAL_S)

    def _audit(self, now: float) -> None:
        try:
            self._sink.audit()
        finally:
            self._next_audit = _after(now, self._audit_interval_s)

    def _wipe(self, now: float) -> None:
        try:
            self._sink.wipe(now, time.time())
        finally:
            self._next_wipe = _after(now, WIPE_INTERVAL_S)

    def _forget_steady(self, now: float) -> None:
        """Keep no account of interfaces that may be gone for good."""
        self._revivals = {
            name: each
            for name, each in self._revivals.items()
            if name in self._due or now - each.last <= STEADY_S
        }

    def _wait(self) -> None:
        """Wait for a death, the end, or what is due next."""
        now = time.monotonic()
        times = (self._next_audit, self._next_memory, self._next_wipe, now + WAIT_S_MAX)
        due = min(*times, *self._due.values())
        poll = select.poll()
        for fd in (self._stop_fd, *self._sink.wait_fds()):
            poll.register(fd, select.POLLIN)
        poll.poll(max(0.0, due - now) * 1000)


def _after(begin: float, interval_s: float) -> float:
    """Return when to do it again, given when this time began."""
    now = time.monotonic()
    return now + max(interval_s, (now - begin) / SHARE_MAX)
