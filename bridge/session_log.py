"""What the log deletes, for those who keep something about peers. Run by `sessions`.

The primary is asked for its entries, like by anybody else, so this needs neither a stream nor a
place that has to be kept: at the start, and whenever entries are missing or the log turns out to
be another one, all peers that were ever seen are compared with those that there are.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Never

from bridge.client import Client
from bridge.session_book import FAR
from bridge.worker import Worker
from wig import errors
from wig.sqlite.history import HistoryReader

logger = logging.getLogger(__name__)

POLL_S = 1.0
RETRY_S = 2.0  # while the primary does not answer
PAGE_ENTRIES = 1_000  # looked at in 1 ms, for which other queries wait
DELETIONS = ("peer.delete", "interface.delete")
PAGE_PEERS = 400  # the same; a few milliseconds of the primary's reader
ASK_S = 10.0

Forget = Callable[[Sequence[str], Sequence[str]], Awaitable[None]]
"""Called with the public keys of peers and the names of interfaces that are deleted."""


class _Missing(Exception):
    """The log does not continue what was read of it."""


class LogReader:
    """Follows the primary's log."""

    def __init__(
        self, client: Client, reader: HistoryReader, worker: Worker, forget: Forget
    ) -> None:
        """`reader` is used in `worker`'s thread only."""
        self._client = client
        self._reader = reader
        self._worker = worker
        self._forget = forget
        self._seq = 0
        self._digest = ""
        self._silent = False
        self.compared = False
        """All peers have been compared since the start."""

    async def run(self) -> Never:
        """Compare, then follow."""
        while True:
            try:
                if not self.compared:
                    await self._compare()
                    self.compared = True
                await self._follow()
                self._silent = False
                await asyncio.sleep(POLL_S)
            except _Missing:
                logger.info("the log is another one, or has forgotten entries: all is compared")
                self.compared = False
                await asyncio.sleep(POLL_S)
            except errors.Temporary as error:
                if not self._silent:
                    logger.info("the log cannot be followed now", extra={"error": error.message})
                self._silent = True
                await asyncio.sleep(RETRY_S)

    async def _compare(self) -> None:
        """Find out which of the peers that were seen are no more."""
        head = (await self._client.query("log.list", {"limit": 1}, timeout_s=ASK_S)).position
        self._seq, self._digest = (head.seq, head.digest) if head else (0, "")
        after, deleted = "", 0
        while known := await self._worker.call(self._reader.unused, FAR, after, PAGE_PEERS):
            gone = await self._gone(after, known)
            if gone:
                await self._forget(gone, ())
            deleted += len(gone)
            after = known[-1]
        logger.info("peers are compared with the log", extra={"seq": self._seq, "gone": deleted})

    async def _gone(self, after: str, known: Sequence[str]) -> list[str]:
        """Return those of the known peers, which are sorted and after `after`, that are no more."""
        gone = dict.fromkeys(known)
        cursor: str | None = after
        while cursor is not None and cursor < known[-1]:
            body = {"limit": PAGE_PEERS} | ({"after": cursor} if cursor else {})
            page = (await self._client.query("peer.list", body, timeout_s=ASK_S)).ok or {}
            for peer in page["peers"]:
                gone.pop(peer["public_key"], None)
            cursor = page.get("next")
        return list(gone)

    async def _follow(self) -> None:
        """Read what is new."""
        while True:
            after = max(0, self._seq - 1)  # what is known, too: is it still the same log?
            body = {"after": after, "limit": PAGE_ENTRIES, "do": DELETIONS}
            reply = await self._client.query("log.list", body, timeout_s=ASK_S)
            known = {"seq": self._seq, "digest": self._digest}
            head = reply.position
            if head is not None and (head.seq, head.digest) == (self._seq, self._digest):
                return  # also of a log that begins with a snapshot, and has no entry yet
            page = reply.ok or {}
            if self._seq and page["first"] != known:
                raise _Missing
            if page["last"] in (None, known):
                return
            ops = [entry["op"] for entry in page["entries"]]
            peers = [op["public_key"] for op in ops if op["do"] == "peer.delete"]
            interfaces = [op["name"] for op in ops if op["do"] == "interface.delete"]
            if peers or interfaces:
                await self._forget(peers, interfaces)
            self._seq, self._digest = page["last"]["seq"], page["last"]["digest"]
