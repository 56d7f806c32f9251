"""What is true in the simulated world, and what was promised; asserted where it happens."""

from itertools import takewhile
from typing import TYPE_CHECKING

from tests.property.replication_disk import Disk, State
from tests.property.replication_downstream import Downstream
from tests.property.replication_nodes import Node
from tests.property.replication_primary import Primary
from wig import log
from wig.log import Loss, Position
from wig.owner import Begin, Cause
from wig.primacy import Place
from wig.replication import Answer, AttachRequest, Continue, Snapshot

if TYPE_CHECKING:
    from tests.property.replication_world import World


KNOWN_S_MAX = 10.0  # until everybody knows of another root, or waits


def common(mine: State, other: State) -> int:
    """Return how many entries two have in common."""
    pairs = zip(mine, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


class Promises:
    """The memory of an all-knowing observer."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.truth: dict[Position, State] = {}
        self.acknowledged: dict[tuple[str, int], str] = {}
        """Digests by epoch and sequence."""
        self.promised: set[bytes] = set()
        """All that was ever acknowledged."""
        self.open: dict[str, int] = {}
        """Sequences by digest: what was acknowledged, and not declared to be lost."""

    def check(self) -> None:
        """Check what must hold at every moment."""
        self.check_states()
        self.check_acknowledged()

    def check_states(self) -> None:
        """Invariants 1, 2 and 7: every state is that of a primary at that position."""
        for node in self.world.downstreams.values():
            if node.disk is not None and not node.rotten:
                assert self.truth[node.disk.position] == node.disk.state, node.name

    def check_acknowledged(self) -> None:
        """Invariant 3: what was acknowledged is there, or an operator was told that it is lost.

        Two primaries may lose more.
        """
        if len(self.world.primaries) == 1 and self.world.root.after is not None:
            assert set(self.open) <= self.world.root.disk.digests(), "invariant 3"

    def note(self, disk: Disk) -> None:
        """Remember what a primary decided."""
        known = self.truth.setdefault(disk.position, disk.state)
        assert known == disk.state, "invariant 2: one position, two states"

    def state_digest(self, position: Position) -> str:
        return str(hash(self.truth[position]))

    def acknowledge(self, primary: Primary, until: int) -> None:
        """Promise what the stream of a primary has."""
        disk, stream = primary.disk, primary.stream()
        for record in reversed(disk.records[disk.base : until]):
            at, digest = (log.epoch_at(disk.lineage, record.seq), record.seq), record.digest.hex()
            if self.acknowledged.get(at) == digest:
                break
            taken = stream is None or record.seq < stream.first or digest in stream.ever
            assert taken, f"acknowledged, and the stream lacks it: {at}"
            again = at not in self.acknowledged or self.world.rolled_back
            assert again, f"invariant 5: two acknowledged {at}"
            self.acknowledged[at] = digest
            self.promised.add(record.payload)
            self.open[digest] = record.seq

    def told_of_loss(self, primary: Primary, begin: Begin) -> None:
        """Declare what an operator was told, and check that it is not too much."""
        disk, loss, stream = primary.disk, begin.loss, primary.stream()
        here = disk.digests()
        missing = [seq for seq, it in stream.taken.items() if it not in here] if stream else []
        if loss and missing:
            fits = loss.first == min(missing) if loss.exact else loss.first >= min(missing)
            assert fits, f"{loss} are told to be lost, and not those from {min(missing)}"
        first = loss.first if loss and loss.exact else 0
        last = loss.last if loss else disk.head + len(self.truth)
        for digest in [it for it in self.open if it not in here]:
            if first <= self.open[digest] <= last and begin.cause is not Cause.FIRST:
                del self.open[digest]

    def check_loss(self, stops: Disk, goes_on: Disk, loss: Loss | None) -> None:
        """Check what a primary that stops tells, and take it as told."""
        related = log.related(stops.lineage, goes_on.lineage)
        if related:  # else it is told that nobody knows
            self.check_told(stops.state, goes_on.state, loss)
        if loss or not related:
            lost = {it.digest.hex() for it in stops.records} - goes_on.digests()
            self.open = {it: seq for it, seq in self.open.items() if it not in lost}

    def check_told(self, mine: State, other: State, loss: Loss | None) -> None:
        """Check what the operator is told that one has and the other has not."""
        kept = common(mine, other)
        if loss is None:
            lost = {payload for _, payload in mine[kept:]} & self.promised
            assert self.world.rolled_back or not lost, f"{lost} are lost, and nobody is told"
        else:
            first, last = kept + 1, len(mine)
            fits = loss.first == first if loss.exact else loss.first >= first
            assert fits, f"{loss} are told to be lost, instead of {first}–{last}"
            assert loss.last == last

    def numbers_are_used_again(self, after: int) -> None:
        """Let go of what database and stream have lost together: nobody can know."""
        for at in [it for it in self.acknowledged if it[1] > after]:
            del self.acknowledged[at]

    def forget_what_nobody_has(self, *, streams: bool = True) -> None:
        """Let go of promises that no database holds any more, nor a stream that will be read."""
        kept = {digest for it in self.world.primaries for digest in it.disk.digests()}
        for (name, _), stream in self.world.streams.items():
            if streams and name == self.world.root.name:
                kept |= {record.digest.hex() for record in stream.records}
        self.open = {it: seq for it, seq in self.open.items() if it in kept}

    def check_answer(self, node: Node, request: AttachRequest, answer: Answer) -> None:
        """Check what an upstream answers against what is true."""
        claim, disk = request.position, node.disk
        if claim is None or disk is None:
            return
        mine = disk.has(claim, self.truth)
        if isinstance(answer, Continue):
            assert mine, "invariant 1: it continues what is not its past"
            root = node.root()
            assert root is None or request.node not in root.path, "they follow each other"
        proven = isinstance(answer, Snapshot) and "not in this timeline" in answer.reason
        if proven and claim.seq >= disk.base:  # else it cannot be compared
            self.check_told(self.truth[claim], disk.state, answer.loss)
            if answer.loss and self.world.single and not self.world.rolled_back:
                left = [fork.seq for fork in disk.lineage if fork.parent == claim.epoch]
                known = min([disk.head, claim.seq - 1, *left]) + 1
                assert answer.loss.first <= known, f"{answer.loss}: more is known to be lost"
        stream = node.stream()
        if isinstance(answer, Snapshot) and mine and not request.whole and stream:
            assert claim.seq + 1 < stream.first, "it gives a snapshot to who could continue"

    def check_taken_away(self, node: Downstream, had: Position, new: Disk) -> None:
        """Check that nobody loses what it has and its root has, too: invariant 8.

        Whoever decided that may not have heard yet that the root's database was replaced.
        """
        name, mine = self.world.path(node.name)[-1], self.truth[had]
        roots = [it.disk for it in self.world.primaries if it.name == name]
        roots += [it.disk for it in self.world.restored if self.world.now - it.at < KNOWN_S_MAX]
        right = min((common(mine, it.state) for it in roots), default=0)
        kept = common(mine, new.state)
        assert kept >= right, f"invariant 8: {node.name} keeps {kept} of {right} that {name} has"

    def check_promotion(self, disk: Disk, places: list[Place], *, force: bool) -> None:
        """Check that nobody who lives is overruled, and nothing that can be reached is lost."""
        assert all(it.role != "primary" for it in places), "it overrules a primary that lives"
        old = [it.disk for it in self.world.primaries]
        for at in [it.position for it in places if it.position] if not force else ():
            if any(it.has(at, self.truth) for it in old):
                assert disk.has(at, self.truth), f"the promotion loses {at}"
