"""Another program of wig as a child of this one: started, started again when it ends, and stopped.

Called by `wig up`, for what must not share this process. It dies with its parent, and writes its
log to the same place.
"""

import asyncio
import logging
import os
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from typing import Never

from bridge import systemd
from bridge.server import pdeathsig
from wig import errors

logger = logging.getLogger(__name__)

STOP_S_MAX = 8.0  # then it is killed; less than what the supervisor gives us


class Child:
    """One program; `run` keeps it running."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        """`name` is for the log."""
        self._name = name
        self._command = command
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        alive = self._process is not None and self._process.returncode is None
        return self._process.pid if alive and self._process else None

    async def run(self) -> Never:
        """Start it; raise `Unavailable` when it ends, for the supervisor to start it again."""
        # A session of its own: Ctrl-C is for wig, which stops it.
        self._process = process = await asyncio.create_subprocess_exec(
            *pdeathsig(), *self._command, stdin=DEVNULL, start_new_session=True,
            env=systemd.inherited(os.environ),
        )  # fmt: skip
        try:
            code = await process.wait()
        finally:
            await _stop(process)
        raise errors.Unavailable(f"{self._name}: it ended with code {code}")


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
