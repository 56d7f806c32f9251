"""What replication promises, whatever happens.

A primary, two followers in a row and a gateway at each of the three, as they are: only disks,
streams and messages are simulated (`replication_world`). After every step the invariants of the
design are checked; at the end the faults stop, and everybody must reach the head by itself.
`test_mutations` breaks rules of the protocol on purpose: this fails then.
"""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.property.replication_disk import Disk
from tests.property.replication_downstream import Downstream
from tests.property.replication_nodes import Node, Primary
from tests.property.replication_world import HUB, UPSTREAMS, World

CONVERGED_S_MAX = 15.0  # of quiet, from whatever was before
STEP_S = 0.25

downstreams = st.sampled_from(sorted(UPSTREAMS))
followers = st.sampled_from(["mid", "leaf"])
servers = st.sampled_from([HUB, "mid", "leaf"])
which = st.integers(0, 7)
some = st.integers(1, 6)


class Replication(RuleBasedStateMachine):
    """Everything that can happen, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.backups: list[Disk] = []
        self.copies: list[Disk | None] = []

    def primary(self, index: int) -> Primary:
        return self.world.primaries[index % len(self.world.primaries)]

    def downstream(self, name: str) -> Downstream:
        """Return that one, or, if it was promoted, another one."""
        return self.world.downstreams.get(name) or self.world.downstreams["gw-hub"]

    def server(self, name: str, index: int = 0) -> Node:
        found = self.world.nodes(name)
        return found[index % len(found)]

    # Work.

    @rule(index=which, count=some)
    def commands_are_committed(self, index: int, count: int) -> None:
        for _ in range(count):
            self.primary(index).commit()

    @rule(name=servers, index=which, count=some, late=st.booleans(), answered=st.booleans())
    def entries_are_published(self, name, index, count, late, answered) -> None:
        """The last of them may be delayed, or its acknowledgement lost."""
        for _ in range(count):
            self.server(name, index).publish()
        self.server(name, index).publish(late=late, answered=answered)

    @precondition(lambda self: self.world.late)
    @rule()
    def an_entry_comes_late(self) -> None:
        self.world.take(self.world.late.pop(0))

    @rule(name=downstreams, count=st.integers(0, 6))
    def the_server_gives_entries(self, name: str, count: int) -> None:
        self.world.give(name, count)

    @rule(name=downstreams)
    def a_sink_finishes(self, name: str) -> None:
        self.downstream(name).finish()

    @rule(name=servers)
    def a_beacon_is_sent(self, name: str) -> None:
        self.world.beacon(name)

    @rule(seconds=st.sampled_from([0.1, 0.3, 1.0, 6.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.tick(seconds)

    @rule(seconds=st.integers(1, 3))
    def nothing_goes_wrong_for_a_while(self, seconds: int) -> None:
        self.world.calm(seconds)

    # Messages.

    @precondition(lambda self: self.world.messages)
    @rule(count=st.integers(1, 8))
    def messages_arrive_in_order(self, count: int) -> None:
        for _ in range(min(count, len(self.world.messages))):
            self.world.deliver(self.world.messages.pop(0))

    @precondition(lambda self: self.world.messages)
    @rule(index=which)
    def a_message_overtakes(self, index: int) -> None:
        self.world.deliver(self.world.messages.pop(index % len(self.world.messages)))

    @precondition(lambda self: self.world.messages)
    @rule(index=which)
    def a_message_is_repeated(self, index: int) -> None:
        self.world.deliver(self.world.messages[index % len(self.world.messages)])

    @precondition(lambda self: self.world.messages)
    @rule(index=which)
    def a_message_is_lost(self, index: int) -> None:
        self.world.messages.pop(index % len(self.world.messages))

    @precondition(lambda self: self.world.messages)
    @rule()
    def entries_are_damaged(self) -> None:
        self.world.damage()

    # Failures, and what operators do.

    @rule(name=downstreams, reboot=st.booleans())
    def a_downstream_is_killed(self, name: str, reboot: bool) -> None:
        self.downstream(name).kill(reboot=reboot)

    @rule(index=which, asks=st.booleans())
    def a_primary_is_killed(self, index: int, asks: bool) -> None:
        """It starts again; whoever else is there may not hear it ask."""
        self.primary(index).restart(asks=asks)

    @rule(name=servers)
    def a_stream_is_lost(self, name: str) -> None:
        self.world.lose_streams(name)

    @rule(name=servers, count=some)
    def a_stream_loses_its_tail(self, name: str, count: int) -> None:
        self.world.lose_tail(name, count)

    @rule(name=servers, seq=some)
    def a_stream_rots(self, name: str, seq: int) -> None:
        for key in [key for key in self.world.streams if key[0] == name]:
            self.world.streams[key].rot(seq)

    @rule(name=downstreams)
    def a_gateways_state_rots(self, name: str) -> None:
        self.downstream(name).rot()

    @rule(name=downstreams, index=which)
    def a_downstream_gets_another_upstream(self, name: str, index: int) -> None:
        self.world.upstream[name] = UPSTREAMS[name][index % len(UPSTREAMS[name])]
        self.downstream(name).kill()

    @rule(name=followers)
    def a_followers_database_is_lost(self, name: str) -> None:
        self.downstream(name).disk = None
        self.downstream(name).kill()

    @rule(name=followers)
    def a_followers_database_is_copied(self, name: str) -> None:
        self.copies.append(self.downstream(name).disk)

    @precondition(lambda self: self.copies)
    @rule(index=which, name=followers)
    def a_followers_database_is_replaced_by_an_old_copy(self, index: int, name: str) -> None:
        self.downstream(name).disk = self.copies[index % len(self.copies)]
        self.downstream(name).kill()

    @rule(name=servers, index=which, keep=some)
    def old_entries_are_pruned(self, name: str, index: int, keep: int) -> None:
        self.world.prune(self.server(name, index), keep)

    @rule()
    def a_backup_is_made(self) -> None:
        if self.world.root.name == HUB:
            self.backups.append(self.world.root.disk)

    @precondition(lambda self: self.backups)
    @rule(index=which, with_stream=st.booleans())
    def a_primary_is_restored(self, index: int, with_stream: bool) -> None:
        del self.backups[index % len(self.backups) + 1 :]  # their timeline is lost
        if self.world.root.name == HUB:
            both = with_stream and self.world.single
            self.world.restore(self.world.root, self.backups[-1], with_stream=both)

    @precondition(lambda self: self.world.single and self.world.root.stream())
    @rule()
    def the_very_first_backup_is_restored(self) -> None:
        """It has never published anything."""
        self.world.restore(self.world.root, self.world.beginning, with_stream=False)

    # Two primaries.

    @rule(index=which)
    def a_primary_freezes(self, index: int) -> None:
        self.primary(index).frozen = True

    @rule(index=which)
    def a_primary_wakes_up(self, index: int) -> None:
        self.primary(index).frozen = False

    @precondition(lambda self: len(self.world.primaries) < 3)
    @rule(old=st.booleans(), renamed=st.booleans(), asks=st.booleans())
    def a_copy_of_the_primary_is_started(self, old: bool, renamed: bool, asks: bool) -> None:
        root = self.world.root
        disk = self.backups[-1] if old and self.backups else root.disk
        if disk.generation:
            self.world.start_copy(disk, "copy" if renamed else root.name, asks=asks)

    @rule(names=st.sets(st.sampled_from([HUB, *UPSTREAMS])))
    def the_network_is_cut(self, names: set[str]) -> None:
        self.world.cut = frozenset(names)

    @rule()
    def the_network_is_whole(self) -> None:
        self.world.cut = frozenset()

    @rule(name=followers, force=st.booleans())
    def a_follower_is_promoted(self, name: str, force: bool) -> None:
        if name in self.world.downstreams:
            self.world.promote(name, force=force)

    # Small stories, which single steps find too rarely.

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
        self.a_downstream_gets_another_upstream(name, index)
        for _ in range(4):
            self.world.tick(0.1)
            self.messages_arrive_in_order(20)
            node.finish()

    # Promises. Invariants 5 and 8, and that answers are right, are asserted where it happens.

    @invariant()
    def every_state_is_a_primarys_at_that_position(self) -> None:
        self.world.promises.check_states()

    @invariant()
    def what_was_acknowledged_is_there(self) -> None:
        self.world.promises.check_acknowledged()

    def teardown(self) -> None:
        """Invariant 4: once messages arrive, everybody reaches the head of one primary."""
        self.world.tidy()
        for step in range(int(CONVERGED_S_MAX / STEP_S)):
            self.world.calm_step(STEP_S, beacons=step % 4 == 0)
            if self.world.converged():
                assert set(self.world.promises.open) <= self.world.root.disk.digests()
                return
        where = [str(node) for node in self.world.everybody()]
        raise AssertionError(f"invariant 4: {where}")


TestReplication = Replication.TestCase
TestReplication.settings = settings(max_examples=120, stateful_step_count=60)


@pytest.mark.torture
class TestReplicationForLong(Replication.TestCase):  # type: ignore[misc,name-defined]
    """The same, for minutes."""

    settings = settings(max_examples=20_000, stateful_step_count=100, derandomize=False)
