"""When to speak: regularly, and soon after a change, but never too often.

Called by everything that says where it is: beacons and reports.
"""

import asyncio
from contextlib import suppress


class Cadence:
    """Lets its caller go on every `every_s`, or at a change, and never twice within `gap_s`."""

    def __init__(self, every_s: float, gap_s: float) -> None:
        """Nothing has been said yet: the first `wait` returns at once."""
        self._every_s = every_s
        self._gap_s = gap_s
        self._changed = asyncio.Event()
        self._said_at: float | None = None

    def changed(self) -> None:
        """There is something to say."""
        self._changed.set()

    async def wait(self) -> None:
        """Return when it is time to speak."""
        now = asyncio.get_running_loop().time
        if self._said_at is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._said_at + self._every_s):
                    await self._changed.wait()
            await asyncio.sleep(self._said_at + self._gap_s - now())
        self._changed.clear()
        self._said_at = now()
