"""Drives a sink along an upstream: a follower's database and a gateway's kernel alike.

Run by every downstream. All decisions are `wig.replica`'s; here its actions are carried out, and
what comes of them is fed back. Events are taken one at a time on the event loop, and an action
never waits for another.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Coroutine
from typing import Any, Never, assert_never

from msgspec.structs import replace

from bridge import connection, pull, reports, subjects, wire
from bridge.downstream import FollowerOptions, SinkThread, Work
from bridge.transfer import Transfer
from bridge.worker import Worker
from wig import codec, errors, replication
from wig import replica_actions as do
from wig import replica_events as on
from wig.ports import Sink
from wig.replica import ATTACH_TIMEOUT_S, HEARTBEAT_S, Replica
from wig.replication import AttachRequest

logger = logging.getLogger(__name__)

TICK_S = 0.25


class Follower:
    """One downstream; `run` does the work, and may be called again after it failed."""

    def __init__(
        self, bus: connection.Connection, sink: Sink, worker: Worker, options: FollowerOptions
    ) -> None:
        """`worker` is the thread of the sink."""
        self._bus = bus
        self._options = options
        self._sink = SinkThread(sink, worker, options)
        self._now = asyncio.get_running_loop().time
        self._inbox = bus.new_inbox()
        self._group: asyncio.TaskGroup | None = None
        self._request: AttachRequest | None = None
        self._attached: wire.Attached | None = None
        self._pull: pull.Pull | None = None
        self._transfer: Transfer | None = None
        self._at_head: float | None = None
        self._waits_for = ""
        self.replica = Replica(options.me.node)
        """Where it is, and what it waits for."""
        self.reporter = reports.Reporter(bus, options.upstream, self.report)
        bus.on_up(lambda: self._feed(on.Connected()))
        bus.on_down(lambda: self._feed(on.Disconnected()))

    async def run(self) -> Never:
        """Follow."""
        self.replica = await self._sink.new_replica()
        beacons = subjects.beacon(self._options.upstream)
        subscriptions = [
            await self._bus.subscribe(beacons, self._heard),
            await self._bus.subscribe(self._inbox, self._asked),
        ]
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self.reporter.run())
                try:
                    await self._keep_ticking()
                finally:
                    self._group = None
        finally:
            for end in self._let_go():
                await end
            for subscription in subscriptions:
                await subscription.stop()

    async def _keep_ticking(self) -> Never:
        if self._bus.up:
            self._feed(on.Connected())
        while True:
            await asyncio.sleep(TICK_S)
            self._tick()

    def root(self) -> replication.Root | None:
        """Return what is known of the root, as this downstream tells it on."""
        return self.replica.upstream.root(self._now())

    def confirmed(self) -> bool:
        """Say whether its upstream lets it follow."""
        return self.replica.confirmed

    @property
    def work(self) -> Work:
        """What its sink has done."""
        return self._sink.work

    @property
    def why(self) -> str:
        """Why it does not follow now; empty: it does, or is about to."""
        return self.replica.why

    def report(self) -> wire.Report:
        """Return what it says of itself."""
        replica, me, now = self.replica, self._options.me, self._now()
        root = replica.upstream.root(now)
        return wire.Report(
            node=me.node,
            instance=me.instance,
            role=self._options.kind,
            version=me.version,
            upstream=self._options.upstream,
            position=replica.position,
            head=root.seq if root else 0,
            root_age_s=round(root.age_s, 3) if root else None,
            behind_s=round(now - self._at_head, 3) if self._at_head is not None else None,
            phase=replica.phase.value,
            draining=self._options.draining(),
            connected=self._options.connected(),
            inbox=self._inbox,
            problems=(
                *((replica.alert.message,) if replica.alert else ()),
                *self._options.problems(),
            ),
            nodes=self._options.below(),
        )

    # Events.

    def _feed(self, event: on.Event) -> None:
        """Let the replica decide, and do what it says."""
        if self._group is None:
            return
        now = self._now()
        for action in self.replica.handle(event, now, random.random()):  # noqa: S311  # no secret
            self._do(action)
        if self._pull is not None and self._pull.has_room(self.replica.backlog):
            self._start(self._pull.ask_more(self.replica.backlog))
        if isinstance(event, on.Applied):
            self._options.changed()
        if not isinstance(event, on.Arrived | on.Tick):
            self._measure(now)

    def _measure(self, now: float) -> None:
        """Remember when the root's head was last reached, and report."""
        root, position = self.replica.upstream.root(now), self.replica.position
        if root and position and root.age_s <= replication.ROOT_AGE_S_MAX:
            reached = position.epoch == root.epoch and position.seq >= root.seq
            self._at_head = now if reached else self._at_head
        self.reporter.changed()

    async def _heard(self, message: connection.Message) -> None:
        try:
            beacon = wire.decode_beacon(message.data)
        except errors.Invalid as error:
            logger.warning("beacon not understood", extra={"error": error.message})
            return
        self._feed(on.Heard(beacon))

    async def _asked(self, message: connection.Message) -> None:
        """Do what the upstream says, if it says anything; and say that this process is alive."""
        if message.data:
            self._options.told(message.data)
        await self.reporter.report()

    def _tick(self) -> None:
        self._feed(on.Tick())
        if self._pull is not None and self._pull.paused:
            # Nothing is asked for, so no heartbeats come; that is our doing, not silence.
            self._feed(on.Arrived(self.replica.attempt))

    # Actions.

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._group is not None
        self._group.create_task(work)

    def _do(self, action: do.Action) -> None:
        match action:
            case do.Attach():
                self._start(self._attach(action))
            case do.Consume(attempt=attempt):
                self._consume(attempt)
            case do.Fetch(attempt=attempt):
                self._fetch(attempt)
            case do.Load():
                assert self._transfer is not None, "only an Offered leads here"
                self._start(self._load(self._transfer))
            case do.Release():
                for end in self._let_go():
                    self._start(end)
            case do.Apply():
                self._start(self._apply(self._sink.apply(action.epoch, action.records)))
            case do.Acknowledge(seq=seq):
                assert self._pull is not None, "only a Consume leads here"
                self._start(self._pull.acknowledge(seq))
            case do.Rebuild() | do.Alert():
                self._tell(action)
            case _:
                assert_never(action)

    def _tell(self, action: do.Rebuild | do.Alert) -> None:
        upstream = self._options.upstream
        if isinstance(action, do.Rebuild):
            logger.warning("no beacons: a new connection is made", extra={"upstream": upstream})
            self._bus.rebuild()
        elif action.error is None:
            logger.info("replication goes on", extra={"upstream": upstream})
        else:
            error = action.error
            told = {"upstream": upstream, "error": error.message, "hint": error.hint}
            logger.error("replication has a problem", extra=told)

    async def _attach(self, action: do.Attach) -> None:
        me, identity = self._options.me, self._bus.options.identity
        self._request = AttachRequest(
            node=me.node,
            instance=me.instance,
            kind=self._options.kind,
            version=me.version,
            inbox=self._inbox,
            database=action.database,
            position=action.position,
            whole=action.whole,
        )
        body = codec.encode(self._request)
        subject = subjects.node(self._options.upstream, identity, "attach")
        answer: replication.Answer | None = None
        try:
            message = await self._bus.request(subject, body, timeout_s=ATTACH_TIMEOUT_S)
            answer = self._understand(wire.decode_attach_answer(message.data))
        except errors.Temporary as error:
            logger.debug("attach failed", extra={"error": error.message})
            if isinstance(error, connection.NoResponders):
                self._tell_once("no node of this name answers")
        except errors.Permanent as error:
            answer = replication.Refused(error)
        self._feed(on.Answered(action.attempt, answer))

    def _understand(self, answer: wire.AttachAnswer) -> replication.Answer:
        if answer.continue_ is not None:
            self._attached = answer.continue_
            return replication.Continue(answer.continue_.start, answer.continue_.lineage)
        if answer.snapshot is not None:
            return replication.Snapshot(answer.snapshot.reason)
        if answer.wait is not None:
            self._tell_once(answer.wait.reason)
            return replication.Wait(answer.wait.reason)
        if answer.error is not None:
            raise errors.from_body(answer.error)
        raise errors.Unsupported("attach: the answer is of a newer version")

    def _tell_once(self, reason: str) -> None:
        """Say why it has to wait, when that is new: it asks again and again."""
        if reason != self._waits_for:
            self._waits_for = reason
            logger.info("waiting", extra={"upstream": self._options.upstream, "reason": reason})

    def _consume(self, attempt: int) -> None:
        assert self._attached is not None, "only a Continue leads here"
        self._waits_for = ""
        attached = replace(self._attached, domain=self._options.domain or self._attached.domain)
        logger.info(
            "following",
            extra={"upstream": self._options.upstream, "start": attached.start},
        )
        self._pull = pull.Pull(
            self._bus,
            subjects.pull(attached.domain, attached.stream, attached.consumer),
            HEARTBEAT_S,
            pull.entries(lambda records, epoch: self._feed(on.Arrived(attempt, records, epoch))),
            lambda why: self._feed(on.Broken(attempt, errors.Unavailable(f"consumer: {why}"))),
        )
        self._start(self._pull.start())

    async def _apply(self, applied: Awaitable[on.Applied]) -> None:
        self._feed(await applied)

    def _fetch(self, attempt: int) -> None:
        assert self._request is not None, "only an Attach leads here"
        self._transfer = Transfer(self._bus, self._options.upstream, self._request)
        self._start(self._begin(attempt, self._transfer))

    async def _begin(self, attempt: int, transfer: Transfer) -> None:
        try:
            await transfer.begin()
            self._start(transfer.watch())
            header = await self._sink.header(transfer)
        except errors.WigError as error:
            self._feed(on.Broken(attempt, error))
        else:
            self._feed(on.Offered(attempt, header))

    async def _load(self, transfer: Transfer) -> None:
        self._feed(await self._sink.load(transfer))

    def _let_go(self) -> list[Coroutine[Any, Any, None]]:
        """Return what stops pulling, or ends the transfer."""
        held, self._pull = self._pull, None
        transfer, self._transfer = self._transfer, None
        if transfer is not None:
            transfer.abort(errors.Unavailable("snapshot: it is not wanted any more"))
        return [
            *([held.stop()] if held is not None else []),
            *([transfer.close()] if transfer is not None else []),
        ]
