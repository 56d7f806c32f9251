"""Whether a running nats-server has to be started anew. Called by `server` while it runs.

Two things it does not recover from by itself. A stream that once could not be written (the disk
was full) takes nothing any more, also when there is room again: nats-server keeps the error until
it is started anew. And it may hang. Every other complaint of its own is no reason.
"""

import asyncio
import errno
import logging
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from bridge import probe
from wig import errors

logger = logging.getLogger(__name__)

LOOK_S = 2.0  # between two looks
ANSWER_S_MAX = 5.0  # it answers in a millisecond
WRITE_ERRORS = 2  # in a row: it lasts
SILENCES = 6  # in a row, each of two questions: a minute; a start takes seconds
ROOM_BYTES = 1 << 20  # a start writes a few files of some kB
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
PAUSES_S = (0.0, 10.0, 60.0, 300.0)
"""Before each further restart for the same reason, unless it was well for longer than the last."""


class ServerHealth:
    """What was seen of one server, over its restarts."""

    def __init__(self, host: str, store: Path) -> None:
        """`store` is JetStream's directory; its monitor is on `host`."""
        self._host = host
        self._store = store
        self._write_errors = 0
        self._silences = 0
        self._restarts = 0
        self._restarted_s = 0.0
        self._told = False

    async def look(self, monitor_port: int) -> str:
        """Look once; return why it has to be started anew now, empty: it has not."""
        answer = await self._ask(monitor_port, "details=true")
        if answer is None and await self._ask(monitor_port, "js-server-only=true") is None:
            self._silences += 1
            return "it does not answer" if self._silences >= SILENCES else ""
        self._silences = 0
        if answer is None or not any(sign in answer for sign in probe.WRITE_ERRORS):
            self._write_errors = 0
            self._told = False
            return ""
        self._write_errors += 1
        return await self._write_error() if self._write_errors >= WRITE_ERRORS else ""

    def restarted(self) -> None:
        """Take note that it was started anew."""
        now = asyncio.get_running_loop().time()
        calm = now - self._restarted_s > 2 * PAUSES_S[-1]
        self._restarts = 1 if calm else self._restarts + 1
        self._restarted_s = now
        self._write_errors = self._silences = 0
        self._told = False

    async def _write_error(self) -> str:
        """Return why, as soon as a restart would help: it also costs every connection."""
        if not await asyncio.to_thread(has_room, self._store):
            if not self._told:
                logger.error("nats-server cannot write: make room", extra={"dir": str(self._store)})
            self._told = True
            return ""
        pause_s = PAUSES_S[min(self._restarts, len(PAUSES_S) - 1)]
        waited_s = asyncio.get_running_loop().time() - self._restarted_s
        return "a stream could not be written" if waited_s >= pause_s else ""

    async def _ask(self, monitor_port: int, query: str) -> bytes | None:
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S_MAX):
                return await probe.health(self._host, monitor_port, query)
        return None


def has_room(directory: Path) -> bool:
    """Say whether a little can be written to a directory, within its quota as well."""
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            os.posix_fallocate(file.fileno(), 0, ROOM_BYTES)
    except OSError as error:
        return error.errno not in NO_ROOM
    return True


async def need_room(directory: Path) -> None:
    """Raise `Unavailable` on a full disk, where a server would not start, or take nothing."""
    if not await asyncio.to_thread(has_room, directory):
        raise errors.Unavailable(
            f"nats-server: {errors.quoted(directory)} has no room", hint="free some disk space"
        )
