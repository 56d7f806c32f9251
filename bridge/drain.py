"""Draining a gateway: nobody new shall be sent to it, and those that are there go on.

`Drains` is run by every node that is followed: it takes the operator's request (`wig gateway
drain`) and tells the gateway, which alone remembers it. So it works while the primary is away, if
the gateway follows another node, and nothing about the deployment is in the database. The answer
is sent when the gateway has reported it.

`Draining` is the gateway's side.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Never, Protocol

from bridge import connection, frames, subjects, wire
from bridge.reports import GONE_S, Known, Reports
from wig import codec, errors

logger = logging.getLogger(__name__)

CONFIRM_S_MAX = 3.0  # for a gateway across the ocean to report back
WAITING_MAX = 100


class Drains:
    """Tells the gateways that follow one node."""

    def __init__(self, bus: connection.Connection, node: str, reports: Reports) -> None:
        """`reports` are those that come to `node`."""
        self._bus = bus
        self._node = node
        self._reports = reports
        self._queue: asyncio.Queue[tuple[bytes, str]] = asyncio.Queue(WAITING_MAX)
        self._heard = asyncio.Event()
        reports.on_change(self._heard.set)

    def take(self, identity: str, verb: str, payload: bytes, reply: str) -> None:
        """Queue a request."""
        del identity, verb
        try:
            self._queue.put_nowait((payload, reply))
        except asyncio.QueueFull:
            busy = errors.Unavailable(f"node: {self._node!r} has too many such requests")
            with suppress(connection.Disconnected):
                self._bus.send(frames.message(reply, wire.failed(busy)))

    async def run(self) -> Never:
        """Answer, one after the other."""
        while True:
            payload, reply = await self._queue.get()
            try:
                report = await self._tell(wire.decode_drain(payload))
                body = wire.ok({"connected": report.connected})
            except errors.WigError as error:
                body = wire.failed(error)
            with suppress(connection.Disconnected):
                self._bus.send(frames.message(reply, body))

    async def _tell(self, request: wire.DrainRequest) -> wire.Report:
        """Tell the gateway, and return its report once it says so."""
        gateway = self._gateway(request.gateway)
        await self._bus.publish(gateway.report.inbox, codec.encode(request))
        with suppress(TimeoutError):
            async with asyncio.timeout(CONFIRM_S_MAX):
                return await self._confirmed(request)
        raise errors.Unavailable(
            f"gateway: {request.gateway!r} does not confirm it",
            field="gateway",
            hint="is it older than this node? its log says what it was told",
        )

    async def _confirmed(self, request: wire.DrainRequest) -> wire.Report:
        while True:
            report = self._gateway(request.gateway).report
            if report.draining == request.draining:
                return report
            self._heard.clear()
            await self._heard.wait()

    def _gateway(self, name: str) -> Known:
        """Return the gateway that reports under this name now."""
        now = asyncio.get_running_loop().time()
        for known in self._reports.known():
            report = known.report
            fresh = report.role == "gateway" and now - known.heard_at < GONE_S
            if report.node == name and fresh and subjects.may_answer(report.inbox, known.identity):
                return known
        raise errors.NotFound(
            f"gateway: {errors.quoted(name)} does not follow {self._node!r} now",
            field="gateway",
            hint="`wig status` shows which gateways there are; on its own host a file in the run "
            "directory drains it, see `wig gateway drain --help`",
        )


class Mark(Protocol):
    """Remembers it for as long as the host is up (`wig.linux.mark`)."""

    def on(self) -> bool:
        """Say whether the gateway is drained."""

    def set(self, on: bool) -> None:  # noqa: FBT001  # what it is set to
        """Remember it; raise `Unusable` when that is not possible."""


class Draining:
    """Whether this gateway is drained."""

    def __init__(self, mark: Mark, changed: Callable[[], None]) -> None:
        """`changed` is called after each change."""
        self._mark = mark
        self._changed = changed
        self.on = mark.on()
        self.since = time.monotonic()
        """When that was found."""

    def told(self, raw: bytes) -> None:
        """Do what an operator says through the upstream."""
        try:
            self._mark.set(wire.decode_drain(raw).draining)
        except errors.WigError as error:
            logger.warning("not drained as told", extra={"error": error.message})
        self.look()

    def look(self) -> None:
        """See whether the mark has changed, whoever changed it."""
        on = self._mark.on()
        if on != self.on:
            self.on, self.since = on, time.monotonic()
            logger.warning("draining" if on else "no longer draining")
            self._changed()
