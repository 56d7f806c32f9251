"""Retention: what is old leaves the log, in the database and then in the stream.

Run beside a datastore by `node`. Whoever is so far behind that its entries are gone gets a
snapshot instead.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Never

from bridge.datastore import DatastoreNode
from wig import errors

logger = logging.getLogger(__name__)

INTERVAL_S = 600.0
MAX_AGE = timedelta(days=120)  # longer than any gateway is away, and than most backups are old
KEEP_ENTRIES = 100_000  # about 40 MB; a restore and a follower that is late can still be joined


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How much of the log stays."""

    max_age: timedelta = MAX_AGE
    """Older entries may go."""
    keep_entries: int = KEEP_ENTRIES
    """So many of the last entries stay, however old they are; at least 1."""


class Retention:
    """Forgets old entries of one datastore, a few milliseconds of the writer at a time."""

    def __init__(self, node: DatastoreNode, policy: Policy) -> None:
        """Forget nothing yet."""
        self._node = node
        self._policy = policy

    async def run(self) -> Never:
        """Look at once, and then every ten minutes."""
        while True:
            await self._node.publisher.ready.wait()
            try:
                await self.forget()
            except errors.Temporary as error:
                logger.warning("the log was not pruned", extra={"reason": error.message})
            await asyncio.sleep(INTERVAL_S)

    async def forget(self) -> None:
        """Forget what may go now; commands are decided between two steps."""
        forgotten = 0
        while rows := await self._node.writer.call(self._step, self._keep_from()):
            forgotten += rows
        if forgotten:
            logger.info("old entries are forgotten", extra={"rows": forgotten})
        await self._node.publisher.prune(self._node.datastore.oldest())

    def _keep_from(self) -> int:
        """Keep what is not in the stream yet, and what a snapshot on its way continues with."""
        accepted, snapshot = self._node.publisher.accepted, self._node.snapshots.oldest()
        return accepted if snapshot is None else min(accepted, snapshot)

    def _step(self, keep_from: int) -> int:
        policy = self._policy
        return self._node.datastore.prune(
            datetime.now(UTC), policy.max_age, policy.keep_entries, keep_from
        )
