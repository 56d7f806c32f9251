"""Telling NATS tools what a node serves: `nats service list`, `info`, `ping`, `stats`.

Run by nodes that answer requests. Speaks NATS' micro protocol (ADR-32) itself: nats-py's own
`nats.micro` would also take over the endpoints, with a task and a lock for each request.
**Invariant:** costs nothing while nobody asks.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Never

from bridge import connection
from bridge.source import Me
from wig import codec

logger = logging.getLogger(__name__)

SERVICE = "wig"
TYPE = "io.nats.micro.v1.{}_response"  # ADR-32
INBOX = "_INBOX."


class Discovery:
    """Answers for one node."""

    def __init__(self, bus: connection.Connection, me: Me, subjects: Iterable[str]) -> None:
        """`subjects` are those on which it answers requests."""
        self._bus = bus
        self._me = me
        self._started = datetime.now(UTC)
        self._endpoints = [_endpoint(subject) for subject in subjects]

    async def run(self) -> Never:
        """Answer whoever asks what is there."""
        subscriptions = [
            await self._bus.subscribe(f"$SRV.{verb}{which}", self._asked)
            for verb in ("PING", "INFO", "STATS")
            for which in ("", f".{SERVICE}", f".{SERVICE}.{self._me.instance}")
        ]
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            for subscription in subscriptions:
                await subscription.stop()
        raise AssertionError("unreachable: nobody completes that future")

    async def _asked(self, message: connection.Message) -> None:
        if not message.reply.startswith(INBOX):
            logger.warning("discovery refused: not an inbox", extra={"reply": message.reply})
            return
        verb = message.subject.split(".")[1].lower()
        with suppress(connection.Disconnected):
            await self._bus.publish(message.reply, codec.encode(self._answer(verb)))

    def _answer(self, verb: str) -> dict[str, Any]:
        me = self._me
        common = {
            "type": TYPE.format(verb),
            "name": SERVICE,
            "id": me.instance,
            "version": me.version,
            "metadata": {"node": me.node, "role": me.role},
        }
        if verb == "info":
            return common | {"description": "WireGuard VPN", "endpoints": self._endpoints}
        if verb == "stats":
            counts = {"num_requests": 0, "num_errors": 0, "processing_time": 0}
            return common | {
                "started": self._started,
                # Figures are Prometheus' business; here the members are only there to be valid.
                "endpoints": [endpoint | counts for endpoint in self._endpoints],
            }
        return common


def _endpoint(subject: str) -> dict[str, Any]:
    name = "-".join(part for part in subject.split(".") if part != "*")
    return {"name": name, "subject": subject, "queue_group": "", "metadata": {}}
