"""Processes that are a userspace WireGuard: found, watched, ended. Called by `userspace`."""

import contextlib
import os
import select
import signal
from pathlib import Path

PROGRAMS = frozenset({"wireguard-go", "boringtun", "boringtun-cli"})  # adopted when running


class Process:
    """A running wireguard-go; a child of ours, or one that an earlier wig left."""

    def __init__(self, pid: int) -> None:
        """Watch it; raises OSError when it has ended, or may not be watched."""
        self.pid = pid
        self.fd = os.pidfd_open(pid)

    def ended(self, timeout_s: float = 0.0) -> bool:
        """Say whether it is gone, after waiting for that at most this long."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))

    def kill(self) -> None:
        """End it by force."""
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            signal.pidfd_send_signal(self.fd, signal.SIGKILL)

    def close(self) -> None:
        """Let go of it; a child that has ended is no zombie any more."""
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self.fd, os.WEXITED | os.WNOHANG)
        os.close(self.fd)


def runs(name: str) -> bool:
    """Say whether a userspace WireGuard of this host has an interface of this name."""
    return bool(_pids(name))


def running(name: str) -> Process | None:
    """Return the process of a device, whoever started it; None: there is none."""
    for pid in _pids(name):
        try:
            process = Process(pid)
        except OSError:  # it has just ended, or we may not open any more files
            continue
        if pid in _pids(name):  # still the same one, now that its number cannot be reused
            return process
        process.close()
    return None


def _pids(name: str) -> list[int]:
    """Return the processes of this network namespace that are a userspace WireGuard of `name`.

    The socket's own credentials would name the process that listened first, which has ended when
    wireguard-go made itself a daemon.
    """
    ours = _namespace(Path("/proc/self"))
    return [
        int(path.parent.name) for path in Path("/proc").glob("[0-9]*/comm") if _is(path, ours, name)
    ]


def _namespace(process: Path) -> int:
    """Return a number that no other network namespace has.

    Its own link in `ns` can be followed only by who has all the rights that the process has: a
    unit may have fewer than the shell in which somebody started wig first.
    """
    return (process / "net/dev").stat().st_ino


def _is(comm: Path, namespace: int, name: str) -> bool:
    try:
        if comm.read_text().strip() not in PROGRAMS:
            return False
        arguments = comm.with_name("cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        return arguments[-1] == name.encode() and _namespace(comm.parent) == namespace
    except OSError:
        return False
