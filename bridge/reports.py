"""Reports: downstreams tell the node that they follow what they have applied.

`Reporter` is run by every downstream, `Reports` by every node that is followed. Reports of a
follower carry those of its own downstreams, so that the root knows the whole tree. They are not
stored: a node that starts has them all again within `EVERY_S`.
"""

import asyncio
import logging
from collections.abc import Callable, Container
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Never

from bridge import cadence, connection, subjects, wire
from wig import codec, errors

logger = logging.getLogger(__name__)

ROLES = ("gateway", "follower")  # one report of each is kept per identity
EVERY_S = 2.0
GAP_S = 0.1  # at most ten per second
SILENT_S = 10.0  # five reports that did not come
GONE_S = 5.0  # somebody who reports twice in that time is there
ALIVE_S = 0.5  # in which a process that is alive answers; a leaf across the ocean needs half


@dataclass(frozen=True, slots=True)
class Known:
    """The last report of a downstream."""

    identity: str
    report: wire.Report
    heard_at: float
    """By the event loop's clock."""
    by_token: bool
    """Whether it had a token while it reported."""


class Reporter:
    """Reports of one downstream."""

    def __init__(
        self,
        bus: connection.Connection,
        upstream: str,
        make: Callable[[], wire.Report],
    ) -> None:
        """`make` returns the current report."""
        self._bus = bus
        self._subject = subjects.node(upstream, bus.options.identity, "report")
        self._make = make
        self._cadence = cadence.Cadence(EVERY_S, GAP_S)

    def changed(self) -> None:
        """There is something new to report."""
        self._cadence.changed()

    async def run(self) -> Never:
        """Report, whenever there is a connection."""
        while True:
            await self._cadence.wait()
            await self.report()

    async def report(self) -> None:
        """Report now: somebody asked whether this process is alive."""
        with suppress(connection.Disconnected):
            await self._bus.publish(self._subject, codec.encode(self._make()))


class Reports:
    """What the downstreams of node `node` say."""

    def __init__(self, bus: connection.Connection, node: str) -> None:
        """Know nobody yet."""
        self._bus = bus
        self._node = node
        self._known: dict[tuple[str, str], Known] = {}
        self._awaited: dict[tuple[str, str], list[asyncio.Future[None]]] = {}
        self._on_change: list[Callable[[], None]] = []
        self._tokens: Callable[[], Container[str]] = tuple

    def judge_by(self, tokens: Callable[[], Container[str]]) -> None:
        """Forget whoever is silent and had one of these tokens, when it is deleted."""
        self._tokens = tokens

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back after each report."""
        self._on_change.append(callback)

    def known(self) -> list[Known]:
        """Return everybody who reported to this process, by identity; but who is gone for good.

        Whoever is merely silent is not: an operator has to hear of that.
        """
        tokens, before = self._tokens(), asyncio.get_running_loop().time() - SILENT_S
        for key, known in list(self._known.items()):
            if known.by_token and known.identity not in tokens and known.heard_at < before:
                logger.info("forgotten: its token is deleted", extra={"node": known.report.node})
                del self._known[key]
        return [self._known[key] for key in sorted(self._known)]

    async def run(self) -> Never:
        """Collect."""
        subscription = await self._bus.subscribe(
            subjects.node_of(self._node, "report"), self._received
        )
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await subscription.stop()
        raise AssertionError("unreachable: nobody completes that future")

    async def alive(self, identity: str, instance: str, inbox: str) -> bool:
        """Ask a process of a downstream to report, and say whether it did.

        `inbox` is where it listens. It may not publish an answer anywhere but in reports, and if
        it is gone, the server says so at once.
        """
        reported: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        key = identity, instance
        self._awaited.setdefault(key, []).append(reported)
        reply, absent = self._bus.expect_answer()
        try:
            await self._bus.publish(inbox, reply=reply)
            either: set[asyncio.Future[Any]] = {reported, absent}
            await asyncio.wait(either, timeout=ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
            if absent.done():
                absent.exception()  # whatever it says, nobody is there
            return reported.done()
        finally:
            absent.cancel()
            self._awaited[key].remove(reported)
            if not self._awaited[key]:
                del self._awaited[key]

    async def _received(self, message: connection.Message) -> None:
        parsed = subjects.parse_node(message.subject)
        if parsed is None:
            return
        try:
            report = wire.decode_report(message.data)
        except errors.Invalid as error:
            logger.warning("report refused", extra={"from": parsed[1], "error": error.message})
            return
        if report.role not in ROLES:
            logger.warning("report refused", extra={"from": parsed[1], "error": "unknown role"})
            return
        now = asyncio.get_running_loop().time()
        self._forget(report, now - GONE_S)
        self._remember(parsed[1], report, now)
        for future in self._awaited.get((parsed[1], report.instance), ()):
            if not future.done():
                future.set_result(None)
        for callback in self._on_change:
            callback()

    def _remember(self, identity: str, report: wire.Report, now: float) -> None:
        before = self._known.get((identity, report.role))
        # What was under way when the token was deleted comes without one.
        by_token = identity in self._tokens() or (before is not None and before.by_token)
        self._known[identity, report.role] = Known(identity, report, now, by_token)

    def _forget(self, report: wire.Report, before: float) -> None:
        """Forget what the same node said under another identity: it has got a new token."""
        for key, known in list(self._known.items()):
            same = (known.report.node, known.report.role) == (report.node, report.role)
            if same and known.heard_at < before:
                del self._known[key]
