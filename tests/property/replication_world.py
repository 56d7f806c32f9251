"""A world in which only messages, disks and streams are simulated.

A primary, followers and gateways are the real state machines (`wig.owner`, `wig.replica`,
`wig.replication`); everything between them is a list of messages that can be lost, repeated,
delayed and reordered. Any node can be killed between any two steps.
"""

import itertools
from dataclasses import dataclass, field, replace

from wig import errors, log, owner, replication
from wig import replica_actions as do
from wig import replica_events as on
from wig.log import Fork, Lineage, Position, Record
from wig.replica import Phase, Replica
from wig.replication import AttachRequest, Beacon, Continue, Root, Serving, Snapshot
from wig.snapshot import Header

DATABASE = "db"
SILENCE_S_MAX = 10.0  # like `bridge.transfer`
HUB = "hub"
UPSTREAMS = {
    "mid": (HUB,),
    "leaf": ("mid", HUB),
    "gw-hub": (HUB, "mid", "leaf"),
    "gw-mid": ("mid", "leaf", HUB),
    "gw-leaf": ("leaf", HUB, "mid"),
}
"""Followers, and gateways whose names begin with `gw`; whom each may follow, at first the first."""

State = tuple[tuple[str, bytes], ...]
"""All that replicas agree on: every entry with the epoch that it is stamped with."""


@dataclass(frozen=True)
class Disk:
    """What a node has stored; changed by one transaction at a time."""

    lineage: Lineage
    state: State = ()
    records: tuple[Record, ...] = ()
    """All entries ever; those up to `base` are pruned."""
    base: int = 0
    generation: str = ""

    @property
    def head(self) -> int:
        return len(self.records)

    @property
    def position(self) -> Position:
        digest = self.records[-1].digest if self.records else log.ZERO_DIGEST
        return Position(epoch=self.lineage[-1].epoch, seq=self.head, digest=digest.hex())

    def digest(self, seq: int) -> str | None:
        """Return the digest at `seq`, also of what is pruned: for the invariants."""
        if seq == 0:
            return log.ZERO_DIGEST.hex()
        return self.records[seq - 1].digest.hex() if seq <= self.head else None

    def digest_at(self, seq: int) -> str | None:
        return self.digest(seq) if seq >= self.base else None

    def has(self, position: Position) -> bool:
        """Say whether a position is in the past of this timeline."""
        return log.contains(self.lineage, position, self.digest(position.seq))

    def with_entry(self, record: Record) -> "Disk":
        entry = (self.lineage[-1].epoch, record.payload)
        return replace(self, records=(*self.records, record), state=(*self.state, entry))

    def with_epoch(self, epoch: str) -> "Disk":
        return replace(self, lineage=log.extended(self.lineage, epoch, self.position))


@dataclass
class Stream:
    """What JetStream has of one generation."""

    owner: str
    first: int
    records: list[Record] = field(default_factory=list)
    epochs: dict[int, str] = field(default_factory=dict)

    @property
    def last(self) -> int:
        return self.first + len(self.records) - 1

    def append(self, record: Record, lineage: Lineage) -> None:
        self.records.append(record)
        self.epochs[record.seq] = log.epoch_at(lineage, record.seq)

    def entries(self, seq: int, count: int) -> tuple[list[Record], str]:
        """Return some entries of one epoch."""
        epoch = self.epochs.get(seq, "")
        found = itertools.takewhile(
            lambda record: record and self.epochs[record.seq] == epoch,
            (self.get(seq + n) for n in range(count)),
        )
        return [record for record in found if record], epoch

    def get(self, seq: int) -> Record | None:
        inside = self.first <= seq <= self.last
        return self.records[seq - self.first] if inside else None


@dataclass
class Consumer:
    """Where a downstream is in a stream."""

    stream: Stream
    key: tuple[str, str]
    attempt: int
    next: int


@dataclass(frozen=True)
class Message:
    """On its way: a request to an upstream, or an event for a downstream."""

    to: str
    event: on.Event | None = None
    asked_by: str = ""
    attempt: int = 0
    request: AttachRequest | None = None
    fetch: bool = False
    contents: Disk | None = None


