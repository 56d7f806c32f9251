"""What a program tells systemd: that it is up, how it is, and that it lives (sd_notify(3)).

Run by `telemetry`, when the unit asks for it (`Type=notify`, `WatchdogSec=`). `READY=1` is said
when the program is ready, or after `READY_S_MAX`: a gateway that waits for its datastore must hold
up neither the boot nor whatever is ordered after it. `WATCHDOG=1` is said twice in each interval,
as long as the event loop runs and the threads that matter take calls; a program that hangs goes
silent, and systemd starts it again.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Never, Protocol

logger = logging.getLogger(__name__)

READY_S_MAX = 20.0
EVERY_S = 1.0  # between two looks; a watchdog with a shorter interval makes it shorter
BUSY_S_MAX = 300.0
"""For a thread to take a call: it may be putting 60,000 peers on a device, or loading a snapshot
of a million."""
STATUS_CHARACTERS_MAX = 200
READY = "ready"
"""The status of a program that can be used; any other begins with why it cannot."""

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")

Probe = Callable[[], Awaitable[object]]
"""Completes when what it asks is alive."""


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a child: only the unit's main process speaks to systemd."""
    return {name: value for name, value in environment.items() if name not in VARIABLES}


class Condition(Protocol):
    """How the program is (`telemetry.Telemetry`)."""

    def unhealthy(self) -> tuple[str, ...]:
        """Return why it must be restarted."""

    def unready(self) -> tuple[str, ...]:
        """Return why it should not be used now."""


class Notifier:
    """Speaks to the socket in `NOTIFY_SOCKET`."""

    def __init__(self, path: str, watchdog_s: float | None) -> None:
        """`path` may name an abstract socket, with `@`. `watchdog_s` is the unit's interval."""
        self._path = "\0" + path[1:] if path.startswith("@") else path
        self.watchdog_s = watchdog_s

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int) -> "Notifier | None":
        """Return the one that systemd asks process `pid` for; None: it does not."""
        path = environment.get("NOTIFY_SOCKET", "")
        if not path:
            return None
        usec = environment.get("WATCHDOG_USEC", "")
        mine = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        return cls(path, int(usec) / 1e6 if usec.isdecimal() and mine else None)

    def tell(self, *lines: str) -> None:
        """Send; a manager that does not listen is no reason to stop."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sending:
                sending.connect(self._path)
                sending.send("\n".join(lines).encode())
        except OSError as error:
            logger.debug("systemd does not listen", extra={"error": error.strerror})


class Liveness:
    """Whether the threads of a program take calls."""

    def __init__(self, probes: Mapping[str, Probe]) -> None:
        """Ask nobody yet."""
        self._probes = probes
        self._asked: dict[str, tuple[float, asyncio.Task[object]]] = {}

    def stuck(self) -> tuple[str, ...]:
        """Ask those that have answered; return those that have not answered for so long."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for name, probe in self._probes.items():
            asked = self._asked.get(name)
            if asked is None or asked[1].done():
                task = loop.create_task(_ask(probe))
                task.add_done_callback(_answered)
                self._asked[name] = (now, task)
        return tuple(name for name, (at, _) in self._asked.items() if now - at > BUSY_S_MAX)

    async def close(self) -> None:
        """Forget what was asked."""
        for _, task in self._asked.values():
            task.cancel()
        await asyncio.gather(*(task for _, task in self._asked.values()), return_exceptions=True)


async def _ask(probe: Probe) -> object:
    return await probe()


def _answered(task: asyncio.Task[object]) -> None:
    """Take note of how it ended: an error is an answer, and somebody else's business."""
    if not task.cancelled():
        task.exception()


async def run(notifier: Notifier, condition: Condition) -> Never:
    """Tell how the program is, until it is stopped."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    half_s = (notifier.watchdog_s or 2 * EVERY_S) / 2
    told_ready, told_status = False, ""
    try:
        while True:
            lines = []
            reasons = condition.unready()
            if not told_ready and (not reasons or loop.time() - begin > READY_S_MAX):
                told_ready = True
                lines.append("READY=1")
            if (status := _status(reasons)) != told_status:
                told_status = status
                lines.append(f"STATUS={status}")
            if notifier.watchdog_s is not None and not condition.unhealthy():
                lines.append("WATCHDOG=1")
            if lines:
                notifier.tell(*lines)
            await asyncio.sleep(min(EVERY_S, half_s))
    finally:
        with suppress(OSError):
            notifier.tell("STOPPING=1")


def _status(reasons: tuple[str, ...]) -> str:
    text = f"not ready: {'; '.join(reasons)}" if reasons else READY
    return " ".join(text.split())[:STATUS_CHARACTERS_MAX]
