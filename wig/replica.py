"""A downstream as a pure state machine: events in, actions out.

Driven by `bridge.follower`, for follower datastores and gateways alike, and by the property test.
It decides when to attach, what may be applied, when a snapshot is needed, and what to say to the
operator. It holds no socket, thread or clock: `now` is monotonic seconds, `chance` is uniform in
[0, 1) and only spreads retries.

    DETACHED ──▶ ATTACHING ──▶ FOLLOWING     entries are checked, applied, acknowledged
       ▲ ▲           │             │
       │ └───────────┼─────────────┘         anything odd: attach again
       │             ▼
       └───────── LOADING                    a snapshot replaces everything

**Invariant:** an entry is applied only if its sequence is the next one and the digest of (own
digest ‖ payload) is the one in its header. **Invariant:** at most one Apply or Load is under way,
and no Attach is made meanwhile, so that it always names the sink's true position.
"""

import enum
from collections import deque
from collections.abc import Sequence
from typing import assert_never

from wig import errors, log
from wig import replica_actions as do
from wig import replica_events as on
from wig.backoff import Backoff
from wig.log import Lineage, Position, Record
from wig.replication import Answer, Continue, Refused, Snapshot, Wait
from wig.snapshot import Header
from wig.upstream import Standing, Upstream

ATTACH_TIMEOUT_S = 2.0
RETRY_S_MIN = 0.1
RETRY_S_MAX = 1.0  # replication goes on at most this long after the upstream is reachable
REFUSED_RETRY_S = 5.0  # an operator has to act; the retry only notices that it was done
UNSUPPORTED_RETRY_S = 30.0  # the same: an upgraded program starts afresh anyway
HEARTBEAT_S = 1.0
SILENCE_S_MAX = 2.5  # two heartbeats and a half
APPLY_ENTRIES_MAX = 2000  # in one transaction; it takes some 50 ms


class Phase(enum.Enum):
    """What the replica is doing."""

    DETACHED = "detached"
    ATTACHING = "attaching"
    FOLLOWING = "following"
    LOADING = "loading"