class World:
    """All nodes, and the time that passes for all of them."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.numbers = itertools.count()
        self.messages: list[Message] = []
        self.streams: dict[tuple[str, str], Stream] = {}
        self.consumers: dict[str, Consumer] = {}
        self.truth: dict[Position, State] = {}
        self.acknowledged: dict[int, str] = {}
        self.upstream = {name: upstreams[0] for name, upstreams in UPSTREAMS.items()}
        self.hub = Primary(self)
        self.downstreams = {name: Downstream(self, name) for name in UPSTREAMS}

    def fresh(self, what: str) -> str:
        return f"{what}{next(self.numbers):04x}"

    def send(self, message: Message) -> None:
        self.messages.append(message)

    def deliver(self, message: Message) -> None:
        if message.request is None:
            self.downstreams[message.to].hears(message)
        elif message.to == HUB:
            self.hub.asked(message)
        else:
            self.downstreams[message.to].asked(message)

    def give(self, name: str, count: int) -> None:
        """Let the server give a downstream the next entries of its consumer, or a heartbeat."""
        consumer = self.consumers.get(name)
        if consumer is None:
            return
        event: on.Event
        if self.streams.get(consumer.key) is not consumer.stream:
            event = on.Broken(consumer.attempt, errors.Unavailable("consumer deleted"))
        else:
            records, epoch = consumer.stream.entries(consumer.next, count)
            consumer.next += len(records)
            event = on.Arrived(consumer.attempt, records, epoch)
        self.send(Message(name, event))

    def beacon(self, name: str) -> None:
        beacon = self.node(name).beacon()
        for below, upstream in self.upstream.items():
            if upstream == name:
                self.send(Message(below, on.Heard(beacon)))

    def tick(self, seconds: float) -> None:
        self.now += seconds
        for downstream in self.downstreams.values():
            downstream.tick()

    def node(self, name: str) -> "Primary | Downstream":
        return self.hub if name == HUB else self.downstreams[name]

    def damage(self, message: Message) -> None:
        """Change a byte of an entry on its way."""
        event = message.event
        if isinstance(event, on.Arrived) and event.records:
            records = [*event.records[:-1], event.records[-1]._replace(payload=b"damaged")]
            self.send(replace(message, event=replace(event, records=records)))
        else:
            self.send(message)

    def prune(self, name: str, keep: int) -> None:
        """Forget all but the last entries, in the database and in the stream."""
        node = self.node(name)
        if node.disk is None:
            return
        base = max(node.disk.base, node.disk.head - keep)
        stream = node.stream()
        if stream is not None:
            base = min(base, stream.last - 1)  # the last entry always stays, to be compared
            if base >= stream.first:
                stream.records = stream.records[base + 1 - stream.first :]
                stream.first = base + 1
        node.disk = replace(node.disk, base=max(node.disk.base, base))

    def restore(self, backup: Disk, *, with_stream: bool) -> None:
        """Replace the primary's disk by an older one, and perhaps its stream, too."""
        if with_stream:
            for key in [key for key in self.streams if key[0] == HUB]:
                del self.streams[key]
            if backup.generation:
                stream = self.streams[HUB, backup.generation] = Stream("old", backup.base + 1)
                for record in backup.records[backup.base :]:
                    stream.append(record, backup.lineage)
                for consumer in self.consumers.values():
                    if consumer.key == (HUB, backup.generation):  # behind a leaf nobody notices
                        consumer.stream = stream
                        consumer.next = min(consumer.next, stream.last + 1)
        self.hub.disk = replace(backup)
        self.acknowledged = {
            seq: digest for seq, digest in self.acknowledged.items() if seq <= backup.head
        }

    def calm_step(self, seconds: float, *, beacons: bool) -> None:
        """Let everything happen that happens when nothing is broken."""
        self.tick(seconds)
        for name in (HUB, *self.downstreams):
            for _ in range(100):
                self.node(name).publish()
        for name in (HUB, *self.downstreams) if beacons else ():
            self.beacon(name)
        for name in self.downstreams:
            self.give(name, 100)
        while self.messages:
            self.deliver(self.messages.pop(0))
            for node in self.downstreams.values():
                node.finish()

    def converged(self) -> bool:
        where = self.hub.disk.position
        return all(node.replica.position == where for node in self.downstreams.values())


