"""The primaries of the simulated world: the real `owner.Owner`, and what `wig.primacy` decides."""

from dataclasses import replace

from tests.property.replication_disk import Disk
from tests.property.replication_nodes import DATABASE, Node
from wig import errors, log, owner, primacy
from wig.log import Record
from wig.primacy import Announcement
from wig.replication import Root


class Primary(Node):
    """A writer."""

    follows = False
    disk: Disk

    def __str__(self) -> str:
        doing = "publishing" if self.after is not None else self.why
        return f"{self.name}/{self.instance} {doing} at {self.disk.position}"

    def start(self) -> None:
        self.ready = False
        self.running = self.may_run()
        self.why = "starting"
        self.since_ms = int(self.world.now * 1000)
        super().start()

    def may_run(self) -> bool:
        return not self.disk.fenced

    @property
    def term(self) -> int:
        return log.term(self.disk.lineage[-1].epoch)

    def root(self) -> Root | None:
        at = self.published
        return Root(epoch=at.epoch, seq=at.seq, age_s=0.0, path=(self.name,)) if at else None

    def confirmed(self) -> bool:
        return True

    def commit(self) -> None:
        """Do a command; it is refused before the stream is ours."""
        if not (self.active and self.ready):
            return
        payload = self.world.fresh("p").encode()
        position = self.disk.position
        digest = log.chain(bytes.fromhex(position.digest), payload)
        self.store(self.disk.with_entry(Record(position.seq + 1, payload, digest)))
        self.grown()

    def store(self, disk: Disk) -> None:
        self.disk = disk
        self.world.promises.note(disk)

    def accepted(self, seq: int) -> None:
        super().accepted(seq)
        self.ready = True
        self.world.promises.acknowledge(self, seq)

    def begin(self, action: owner.Begin) -> None:
        self.world.promises.told_of_loss(self, action)
        super().begin(action)

    def mint(self) -> None:
        self.store(self.disk.with_epoch(self.world.epoch(self.term)))

    def replace(self, reason: str) -> None:
        """Stop, for another process has this one's place; tell what is lost, if it is heard."""
        doubles = [it for it in self.world.nodes(self.name) if it is not self and it.active]
        double = next((it for it in doubles if isinstance(it, Primary)), None)
        verdict = primacy.replaced(
            errors.Fenced(reason), self.announcement(), double.announcement() if double else None,
            self.disk.head, self.disk.digest_at,
        )  # fmt: skip
        if double:
            self.world.promises.check_loss(self.disk, double.disk, verdict.loss)
        self.stop(verdict.error.message)

    def stop(self, reason: str) -> None:
        assert len(self.world.primaries) > 1, f"{self.name} is alone, and stops: {reason}"
        self.running, self.why, self.after = False, reason, None
        self.todo.clear()

    def restart(self, *, asks: bool = True) -> None:
        """Start again, unless another instance answers; its answer may be lost."""
        others = [it for it in self.world.primaries if it is not self and it.active]
        near = [it for it in others if self.world.reach(self.name, it.name)]
        self.start()
        self.frozen = False
        if asks and self.running:
            if any(it.name == self.name for it in near):
                self.replace("another instance serves this node")
            for it in near:
                self.hears(it.announcement(), it.disk)

    def announcement(self) -> Announcement:
        return Announcement(
            database=DATABASE, node=self.name, instance=self.instance, since_ms=self.since_ms,
            lineage=self.disk.lineage, head=self.disk.head,
        )  # fmt: skip

    def hears(self, other: Announcement, theirs: Disk) -> None:
        verdict = primacy.judge(self.announcement(), other, self.disk.head, self.disk.digest_at)
        if verdict and self.running:
            self.world.promises.check_loss(self.disk, theirs, verdict.loss)
            self.stop(verdict.error.message)
            if verdict.final:
                self.disk = replace(self.disk, fenced=True)
