"""Another program of wig as a child of this one: started, started again when it ends, and stopped.

Called by `wig up`, for what must not share this process. It dies with its parent, and writes its
log to the same place. It speaks to us as it does to systemd (`systemd`): we hear that it lives,
and whether it is ready; one that hangs goes silent, and is killed and started again.
"""

import asyncio
import logging
import os
import secrets
import socket
import struct
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from typing import Never

from bridge import systemd
from bridge.server import pdeathsig
from wig import errors

logger = logging.getLogger(__name__)

STOP_S_MAX = 8.0  # then it is killed; less than what the supervisor gives us
LOOK_S = 1.0
SILENT_LOOKS_MAX = 20
"""In which it must give a sign of life, as it does every second. Looks, and not seconds: when all
of the machine was frozen, this is one."""
START_LOOKS_MAX = 300  # for its first one: a database of a million peers is read before
READY_S_MAX = 20.0  # for it to be ready before that is a problem: the primary may just have started
_DATAGRAM_BYTES = 4096
_DATAGRAMS_MAX = 100  # read at one look, so that nobody can hold us up
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid, unix(7)


class _Ear:
    """A socket on which one process is heard, as systemd has one.

    It is an abstract one, so that no file is left when we are killed. Anybody on this host can
    send to it; the kernel says who did. What others send may leave no room for the process's own.
    """

    def __init__(self) -> None:
        name = f"wig-{secrets.token_hex(16)}"
        self.address = f"@{name}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(f"\0{name}")

    def hear(self, pid: int) -> tuple[list[str], bool]:
        """Return what the process has said since the last time, and whether others spoke, too."""
        lines: list[str] = []
        others = False
        space = socket.CMSG_SPACE(_CREDENTIALS.size)
        for _ in range(_DATAGRAMS_MAX):
            try:
                said, more, _, _ = self._socket.recvmsg(_DATAGRAM_BYTES, space)
            except BlockingIOError:
                break
            if [_CREDENTIALS.unpack(about)[0] for _, _, about in more] == [pid]:
                lines += said.decode(errors="replace").split("\n")
            else:
                others = True
        return lines, others

    def close(self) -> None:
        self._socket.close()


class Child:
    """One program; `run` keeps it running."""

    def __init__(self, name: str, command: Sequence[str], look_s: float = LOOK_S) -> None:
        """`name` is for the log; `look_s` is how often we look whether it lives."""
        self._name = name
        self._command = command
        self._look_s = look_s
        self._process: Process | None = None
        self._failure = ""
        self._status = ""
        self._unready_since: float | None = None

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        alive = self._process is not None and self._process.returncode is None
        return self._process.pid if alive and self._process else None

    def problems(self) -> tuple[str, ...]:
        """Return what an operator should know: it failed and is not back, or does not get ready."""
        if self._failure:
            return (f"{self._name}: {self._failure}",)
        since = self._unready_since
        if since is None or asyncio.get_running_loop().time() - since < READY_S_MAX:
            return ()
        return (f"{self._name}: {self._status or 'it does not start'}",)

    async def run(self) -> Never:
        """Start it; raise `Unavailable` when it ends or hangs: the supervisor starts it again."""
        ear = _Ear()
        watchdog_s = self._look_s * SILENT_LOOKS_MAX
        told = {"NOTIFY_SOCKET": ear.address, "WATCHDOG_USEC": f"{watchdog_s * 1e6:.0f}"}
        self._status, self._unready_since = "", asyncio.get_running_loop().time()
        try:
            # A session of its own: Ctrl-C is for wig, which stops it.
            self._process = process = await asyncio.create_subprocess_exec(
                *pdeathsig(), *self._command, stdin=DEVNULL, start_new_session=True,
                env=systemd.inherited(os.environ) | told,
            )  # fmt: skip
            try:
                self._failure = await self._watch(process, ear)
            finally:
                await _stop(process)
        finally:
            ear.close()
        raise errors.Unavailable(f"{self._name}: {self._failure}")

    async def _watch(self, process: Process, ear: _Ear) -> str:
        """Return why it does not go on: it ended, or it hangs and was killed."""
        ended = asyncio.create_task(process.wait())
        silent, silent_max = 0, START_LOOKS_MAX
        try:
            while silent < silent_max:
                await asyncio.wait([ended], timeout=self._look_s)
                if ended.done():
                    return f"it ended with code {ended.result()}; the log says why"
                heard, others = ear.hear(process.pid)
                self._note(heard)
                if heard:
                    silent, silent_max = 0, SILENT_LOOKS_MAX
                elif not others:
                    silent += 1
            # It would not hear that it is to end.
            process.kill()
            return f"it hung: no sign of life for {silent * self._look_s:.0f} s"
        finally:
            ended.cancel()

    def _note(self, lines: Sequence[str]) -> None:
        """Remember what it says of itself (`systemd.run`)."""
        for status in (line[7:] for line in lines if line.startswith("STATUS=")):
            self._status = status
            if status == systemd.READY:
                self._failure, self._unready_since = "", None
            elif self._unready_since is None:
                self._unready_since = asyncio.get_running_loop().time()


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_S_MAX):
            await process.wait()
    except TimeoutError:
        logger.warning("a child had to be killed", extra={"pid": process.pid})
        process.kill()
        await process.wait()