class Node:
    """What primary and follower have in common: they are followed."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.disk: Disk | None = None
        self.start()

    def start(self) -> None:
        """Begin with what the disk has."""
        self.instance = self.world.fresh("i")
        self.counter = itertools.count(1)
        self.claims: dict[str, tuple[Position | None, float]] = {}

    def stream(self) -> Stream | None:
        return self.world.streams.get(self.key) if self.disk else None

    @property
    def key(self) -> tuple[str, str]:
        return self.name, self.disk.generation if self.disk else ""

    def root(self) -> Root | None:
        raise NotImplementedError

    def confirmed(self) -> bool:
        raise NotImplementedError

    def serving(self) -> Serving | None:
        stream = self.stream()
        if self.disk is None or stream is None:
            return None
        return Serving(
            node=self.name,
            database=DATABASE,
            position=self.disk.position,
            state_digest=str(hash(self.disk.state)),
            lineage=self.disk.lineage,
            oldest=stream.first,
            root=self.root(),
            confirmed=self.confirmed(),
        )

    def beacon(self) -> Beacon:
        serving = self.serving()
        return Beacon(
            node=self.name,
            instance=self.instance,
            counter=next(self.counter),
            version="1",
            role="",
            position=serving.position if serving else None,
            state_digest=serving.state_digest if serving else "",
            root=serving.root if serving else None,
        )

    def asked(self, message: Message) -> None:
        """Answer an Attach or a Fetch."""
        request, world = message.request, self.world
        assert request is not None
        claim = request.position
        digest = self.disk.digest_at(claim.seq) if self.disk and claim else None
        before, since = self.claims.get(message.asked_by, (None, world.now))
        since = since if before == claim else world.now
        self.claims[message.asked_by] = claim, since
        answer = replication.answer(request, self.serving(), digest, world.now - since)
        if isinstance(answer, Continue):
            del self.claims[message.asked_by]
        stream = self.stream()
        if isinstance(answer, Continue) and stream and not message.fetch:
            begin = max(stream.first, min(answer.start, stream.last + 1))
            consumer = Consumer(stream, self.key, message.attempt, begin)
            world.consumers[message.asked_by] = consumer
        event: on.Event = on.Answered(message.attempt, answer)
        if message.fetch and isinstance(answer, Snapshot):
            event = on.Offered(message.attempt, self.header())
        elif message.fetch:
            event = on.Broken(message.attempt, errors.Unavailable("no snapshot"))
        world.send(Message(message.asked_by, event, contents=self.disk))

    def header(self) -> Header:
        assert self.disk is not None
        return Header(
            database=DATABASE,
            position=self.disk.position,
            lineage=self.disk.lineage,
            state_digest="",
            objects=0,
        )


class Primary(Node):
    """The one writer; its stream is owned by the real `owner.Owner`."""

    def __init__(self, world: World) -> None:
        super().__init__(world, HUB)
        epoch = world.fresh("e")
        self.disk: Disk = Disk((Fork(epoch=epoch, parent="", seq=0, digest=""),))
        self.commit()
        self.restart(crash_after=99)

    def root(self) -> Root:
        position = self.disk.position
        return Root(epoch=position.epoch, seq=position.seq, age_s=0.0, path=(HUB,))

    def confirmed(self) -> bool:
        return self.after is not None

    def serving(self) -> Serving | None:
        return super().serving() if self.confirmed() else None

    def start(self) -> None:
        super().start()
        self.after: int | None = None
        self.owner = owner.Owner(self.instance)

    def commit(self) -> None:
        payload = self.world.fresh("p").encode()
        position = self.disk.position
        digest = log.chain(bytes.fromhex(position.digest), payload)
        self.store(self.disk.with_entry(Record(position.seq + 1, payload, digest)))

    def store(self, disk: Disk) -> None:
        self.disk = disk
        self.world.truth[disk.position] = disk.state

    def publish(self) -> None:
        """Publish one entry; what the stream takes is acknowledged."""
        if self.after is None or self.after >= self.disk.head:
            return
        record = self.disk.records[self.after]
        stream = self.stream()
        if stream is None or stream.owner != self.instance or stream.last != self.after:
            self.settle(owner.Doubted(), crash_after=99)
            return
        stream.append(record, self.disk.lineage)
        self.after = record.seq
        self.world.acknowledged[record.seq] = record.digest.hex()

    def restart(self, crash_after: int) -> None:
        """Start, and reconcile; die again after so many steps of that."""
        self.start()
        strangers = any(name == HUB for name, _ in self.world.streams)
        self.settle(owner.Opened(self.disk.generation, self.log(), strangers), crash_after)
        if self.after is None:
            self.start()

    def log(self) -> owner.Log:
        return owner.Log(self.disk.base, self.disk.head)

    def settle(self, event: owner.Event, crash_after: int) -> None:
        self.after = None
        for _ in range(crash_after):
            following: owner.Event | None = None
            for action in self.owner.handle(event):
                if isinstance(action, owner.Publish):
                    self.after = action.after
                    return
                following = self.perform(action)
            assert following is not None
            event = following

    def perform(self, action: owner.Action) -> owner.Event | None:
        world, stream = self.world, self.stream()
        match action:
            case owner.Claim() | owner.Look() if stream is None:
                return owner.Gone(self.log(), any(name == HUB for name, _ in world.streams))
            case owner.Claim() | owner.Look():
                assert stream is not None
                claim = isinstance(action, owner.Claim)
                before = stream.owner
                stream.owner = self.instance if claim else before
                displaced = before if claim else ""
                return owner.Found(stream.owner, displaced, stream.first, stream.last, self.log())
            case owner.Compare(seq):
                theirs = stream.get(seq) if stream else None
                mine = self.disk.digest_at(seq)
                same = theirs.digest.hex() == mine if theirs and mine else None
                return owner.Compared(seq, same)
            case owner.Begin(first, mint, _):
                if mint:
                    self.store(self.disk.with_epoch(world.fresh("e")))
                self.disk = replace(self.disk, generation=world.fresh("g"))
                world.streams[self.key] = Stream(self.instance, first)
                return owner.Begun(first)
            case owner.Retire():
                for key in [it for it in world.streams if it[0] == HUB and it != self.key]:
                    del world.streams[key]
                return None
            case _:
                raise AssertionError(f"nobody else owns this stream: {action}")


class Downstream(Node):
    """A follower, or a gateway, driven by the real `replica.Replica`."""

    def __init__(self, world: World, name: str) -> None:
        self.gateway = name.startswith("gw")
        self.floor: Position | None = None
        """What a gateway's device shows."""
        super().__init__(world, name)
        self.feed(on.Connected())

    def __str__(self) -> str:
        replica = self.replica
        return f"{self.name} {replica.phase.value} ({replica.why}) at {replica.position}"

    def start(self) -> None:
        super().start()
        if self.gateway:
            self.disk = None
        position = self.disk.position if self.disk else None
        self.replica = Replica(
            self.name,
            position=position,
            database=DATABASE if position or self.floor else None,
            floor=self.floor,
        )
        self.pending: do.Apply | do.Load | None = None
        self.request: AttachRequest | None = None
        self.contents: Disk | None = None
        self.fetched_at: float | None = None

    def root(self) -> Root | None:
        return self.replica.upstream.root(self.world.now)

    def confirmed(self) -> bool:
        return self.replica.confirmed(self.world.now)

    def feed(self, event: on.Event) -> None:
        for action in self.replica.handle(event, self.world.now):
            self.perform(action)

    def tick(self) -> None:
        self.feed(on.Tick())
        late = self.fetched_at is not None and self.world.now - self.fetched_at > SILENCE_S_MAX
        if late and self.replica.phase is Phase.LOADING and self.pending is None:
            self.feed(on.Broken(self.replica.attempt, errors.Unavailable("no snapshot came")))

    def hears(self, message: Message) -> None:
        assert message.event is not None
        if isinstance(message.event, on.Offered):
            self.contents = message.contents
        self.feed(message.event)

    def perform(self, action: do.Action) -> None:
        match action:
            case do.Attach(attempt, database, position, whole):
                self.request = AttachRequest(
                    node=self.name, instance=self.instance, kind="", version="1", inbox="",
                    database=database, position=position, whole=whole,
                )  # fmt: skip
                self.ask(attempt, fetch=False)
            case do.Fetch(attempt):
                self.fetched_at = self.world.now
                self.ask(attempt, fetch=True)
            case do.Apply() | do.Load():
                assert self.pending is None, "calls of a sink never overlap"
                self.pending = action
            case _:
                pass  # consumers and transfers are the world's

    def ask(self, attempt: int, *, fetch: bool) -> None:
        self.world.send(
            Message(
                self.world.upstream[self.name],
                asked_by=self.name,
                attempt=attempt,
                request=self.request,
                fetch=fetch,
            )
        )

    def finish(self) -> None:
        """Let the sink do what it was given."""
        action, self.pending = self.pending, None
        match action:
            case None:
                return
            case do.Apply(epoch, records):
                assert self.disk is not None
                self.disk = self.disk.with_epoch(epoch)
                for record in records:
                    self.disk = self.disk.with_entry(record)
            case do.Load():
                self.load()
        assert self.disk is not None
        self.floor = self.disk.position
        self.feed(on.Applied(self.disk.position, str(hash(self.disk.state))))

    def load(self) -> None:
        assert self.contents is not None
        had = self.disk.position if self.disk else self.floor if self.gateway else None
        hub = self.world.hub.disk
        taken_away = had is not None and not self.contents.has(had)
        assert not (taken_away and had and hub.has(had)), (
            f"invariant 8: {self.name} gives up {had}, which the root has"
        )
        self.disk = replace(self.contents, base=self.contents.head, generation="")

    def publish(self) -> None:
        """Bring one entry into the own stream, or begin one that fits."""
        if self.gateway or self.disk is None:
            return
        disk, stream = self.disk, self.stream()
        if stream is None or stream.last > disk.head or stream.last < disk.base:
            pass
        elif stream.last == disk.head:
            return
        else:
            stream.append(disk.records[stream.last], disk.lineage)
            return
        self.disk = replace(disk, generation=self.world.fresh("g"))
        self.world.streams[self.key] = Stream(self.instance, disk.base + 1)

    def kill(self, *, reboot: bool = False) -> None:
        """Die and start again; a reboot also empties a gateway's device."""
        if reboot:
            self.floor = None
        self.start()
        self.feed(on.Connected())
