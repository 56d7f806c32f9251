"""The status of a node, and of all below it in the tree. Called by datastores."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from bridge import frames, wire
from bridge.connection import Connection, Disconnected
from bridge.reports import SILENT_S, Reports
from bridge.wire import NodeStatus, Report
from wig import codec, errors
from wig.codec import Value
from wig.log import Position

TOO_MUCH = wire.failed(errors.TooLarge("nodes: there are too many for one answer", field="nodes"))
STALE_S = 5.0  # five beacons that did not reach it


class _Nothing(Value, frozen=True, kw_only=True):
    """The parameters of a status query."""


_decode = codec.decoder(_Nothing)


class Status:
    """Answers what is known of all nodes."""

    def __init__(self, bus: Connection, mine: Callable[[], NodeStatus], reports: Reports) -> None:
        """`mine` returns this node's own line: `head` and `position` are what others lag behind."""
        self._bus = bus
        self._mine = mine
        self._reports = reports
        self._first_heard: dict[str, datetime] = {}

    def take(self, identity: str, verb: str, payload: bytes, reply: str) -> None:
        """Answer a status query."""
        del identity, verb
        try:
            _decode(payload or b"{}")
            body = wire.ok({"nodes": self.nodes()})
        except errors.WigError as error:
            body = wire.failed(error)
        if self._bus.up and len(body) > wire.payload_limit(self._bus.server_payload_limit):
            # The server would close the connection over a message that is too large.
            body = TOO_MUCH
        with suppress(Disconnected):  # who asked is gone as well, or asks again
            self._bus.send(frames.message(reply, body))

    def nodes(self) -> list[NodeStatus]:
        """Return this node first, then all below it, each before those that follow it."""
        mine = self._mine()
        found = [mine]
        for report in self.below():
            self._add(found, report, mine)
        # A process that is not told of any more has been followed by another, or is forgotten.
        there = {one.instance for one in found}
        self._first_heard = {
            instance: since for instance, since in self._first_heard.items() if instance in there
        }
        return found

    def below(self) -> tuple[Report, ...]:
        """Return what those that follow this node last said, with its age."""
        now = asyncio.get_running_loop().time()
        return tuple(
            replace(known.report, age_s=known.report.age_s + now - known.heard_at, inbox="")
            for known in self._reports.known()
        )

    def _add(
        self, found: list[NodeStatus], report: Report, mine: NodeStatus, silent_s: float = 0.0
    ) -> None:
        """Add a node and those below it; `silent_s` is the age of the report that carried it."""
        now = datetime.now(UTC)
        silent_s += report.age_s
        since = self._first_heard.setdefault(report.instance, now)
        lag_entries = _lag(report.position, mine)
        lag_s = 0.0
        if lag_entries:
            known_s = report.behind_s
            lag_s = (now - since).total_seconds() if known_s is None else known_s + silent_s
        found.append(
            NodeStatus(
                name=report.node,
                role=report.role,
                version=report.version,
                instance=report.instance,
                head=mine.head,
                lag_entries=lag_entries,
                since=since,
                seen=now - timedelta(seconds=silent_s),
                upstream=report.upstream,
                lag_s=round(lag_s, 3),
                behind_since=now - timedelta(seconds=lag_s) if lag_entries else None,
                position=report.position,
                problems=_problems(report, silent_s),
                draining=report.draining,
                connected=report.connected,
            )
        )
        for below in report.nodes:
            self._add(found, below, mine, silent_s)


def _problems(report: Report, silent_s: float) -> tuple[str, ...]:
    if silent_s > SILENT_S:
        return (*report.problems, f"not heard of for {silent_s:.0f} s")
    if report.root_age_s is not None and report.root_age_s > STALE_S:
        return (*report.problems, f"has not heard the primary for {report.root_age_s:.0f} s")
    return report.problems


def _lag(position: Position | None, mine: NodeStatus) -> int:
    """Return how many entries a node lacks; all of them, if it is in another epoch."""
    if position is None or mine.position is None or position.epoch != mine.position.epoch:
        return mine.head
    return max(0, mine.head - position.seq)
