"""A world in which only messages, disks and streams are simulated.

Primaries, followers and gateways are the real state machines (`wig.owner`, `wig.replica`,
`wig.replication`, `wig.primacy`), in `replication_nodes`; everything between them is a list of
messages that can be lost, repeated, delayed and reordered. Any node can be killed or frozen
between any two steps, and copies of it can be started.
"""

import itertools
from dataclasses import replace

from tests.property.replication_disk import Consumer, Disk, Message, Published, Restored, Stream
from tests.property.replication_downstream import Downstream
from tests.property.replication_nodes import Node
from tests.property.replication_primary import Primary
from tests.property.replication_promises import Promises
from wig import errors, log, primacy
from wig import replica_events as on
from wig.log import Fork
from wig.primacy import Place

HUB = "hub"
UPSTREAMS = {
    "mid": (HUB, "leaf"),
    "leaf": ("mid", HUB),
    "gw-hub": (HUB, "mid", "leaf"),
    "gw-mid": ("mid", "leaf", HUB),
    "gw-leaf": ("leaf", HUB, "mid"),
}
"""Followers, and gateways whose names begin with `gw`; whom each may follow, at first the first."""


class World:
    """All nodes, and the time that passes for all of them."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.numbers = itertools.count()
        self.messages: list[Message] = []
        self.late: list[Published] = []
        """Entries that are still on their way to a stream."""
        self.streams: dict[tuple[str, str], Stream] = {}
        self.consumers: dict[str, Consumer] = {}
        self.cut: frozenset[str] = frozenset()
        """Nodes, with their JetStream, that are cut off from all others."""
        self.promises = Promises(self)
        self.single = True
        """There never was a second primary."""
        self.rolled_back = False
        """A whole machine was: the epoch that its primary was in may have two branches."""
        self.restored: list[Restored] = []
        self.upstream = {name: upstreams[0] for name, upstreams in UPSTREAMS.items()}
        disk = Disk((Fork(epoch=self.epoch(0), parent="", seq=0, digest=""),))
        self.beginning = disk
        self.promises.note(disk)
        self.primaries = [Primary(self, HUB, disk)]
        self.downstreams = {name: Downstream(self, name) for name in UPSTREAMS}
        self.settle()
        self.root.commit()

    @classmethod
    def at_rest(cls) -> "World":
        """Return a tree in which everybody has a few entries."""
        one = cls()
        one.grow(4)
        one.calm(10)
        assert one.converged()
        return one

    @property
    def root(self) -> Primary:
        """The primary that counts: the last one that was promoted, and got hold of its stream."""
        return max(
            self.primaries,
            key=lambda it: (it.active, it.term, it.after is not None),
        )

    def fresh(self, what: str) -> str:
        return f"{what}{next(self.numbers):04x}"

    def epoch(self, term: int) -> str:
        return f"{term:04x}{next(self.numbers):020x}"

    def nodes(self, name: str) -> list[Node]:
        """Return all processes of that name."""
        downstream = self.downstreams.get(name)
        primaries = [it for it in self.primaries if it.name == name]
        return [*primaries, *([downstream] if downstream else [])]

    def everybody(self) -> list[Node]:
        return [*self.primaries, *self.downstreams.values()]

    def reach(self, one: str, other: str) -> bool:
        return (one in self.cut) == (other in self.cut)

    # Messages.

    def send(self, message: Message) -> None:
        self.messages.append(message)

    def deliver(self, message: Message) -> None:
        if not self.reach(message.sender, message.to):
            return
        for node in self.nodes(message.to):
            if not node.active:
                pass
            elif message.request is not None:
                node.asked(message)
            elif isinstance(node, Downstream) and message.event is not None:
                node.hears(message)
            elif isinstance(node, Primary) and message.announcement is not None:
                assert message.contents is not None
                node.hears(message.announcement, message.contents)

    def damage(self) -> None:
        """Change a byte of every entry on its way."""
        for index, message in enumerate(self.messages):
            event = message.event
            if isinstance(event, on.Arrived) and event.records:
                records = [*event.records[:-1], event.records[-1]._replace(payload=b"damaged")]
                self.messages[index] = replace(message, event=replace(event, records=records))

    def give(self, name: str, count: int) -> None:
        """Let the server give a downstream the next entries of its consumer, or a heartbeat."""
        consumer = self.consumers.get(name)
        if consumer is None or not self.reach(consumer.key[0], name):
            return
        event: on.Event
        if self.streams.get(consumer.key) is not consumer.stream:
            event = on.Broken(consumer.attempt, errors.Unavailable("consumer deleted"))
        else:
            records, epoch = consumer.stream.entries(consumer.next, count)
            consumer.next += len(records)
            event = on.Arrived(consumer.attempt, records, epoch)
        self.send(Message(consumer.key[0], name, event))

    def take(self, entry: Published) -> bool:
        """Let the server take an entry, or refuse it."""
        stream = self.streams.get(entry.key)
        return stream is not None and stream.take(entry)

    def beacon(self, name: str) -> None:
        """Tell downstreams and doubles where a node is; a primary also says that it is one."""
        for node in self.nodes(name):
            if not node.active:
                continue
            beacon = node.beacon()
            for below, upstream in self.upstream.items():
                if upstream == name and below in self.downstreams:
                    self.send(Message(name, below, on.Heard(beacon)))
            for double in self.nodes(name):
                if double is not node and double.active:
                    double.doubt()
            if isinstance(node, Primary):
                for other in sorted({it.name for it in self.primaries}):
                    said = node.announcement()
                    self.send(Message(name, other, announcement=said, contents=node.disk))

    # Time.

    def tick(self, seconds: float) -> None:
        self.now += seconds
        for downstream in self.downstreams.values():
            downstream.tick()

    def calm_step(self, seconds: float, *, beacons: bool) -> None:
        """Let everything happen that happens when nothing is broken."""
        self.tick(seconds)
        self.settle()
        self.exchange(beacons=beacons)

    def exchange(self, *, beacons: bool) -> None:
        """Let all messages arrive, and all sinks do what they are given."""
        for name in sorted({node.name for node in self.everybody()}) if beacons else ():
            self.beacon(name)
        for name in self.downstreams:
            self.give(name, 100)
        while self.messages:
            self.deliver(self.messages.pop(0))
            for node in self.downstreams.values():
                node.finish()
        self.promises.check()

    def calm(self, seconds: float) -> None:
        """Let nothing go wrong for a while."""
        for step in range(int(seconds * 4)):
            self.calm_step(0.25, beacons=step % 4 == 0)

    def grow(self, count: int = 1) -> None:
        """Do commands at the primary, whose stream does not have them yet."""
        for _ in range(count):
            self.root.commit()

    def follow(self, name: str, upstream: str) -> None:
        """Start a downstream again with another upstream."""
        self.upstream[name] = upstream
        self.downstreams[name].kill()

    def deliver_some(self, count: int) -> None:
        """Let the next messages arrive, in order."""
        for _ in range(min(count, len(self.messages))):
            self.deliver(self.messages.pop(0))

    def deliver_all(self) -> None:
        """Let all messages arrive, and what they lead to."""
        while self.messages:
            self.deliver(self.messages.pop(0))

    def write(self, primary: Primary, count: int) -> None:
        """Do so many commands, and let the streams have them."""
        for _ in range(count):
            primary.commit()
        self.settle()

    def settle(self) -> None:
        """Let everybody publish what there is."""
        for node in self.everybody():
            for _ in range(100):
                node.publish()

    def converged(self) -> bool:
        where = self.root.disk.position
        publishing = [it for it in self.primaries if it.active]
        return publishing == [self.root] and all(
            node.replica.position == where and not node.rotten for node in self.downstreams.values()
        )

    # What happens to disks and streams.

    def prune(self, node: Node, keep: int) -> None:
        """Forget all but the last entries, in the database and in the stream."""
        if node.disk is None or node.after is None:
            return
        base = max(node.disk.base, min(node.disk.head - keep, node.after - 1))
        if stream := node.stream():
            base = min(base, stream.last - 1)  # the last entry always stays, to be compared
            stream.prune(base + 1)
        node.disk = replace(node.disk, base=max(node.disk.base, base))

    def lose_streams(self, name: str) -> None:
        for key in [key for key in self.streams if key[0] == name]:
            del self.streams[key]
        self.promises.forget_what_nobody_has()

    def lose_tail(self, name: str, count: int) -> None:
        """Lose the last entries of a node's streams, and the connections to its server."""
        for stream in [stream for key, stream in self.streams.items() if key[0] == name]:
            stream.lose_tail(count)
            if stream.owners:
                # The last claim, too; not two, which are further apart than what power takes.
                stream.owner = stream.owners.pop()
                stream.owners.clear()
        for node in self.nodes(name):
            node.doubt()
        self.promises.forget_what_nobody_has()

    def restore(self, primary: Primary, backup: Disk, *, with_stream: bool) -> None:
        """Replace a primary's disk by an older one, and perhaps its stream, too.

        If there are others, what only it had is given up by whoever does that.
        """
        self.restored.append(Restored(self.now, primary.disk))
        if with_stream and backup.generation:
            self.restore_stream(primary, backup, "old")
        primary.disk = replace(backup)
        self.promises.forget_what_nobody_has(streams=self.single)
        primary.restart()

    def roll_back(self, primary: Primary, backup: Disk) -> None:
        """Put a whole machine back to a snapshot of it, with the processes that run there."""
        assert primary.after is not None
        self.rolled_back = True
        self.restore_stream(primary, backup, primary.instance)
        primary.disk = replace(backup)
        primary.published = None
        primary.heads.clear()
        primary.doubt()
        self.promises.numbers_are_used_again(backup.head)
        self.promises.forget_what_nobody_has()

    def restore_stream(self, primary: Primary, backup: Disk, owner: str) -> None:
        """Replace a primary's stream by one that has what that disk has."""
        key = (primary.name, backup.generation)
        self.lose_streams(primary.name)
        stream = self.streams[key] = Stream(owner, backup.base + 1)
        stream.taken = {record.seq: record.digest.hex() for record in backup.records}
        stream.ever = backup.digests()
        for record in backup.records[backup.base :]:
            epoch = log.epoch_at(backup.lineage, record.seq)
            before = bytes.fromhex(backup.digest_at(record.seq - 1) or "")
            assert stream.take(Published(key, owner, record, before, epoch))
        for consumer in self.consumers.values():
            if consumer.key == key:  # behind a leaf nobody notices
                consumer.stream = stream
                consumer.next = min(consumer.next, stream.last + 1)

    def start_copy(self, disk: Disk, name: str, *, asks: bool) -> None:
        """Start a copy of a primary's database elsewhere."""
        self.single = False
        copy = Primary(self, name, disk)
        self.primaries.append(copy)
        copy.restart(asks=asks)

    # Promotion.

    def promote(self, name: str, *, force: bool) -> None:
        """Make a primary of a follower, as the operator wants; it may be refused."""
        follower = self.downstreams[name]
        near = [it for it in self.everybody() if it.active and self.reach(name, it.name)]
        places = [
            it.place() if isinstance(it, Downstream) else Place(it.name, "primary", it.published)
            for it in near
            if it is not follower
        ]
        disk = follower.disk
        at, lineage = (disk.position, disk.lineage) if disk else (None, ())
        if primacy.refusal(at, lineage, places, force=force) or disk is None:
            return
        self.promises.check_promotion(disk, places, force=force)
        term = max(log.term(fork.epoch) for fork in lineage) + 1
        disk = disk.with_epoch(self.epoch(term))
        self.promises.note(disk)
        self.single = False
        del self.downstreams[name]
        self.primaries.append(Primary(self, name, disk))

    def path(self, name: str) -> list[str]:
        """Return whom a node follows, up to the root or back to where a loop begins."""
        found: list[str] = []
        while (name := self.upstream.get(name, "")) and name not in found:
            found.append(name)
            if name not in self.downstreams:
                break
        return found