class Replica:
    """One downstream of one upstream."""

    def __init__(
        self,
        me: str,
        *,
        position: Position | None = None,
        state_digest: str | None = None,
        database: str | None = None,
        floor: Position | None = None,
        replace: bool = False,
    ) -> None:
        """Begin detached and unconnected, with what the sink holds.

        `floor` is what must not be taken away from a sink that holds nothing (a gateway's device
        keeps what an earlier process put there). `replace` gives up another database once.
        """
        self.phase = Phase.DETACHED
        self.position = position
        self.state_digest = state_digest
        self.database = None if replace else database
        self.upstream = Upstream(me)
        self.why = "not connected"
        """Why it is detached, or what it waits for; for people."""
        self.alert: errors.WigError | None = None
        self.refused_entries = 0
        """How many entries did not continue the chain."""
        self.attempt = 0
        self._floor = floor
        self._whole = False
        self._connected_at: float | None = None
        self._busy = False
        self._offered: Header | None = None
        self._expected: Position | None = None
        self._queue: deque[Record] = deque()
        self._cursor = (0, log.ZERO_DIGEST)
        self._lineage: Lineage = ()
        self._backoff = Backoff(RETRY_S_MIN, RETRY_S_MAX)
        self._broken_at: int | None = None
        self._due = 0.0  # ATTACHING: when the answer is late; DETACHED: when to attach
        self._arrived_at = 0.0
        self._now = 0.0
        self._chance = 0.5
        self._out: list[do.Action] = []

    @property
    def backlog(self) -> int:
        """How many entries wait for the sink."""
        return len(self._queue)

    @property
    def confirmed(self) -> bool:
        """Whether its upstream lets it follow: its past is the upstream's."""
        return self.phase is Phase.FOLLOWING

    def handle(self, event: on.Event, now: float, chance: float = 0.5) -> list[do.Action]:
        """Return what is to be done, in this order."""
        self._out = []
        self._now = now
        self._chance = chance
        self._take(event)
        if not self._busy:
            if self.phase is Phase.DETACHED:
                self._attach_if_due()
            elif self.phase is Phase.FOLLOWING:
                self._apply_next()
        return self._out

    def _take(self, event: on.Event) -> None:
        match event:
            case on.Answered() | on.Arrived() | on.Broken() | on.Offered():
                if event.attempt == self.attempt:
                    self._take_current(event)
            case on.Connected():
                self._connected_at = self._now
                self._backoff.succeeded()
                self._detach("the connection is new")
            case on.Disconnected():
                self._connected_at = None
                self._detach("not connected")
            case on.Applied():
                self._applied(event)
            case on.Heard():
                self._heard(event)
            case on.Tick():
                self._tick()
            case _:
                assert_never(event)

    def _take_current(self, event: on.OfAttempt) -> None:
        """Take what belongs to this attempt; what does not fit its phase is a repetition."""
        match self.phase, event:
            case Phase.ATTACHING, on.Answered(answer=answer):
                self._answered(answer)
            case Phase.FOLLOWING, on.Arrived(records=records, epoch=epoch):
                self._arrived(records, epoch)
            case ((Phase.FOLLOWING | Phase.LOADING), on.Broken(error=errors.Permanent() as error)):
                self._failed(error)
            case ((Phase.FOLLOWING | Phase.LOADING), on.Broken(error=error)):
                self._detach(error.message, self._retry_s())
            case Phase.LOADING, on.Offered(header=header) if not self._busy:
                self._consider(header)

    # Attaching.

    def _attach_if_due(self) -> None:
        if self._connected_at is None or self._now < self._due or self.upstream.loop:
            return
        self.attempt += 1
        self.phase = Phase.ATTACHING
        self._due = self._now + ATTACH_TIMEOUT_S
        claim = self.position or self._floor
        whole = self._whole or (self.position is None and claim is not None)
        self._out.append(do.Attach(self.attempt, self.database, claim, whole))

    def _detach(self, why: str, wait_s: float = 0.0) -> None:
        """Let go of the upstream, and attach again in `wait_s`."""
        if self.phase in {Phase.FOLLOWING, Phase.LOADING}:
            self._out.append(do.Release(self.attempt))
        self.attempt += 1  # whatever is still on its way belongs to the past
        self.phase = Phase.DETACHED
        self.why = why
        self._queue.clear()
        self._due = self._now + wait_s

    def _retry_s(self) -> float:
        return self._backoff.wait_s(self._chance)

    def _answered(self, answer: Answer | None) -> None:
        self._backoff.failed()
        match answer:
            case Continue():
                self._follow(answer)
            case Snapshot():
                self.phase = Phase.LOADING
                self.why = answer.reason
                self._out.append(do.Fetch(self.attempt))
            case Wait():
                self._detach(answer.reason, self._retry_s())
            case Refused():
                self._warn(answer.error)
                self._detach(answer.error.message, REFUSED_RETRY_S)
            case None:
                self._detach("the upstream does not answer", self._retry_s())
            case _:
                assert_never(answer)

    def _follow(self, answer: Continue) -> None:
        position, known = self.position, {fork.epoch for fork in answer.lineage}
        if position is None or position.epoch not in known:
            self._detach("the answer does not fit the position", self._retry_s())
            return
        self.phase = Phase.FOLLOWING
        self.why = ""
        self._whole = False
        self._lineage = answer.lineage
        self._cursor = (position.seq, bytes.fromhex(position.digest))
        self._arrived_at = self._now
        self.upstream.attached(self._now)
        self._out.append(do.Consume(self.attempt))

    # Entries.

    def _arrived(self, records: Sequence[Record], epoch: str) -> None:
        self._arrived_at = self._now
        if not log.all_in(self._lineage, records, epoch):
            # The upstream went over to a new epoch after it told its lineage.
            self._detach(f"entries of epoch {epoch or 'none'} came", self._retry_s())
            return
        seq, digest = self._cursor
        for record in records:
            if record.seq <= seq:
                continue  # delivered again
            if record.seq != seq + 1:
                self._detach(f"entry {record.seq} follows entry {seq}", self._retry_s())
                return
            digest = log.chain(digest, record.payload)
            if digest != record.digest:
                self._refuse(record.seq)
                return
            seq = record.seq
            self._queue.append(record)
        self._cursor = (seq, digest)
        if records and not self._busy and not self._queue and self.position:
            self._out.append(do.Acknowledge(self.attempt, self.position.seq))

    def _refuse(self, seq: int) -> None:
        """Do not apply an entry that breaks the chain; the second time, only a snapshot helps."""
        self.refused_entries += 1
        self._whole = self._broken_at == seq
        self._broken_at = seq
        self._warn(errors.Damaged(f"log: entry {seq} does not match its digest"))
        self._detach(f"entry {seq} does not match its digest", self._retry_s())

    def _apply_next(self) -> None:
        """Give the sink what is next, at most up to where the next epoch begins."""
        assert self.position is not None
        epoch = self.position.epoch
        fork = next((fork for fork in self._lineage if fork.parent == epoch), None)
        if fork and fork.seq <= self.position.seq:
            if (fork.seq, fork.digest) == (self.position.seq, self.position.digest):
                self._apply(self.position, fork.epoch, 0)
            else:
                self._refuse(fork.seq)
        elif self._queue:
            until = fork.seq if fork else self._cursor[0]
            count = min(len(self._queue), until - self._queue[0].seq + 1, APPLY_ENTRIES_MAX)
            self._apply(self.position, epoch, count)

    def _apply(self, at: Position, epoch: str, count: int) -> None:
        records = tuple(self._queue.popleft() for _ in range(count))
        self._expected = log.advanced(at, epoch, records)
        self._busy = True
        self._out.append(do.Apply(epoch, records))

    def _applied(self, event: on.Applied) -> None:
        header, self._offered = self._offered, None
        self._busy = False
        self.position, self.state_digest = event.position, event.state_digest
        error = event.error
        if error is None and event.position != self._expected:
            error = errors.Damaged(f"position: {event.position} instead of {self._expected}")
        if error is not None:
            self._whole = self._whole or isinstance(error, errors.Damaged)
            self._failed(error)
            return
        self._warn(None)
        if header:
            self.database = header.database
            self._whole = False
            self._detach("a snapshot was loaded", self._retry_s())
        elif self.phase is Phase.FOLLOWING and self.position:
            self._backoff.succeeded()
            self._broken_at = None
            self._out.append(do.Acknowledge(self.attempt, self.position.seq))

    def _failed(self, error: errors.WigError) -> None:
        if self.phase is Phase.DETACHED:
            return  # it was released, which may be why
        self._warn(error)
        skew = isinstance(error, errors.Unsupported | errors.Invalid)
        self._detach(error.message, UNSUPPORTED_RETRY_S if skew else self._retry_s())

    # Snapshots.

    def _consider(self, header: Header) -> None:
        """Load a snapshot of the own database only."""
        if self.database in {None, header.database}:
            self._offered = header
            self._expected = header.position
            self._busy = True
            self._out.append(do.Load(self.attempt))
            return
        message = f"database: the snapshot is of {header.database}, not of {self.database}"
        self._warn(errors.Foreign(message, field="database"))
        self._detach(message, REFUSED_RETRY_S)

    # The upstream's beacons, and silence.

    def _heard(self, event: on.Heard) -> None:
        was_silent = self.upstream.silent(self._now)
        if not self.upstream.hear(event.beacon, self._now):
            return
        if path := self.upstream.loop:
            message = f"node: {self.upstream.me!r} would follow itself: {' → '.join(path)}"
            self._warn(errors.Conflict(message, field="node"))
            if self.phase is not Phase.DETACHED:
                self._detach(message, REFUSED_RETRY_S)
        elif self.phase is Phase.FOLLOWING and self.position:
            self._judge(self.position)
        elif self.phase is Phase.DETACHED and was_silent:
            self._due = min(self._due, self._now + self._chance * RETRY_S_MIN)  # it is back

    def _judge(self, position: Position) -> None:
        idle = not self._busy and not self._queue
        standing = Standing(position, self.state_digest, self._lineage, idle)
        if doubt := self.upstream.judge(standing, self._now):
            self._whole = doubt.whole
            if doubt.whole:
                self._warn(errors.Damaged(f"state: {doubt.reason}"))
            self._detach(doubt.reason, self._retry_s())
        elif idle and self.upstream.beacon and self.upstream.beacon.position == position:
            self._backoff.succeeded()
            self._warn(None)

    def _tick(self) -> None:
        if self.phase is Phase.ATTACHING and self._now >= self._due:
            self._answered(None)
        elif self.phase is Phase.FOLLOWING and self._now - self._arrived_at > SILENCE_S_MAX:
            self._detach("the stream is silent", self._retry_s())
        if self._connected_at is not None and self.upstream.deaf(self._connected_at, self._now):
            self._out.append(do.Rebuild())

    def _warn(self, error: errors.WigError | None) -> None:
        """Tell the operator what is new."""
        if str(error) != str(self.alert):
            self._out.append(do.Alert(error))
        self.alert = error
