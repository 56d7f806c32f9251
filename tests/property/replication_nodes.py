"""The nodes of the simulated world: the real state machines, each with a disk.

A step is one call of a state machine and what it asks for; a node can die between any two.
"""

import itertools
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.property.replication_disk import Consumer, Disk, Message, Published, Stream
from wig import errors, log, owner, replication
from wig import replica_events as on
from wig.log import Position
from wig.replication import Beacon, Continue, Root, Serving, Snapshot
from wig.snapshot import Header

if TYPE_CHECKING:
    from tests.property.replication_world import World

DATABASE = "db"


class Node(ABC):
    """What primary and follower have in common: a stream of their own, and they are followed."""

    follows = True

    def __init__(self, world: "World", name: str, disk: Disk | None) -> None:
        self.world = world
        self.name = name
        self.disk = disk
        self.running = True
        self.frozen = False
        self.start()

    def start(self) -> None:
        """Begin with what the disk has."""
        self.instance = self.world.fresh("i")
        self.counter = itertools.count(1)
        self.claims: dict[str, tuple[Position | None, float]] = {}
        self.owner = owner.Owner(self.instance, follows=self.follows)
        self.todo: deque[owner.Action] = deque()
        self.replaced = False
        """Whether a snapshot was loaded since the stream was last looked at."""
        self.seen: owner.Event | None = None
        """What came of the last action, and was not told yet."""
        self.keeps_old = False
        """Whether the next deletion of old streams fails."""
        self.left: set[tuple[str, str]] = set()
        """The streams that were to be deleted."""
        self.after: int | None = None
        """The last entry in the stream; None: it is not known to be ours."""
        self.published: Position | None = None
        self.heads: deque[Position] = deque()
        if self.disk is not None:
            strangers = self.strangers()
            self.take(owner.Opened(self.disk.generation, self.log(), strangers))

    @property
    def active(self) -> bool:
        return self.running and not self.frozen

    @property
    def key(self) -> tuple[str, str]:
        return self.name, self.disk.generation if self.disk else ""

    def stream(self) -> Stream | None:
        return self.world.streams.get(self.key)

    def strangers(self) -> int | None:
        """Return the last entry in other streams of this node, None if there are none."""
        others = [it for key, it in self.world.streams.items() if key[0] == self.name != key]
        mine = self.stream()
        return max((it.last for it in others if it is not mine), default=None)

    def news(self) -> bool:
        """Say whether one of those is not what this process could not delete."""
        return any(key[0] == self.name and key not in self.left for key in self.world.streams)

    def log(self) -> owner.Log:
        assert self.disk is not None
        return owner.Log.of(self.disk.base, self.disk.head, self.disk.lineage)

    # The own stream.

    def take(self, event: owner.Event) -> None:
        self.todo.extend(self.owner.handle(event))

    def doubt(self) -> None:
        """Look at the stream before anything more is published."""
        if self.after is not None:
            self.after = None
            self.take(owner.Doubted())

    def publish(self, *, late: bool = False, answered: bool = True) -> None:
        """Do one step of getting hold of the stream, or publish one entry.

        The entry may be late, so that others overtake it, or its acknowledgement may be lost.
        """
        if not self.active or self.disk is None:
            return
        if self.seen:
            event, self.seen = self.seen, None
            self.take(event)
        elif self.todo:
            self.perform(self.todo.popleft())
        elif self.replaced:
            self.replaced = False
            self.take(owner.Doubted())
        elif self.after is not None and self.after < self.disk.head:
            self.send(self.after, late=late, answered=answered)

    def send(self, after: int, *, late: bool, answered: bool) -> None:
        assert self.disk is not None
        record = self.disk.records[after]
        before = bytes.fromhex(self.disk.digest_at(after) or "")
        epoch = log.epoch_at(self.disk.lineage, record.seq)
        assert after >= self.disk.base, "it publishes what is pruned"
        known = after >= self.disk.lineage[0].seq  # else nobody goes on from there
        right = not known or epoch == self.disk.state[after][0]
        assert right, "an entry is stamped with another epoch"
        entry = Published(self.key, self.instance, record, before, epoch)
        if late:
            self.world.late.append(entry)
        taken = not late and self.world.take(entry)
        if taken and answered:
            self.accepted(record.seq)
        else:
            self.doubt()

    def accepted(self, seq: int) -> None:
        """Note that the stream has everything up to `seq`."""
        self.after = seq
        while self.heads and self.heads[0].seq <= seq:
            self.published = self.heads.popleft()

    def grown(self) -> None:
        """Note that the disk has more."""
        assert self.disk is not None
        self.heads.append(self.disk.position)
        if self.after is not None:
            self.accepted(self.after)

    def perform(self, action: owner.Action) -> None:
        match action:
            case owner.Mint():
                self.mint()
            case owner.Claim() | owner.Look():
                self.seen = self.looked(claim=isinstance(action, owner.Claim))
            case owner.Compare(seq):
                self.seen = owner.Compared(seq, self.same(seq))
            case owner.Begin():
                self.begin(action)
            case owner.Retire():
                self.retire()
            case owner.Publish(after):
                self.go_on(after)
            case owner.Stop(reason):
                self.replace(reason)

    def retire(self) -> None:
        """Delete the other streams of this node, if the server does that now."""
        self.left = {it for it in self.world.streams if it[0] == self.name and it != self.key}
        if not self.keeps_old:
            for key in self.left:
                del self.world.streams[key]
        self.keeps_old = False

    def go_on(self, after: int) -> None:
        """Publish from there on, unless a snapshot has replaced all meanwhile."""
        if not self.replaced and self.disk is not None:
            self.heads = deque([self.disk.position])
            self.accepted(after)

    def same(self, seq: int) -> bool | None:
        """Compare the stream to the disk, as far as both have an entry."""
        stream = self.stream()
        theirs = stream.get(seq) if stream else None
        mine = self.disk.digest_at(seq) if self.disk else None
        return theirs.digest.hex() == mine if theirs and mine else None

    def looked(self, *, claim: bool) -> owner.Event:
        stream = self.stream()
        if stream is None:
            return owner.Gone(self.log(), self.strangers(), self.news())
        displaced = stream.claim(self.instance) if claim else ""
        return owner.Found(stream.owner, displaced, stream.first, stream.last, self.log())

    def mint(self) -> None:
        raise AssertionError(f"{self.name} follows, and begins an epoch")

    def begin(self, action: owner.Begin) -> None:
        assert self.disk is not None
        self.disk = replace(self.disk, generation=self.world.fresh("g"))
        self.world.streams[self.key] = Stream(self.instance, action.first)
        self.seen = owner.Begun(action.first)

    def replace(self, reason: str) -> None:
        raise AssertionError(f"nobody else owns the stream of {self.name}: {reason}")

    # Those that follow.

    @abstractmethod
    def root(self) -> Root | None:
        """Return what it knows of the root."""

    @abstractmethod
    def confirmed(self) -> bool:
        """Say whether it knows as much as the root."""

    def serving(self) -> Serving | None:
        stream = self.stream()
        if self.disk is None or stream is None or self.published is None:
            return None
        return Serving(
            node=self.name,
            database=DATABASE,
            position=self.published,
            state_digest=self.world.promises.state_digest(self.published),
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
        request, world, who = message.request, self.world, message.sender
        assert request is not None
        if self.stream() is None:
            self.doubt()
        claim = request.position
        digest = self.disk.digest_at(claim.seq) if self.disk and claim else None
        before, since = self.claims.get(who, (None, world.now))
        since = since if before == claim else world.now
        self.claims[who] = claim, since
        serving = self.serving()
        answer = replication.answer(request, serving, digest, world.now - since)
        world.promises.check_answer(self, request, answer)
        stream = self.stream()
        event: on.Event = on.Answered(message.attempt, answer)
        if isinstance(answer, Continue):
            del self.claims[who]
            if stream and not message.fetch:
                begin = max(stream.first, min(answer.start, stream.last + 1))
                world.consumers[who] = Consumer(stream, self.key, message.attempt, begin)
        if message.fetch and isinstance(answer, Snapshot):
            event = on.Offered(message.attempt, self.header())
        elif message.fetch:
            event = on.Broken(message.attempt, errors.Unavailable("no snapshot"))
        world.send(Message(self.name, who, event, contents=self.disk))

    def header(self) -> Header:
        assert self.disk is not None
        return Header(
            database=DATABASE,
            position=self.disk.position,
            lineage=self.disk.lineage,
            state_digest="",
            objects=0,
        )
