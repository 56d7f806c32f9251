"""A downstream in the simulated world: the real `replica.Replica`, and its sink."""

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.property.replication_disk import Disk, Message
from tests.property.replication_nodes import DATABASE, Node
from wig import errors, owner
from wig import replica_actions as do
from wig import replica_events as on
from wig.log import Position
from wig.primacy import Place
from wig.replica import Phase, Replica
from wig.replication import AttachRequest, Root

if TYPE_CHECKING:
    from tests.property.replication_world import World

SILENCE_S_MAX = 10.0  # like `bridge.transfer`


class Downstream(Node):
    """A follower, or a gateway, driven by the real `replica.Replica`."""

    def __init__(self, world: "World", name: str) -> None:
        self.gateway = name.startswith("gw")
        self.floor: Position | None = None
        """What a gateway's device shows."""
        self.rotten = False
        self.alerts: list[errors.WigError | None] = []
        """What the operator was told, over all its processes."""
        super().__init__(world, name, None)
        self.feed(on.Connected())

    def __str__(self) -> str:
        replica = self.replica
        return f"{self.name} {replica.phase.value} ({replica.why}) at {replica.position}"

    def start(self) -> None:
        if self.gateway:
            self.disk, self.rotten = None, False
        super().start()
        position = self.disk.position if self.disk else None
        self.replica = Replica(
            self.name,
            position=position,
            state_digest=self.world.promises.state_digest(position) if position else None,
            database=DATABASE if position or self.floor else None,
            floor=self.floor,
        )
        # Answers come to inboxes of one process: they are never taken for those of another.
        self.replica.attempt = 1000 * next(self.world.numbers)
        self.pending: do.Apply | do.Load | None = None
        self.request: AttachRequest | None = None
        self.contents: Disk | None = None
        self.fetched_at: float | None = None

    def place(self) -> Place:
        return Place(self.name, "follower", self.disk.position if self.disk else self.floor)

    def root(self) -> Root | None:
        return self.replica.upstream.root(self.world.now)

    def confirmed(self) -> bool:
        return self.replica.confirmed

    def feed(self, event: on.Event) -> None:
        for action in self.replica.handle(event, self.world.now):
            self.perform_for_replica(action)

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

    def perform_for_replica(self, action: do.Action) -> None:
        match action:
            case do.Attach(attempt, database, position, whole):
                beacon = self.replica.upstream.beacon
                path = beacon.root.path if beacon and beacon.root else ()
                assert self.name not in path, "it follows who follows it"
                self.request = AttachRequest(
                    node=self.name, instance=self.instance, kind="", version="1", inbox="",
                    database=database, position=position, whole=whole,
                )  # fmt: skip
                self.ask(attempt, fetch=False)
            case do.Fetch(attempt):
                self.fetched_at = self.world.now
                self.ask(attempt, fetch=True)
            case do.Alert(error):
                self.alerts.append(error)
            case do.Apply() | do.Load():
                assert self.pending is None, "calls of a sink never overlap"
                self.pending = action
            case _:
                pass  # consumers and transfers are the world's

    def ask(self, attempt: int, *, fetch: bool) -> None:
        to = self.world.upstream[self.name]
        self.world.send(Message(self.name, to, request=self.request, attempt=attempt, fetch=fetch))

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
                self.grown()
            case do.Load():
                self.load()
        assert self.disk is not None
        self.floor = self.disk.position
        state_digest = str(hash(self.disk.state))
        self.feed(on.Applied(self.disk.position, state_digest))

    def load(self) -> None:
        assert self.contents is not None
        first, self.rotten = self.disk is None, False
        had = self.disk.position if self.disk else self.floor if self.gateway else None
        if had is not None:
            self.world.promises.check_taken_away(self, had, self.contents)
        generation = self.disk.generation if self.disk else ""
        self.disk = replace(self.contents, base=self.contents.head, generation=generation)
        self.heads.clear()
        self.published = self.after = None
        if self.gateway:
            return
        if first:
            self.take(owner.Opened("", self.log(), self.strangers()))
        else:
            self.replaced = True
            self.take(owner.Replaced())

    def publish(self, *, late: bool = False, answered: bool = True) -> None:
        if not self.gateway:
            super().publish(late=late, answered=answered)

    def rot(self) -> None:
        """Let the state be wrong under a right position, and be noticed by its digest."""
        if self.gateway and self.disk is not None and self.pending is None:
            self.disk = replace(self.disk, state=(*self.disk.state[:-1], ("", b"rotten")))
            self.replica.state_digest, self.rotten = str(hash(self.disk.state)), True

    def kill(self, *, reboot: bool = False) -> None:
        """Die and start again; a reboot also empties a gateway's device."""
        if reboot:
            self.floor = None
        self.start()
        self.feed(on.Connected())
