"""Plots: several moves in a row that lead to where random steps come too rarely.

`test_replication` mixes them with the single moves of `replication_moves`.
"""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.property.replication_moves import Moves, downstreams, servers, some, which
from tests.property.replication_primary import Primary
from tests.property.replication_world import HUB, UPSTREAMS


class Plots(Moves):
    """Each begins anywhere, and leaves a world that goes on."""

    @rule(count=some, seconds=st.sampled_from([0, 0.25, 2]))
    def much_is_written(self, count: int, seconds: float) -> None:
        self.world.write(self.world.root, count)
        self.world.calm(seconds)

    @rule(more=some, past=st.integers(0, 8), lost=st.sampled_from(["", "stream", "tail", "both"]))
    def a_backup_is_overtaken(self, more: int, past: int, lost: str) -> None:
        """Written, replicated, restored, and written past the old sequence before others see it."""
        root = self.world.root
        if not self.world.single or not root.disk.generation:
            return
        backup = root.disk
        self.world.write(root, more)
        self.world.calm(1)
        root.commit()
        root.publish(late=True)
        if lost == "tail":
            self.world.lose_tail(root.name, 1)
        if lost == "stream":
            self.world.lose_streams(root.name)
        self.world.restore(root, backup, with_stream=lost == "both")
        self.world.settle()
        while self.world.late:
            self.world.take(self.world.late.pop())
        self.world.write(root, past)

    @rule(names=st.sets(downstreams, min_size=1), count=some, keep=some)
    def somebody_is_away_while_entries_are_pruned(self, names, count, keep) -> None:
        self.world.cut = frozenset(names)
        self.world.write(self.world.root, count)
        self.world.calm(4)
        for name in (HUB, "mid", "leaf"):
            self.world.prune(self.server(name), keep)
        self.world.cut = frozenset()
        self.world.calm(0.5)

    @precondition(lambda self: len(self.world.primaries) == 1)
    @rule(before=some, count=some, old_first=st.booleans())
    def a_copy_takes_over_from_a_frozen_primary(self, before, count, old_first) -> None:
        old, copy = self.world.root, self.world.root.disk
        self.world.write(old, before)
        old.frozen = True
        self.world.start_copy(copy if before % 2 else old.disk, old.name, asks=True)
        self.world.settle()
        old.frozen = False
        for primary in self.world.primaries if old_first else reversed(self.world.primaries):
            self.world.write(primary, count)

    @precondition(lambda self: len(self.world.primaries) == 1)
    @rule(here=some, there=some, behind=st.booleans(), seconds=st.integers(0, 3))
    def both_sides_write_after_a_promotion(self, here, there, behind, seconds) -> None:
        old = self.world.root
        self.world.cut = frozenset({"mid", "leaf", "gw-mid", "gw-leaf"})
        self.world.upstream["leaf"] = "mid"
        if "mid" in self.world.downstreams:
            if behind:
                self.world.downstreams["mid"].kill()
            self.world.promote("mid", force=True)
        for primary, count in ((old, here), (self.world.root, there)):
            self.world.write(primary, count)
        self.world.calm(seconds)
        self.world.cut = frozenset()

    @rule(name=servers, count=some)
    def the_power_fails(self, name: str, count: int) -> None:
        for node in self.world.nodes(name):
            node.restart() if isinstance(node, Primary) else node.kill()
        self.world.settle()
        self.world.write(self.world.root, 2)
        self.world.lose_tail(name, count)
        self.world.settle()

    @rule(name=downstreams, index=which, ahead=some)
    def somebody_comes_from_who_was_faster(self, name: str, index: int, ahead: int) -> None:
        """Its next upstream has not heard yet of what it has."""
        node = self.downstream(name)
        self.world.upstream[node.name] = self.world.root.name
        node.kill()
        self.world.calm(2)
        self.world.cut = frozenset({*UPSTREAMS} - {node.name})
        self.world.write(self.world.root, ahead)
        self.world.calm(1)
        self.world.cut = frozenset()
        self.switch(name, index)
        for _ in range(4):
            self.world.tick(0.1)
            self.world.deliver_some(20)
            node.finish()
