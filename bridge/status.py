"""The status of a node, and of those that follow it. Called by nodes."""

import asyncio
from datetime import UTC, datetime, timedelta

from bridge import frames, wire
from bridge.connection import Connection
from bridge.publisher import Publisher
from bridge.reports import Known, Reports
from bridge.source import Me
from bridge.wire import NodeStatus, Report
from wig import codec, errors
from wig.codec import Value

SILENT_S = 10.0  # five reports of a downstream that did not come
STALE_S = 5.0  # five beacons that did not reach it


class _Nothing(Value, frozen=True, kw_only=True):
    """The parameters of a status query."""


_decode = codec.decoder(_Nothing)


class Status:
    """Answers what is known of all nodes."""

    def __init__(self, bus: Connection, me: Me, publisher: Publisher, reports: Reports) -> None:
        """All of the same node."""
        self._bus = bus
        self._me = me
        self._publisher = publisher
        self._reports = reports
        self._started = datetime.now(UTC)
        self._first_heard: dict[str, datetime] = {}

    def take(self, identity: str, verb: str, payload: bytes, reply: str) -> None:
        """Answer a status query."""
        del identity, verb
        try:
            _decode(payload or b"{}")
            body = wire.ok({"nodes": self.nodes()})
        except errors.WigError as error:
            body = wire.failed(error)
        self._bus.send(frames.message(reply, body))

    def nodes(self) -> list[NodeStatus]:
        """Return this node first, then all below it."""
        found = [self._mine()]
        for known in self._reports.known():
            self._add(found, known.report, known)
        return found

    def _mine(self) -> NodeStatus:
        publisher = self._publisher
        problems = publisher.ownership.problems
        if publisher.stuck:
            problems = (*problems, "the stream does not take entries")
        return NodeStatus(
            name=self._me.node,
            role=self._me.role,
            version=self._me.version,
            instance=self._me.instance,
            head=publisher.head,
            lag_entries=publisher.backlog,
            since=self._started,
            seen=datetime.now(UTC),
            position=publisher.published.position if publisher.published else None,
            problems=problems,
        )

    def _add(self, found: list[NodeStatus], report: Report, known: Known) -> None:
        now = datetime.now(UTC)
        silent_s = asyncio.get_running_loop().time() - known.heard_at
        problems = report.problems
        if silent_s > SILENT_S:
            problems = (*problems, f"not heard of for {silent_s:.0f} s")
        elif report.root_age_s is not None and report.root_age_s > STALE_S:
            problems = (*problems, f"has not heard the primary for {report.root_age_s:.0f} s")
        found.append(
            NodeStatus(
                name=report.node,
                role=report.role,
                version=report.version,
                instance=report.instance,
                head=self._publisher.head,
                lag_entries=self._lag(report),
                since=self._first_heard.setdefault(report.instance, now),
                seen=now - timedelta(seconds=silent_s),
                position=report.position,
                problems=problems,
            )
        )
        for below in report.nodes:
            self._add(found, below, known)

    def _lag(self, report: Report) -> int:
        """Return how many entries a node lacks; all of them, if it is in another epoch."""
        head = self._publisher.head
        published = self._publisher.published
        position = report.position
        if position is None or published is None or position.epoch != published.position.epoch:
            return head
        return max(0, head - position.seq)
