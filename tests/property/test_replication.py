"""What replication promises, whatever happens.

One primary, two followers in a row and a gateway at each of the three, as they are: only disks,
streams and messages are simulated (`replication_world`). After every step the invariants of
the design are checked; at the end the faults stop, and everybody must reach the head by itself.
"""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.property.replication_world import HUB, UPSTREAMS, Disk, World

CALM_S = 60.0
STEP_S = 0.25

downstreams = st.sampled_from(sorted(UPSTREAMS))
followers = st.sampled_from(["mid", "leaf"])
servers = st.sampled_from([HUB, "mid", "leaf"])
which = st.integers(0, 1 << 16)


class Replication(RuleBasedStateMachine):
    """Everything that can happen, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.backups: list[Disk] = []
        self.copies: list[Disk | None] = []

    # Work.

    @rule(count=st.integers(1, 4))
    def a_command_is_committed(self, count: int) -> None:
        for _ in range(count):
            self.world.hub.commit()

    @rule(name=servers, count=st.integers(1, 6))
    def entries_are_published(self, name: str, count: int) -> None:
        for _ in range(count):
            self.world.node(name).publish()

    @rule(name=downstreams, count=st.integers(0, 6))
    def the_server_gives_entries(self, name: str, count: int) -> None:
        self.world.give(name, count)

    @rule(name=downstreams)
    def a_sink_finishes(self, name: str) -> None:
        self.world.downstreams[name].finish()

    @rule(name=servers)
    def a_beacon_is_sent(self, name: str) -> None:
        self.world.beacon(name)

    @rule(seconds=st.sampled_from([0.1, 0.3, 1.0, 6.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.tick(seconds)

    @rule(seconds=st.integers(1, 3))
    def nothing_goes_wrong_for_a_while(self, seconds: int) -> None:
        for step in range(seconds * 4):
            self.world.calm_step(STEP_S, beacons=step % 4 == 0)

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
    @rule(index=which)
    def a_message_is_damaged(self, index: int) -> None:
        self.world.damage(self.world.messages.pop(index % len(self.world.messages)))

    # Failures, and what operators do.

    @rule(name=downstreams, reboot=st.booleans())
    def a_downstream_is_killed(self, name: str, reboot: bool) -> None:
        self.world.downstreams[name].kill(reboot=reboot)

    @rule(crash_after=st.integers(0, 6))
    def the_primary_is_killed(self, crash_after: int) -> None:
        self.world.hub.restart(crash_after)

    @rule(name=servers)
    def a_stream_is_lost(self, name: str) -> None:
        for key in [key for key in self.world.streams if key[0] == name]:
            del self.world.streams[key]

    @rule(name=downstreams, index=which)
    def a_downstream_gets_another_upstream(self, name: str, index: int) -> None:
        self.world.upstream[name] = UPSTREAMS[name][index % len(UPSTREAMS[name])]
        self.world.downstreams[name].kill()

    @rule(name=followers)
    def a_followers_database_is_lost(self, name: str) -> None:
        self.world.downstreams[name].disk = None
        self.world.downstreams[name].kill()

    @rule(name=followers)
    def a_followers_database_is_copied(self, name: str) -> None:
        self.copies.append(self.world.downstreams[name].disk)

    @precondition(lambda self: self.copies)
    @rule(index=which, name=followers)
    def a_followers_database_is_replaced_by_an_old_copy(self, index: int, name: str) -> None:
        self.world.downstreams[name].disk = self.copies[index % len(self.copies)]
        self.world.downstreams[name].kill()

    @rule(name=servers, keep=st.integers(1, 5))
    def old_entries_are_pruned(self, name: str, keep: int) -> None:
        self.world.prune(name, keep)

    @rule()
    def a_backup_is_made(self) -> None:
        self.backups.append(self.world.hub.disk)

    @precondition(lambda self: self.backups)
    @rule(index=which, with_stream=st.booleans(), crash_after=st.integers(0, 6))
    def the_primary_is_restored(self, index: int, with_stream: bool, crash_after: int) -> None:
        del self.backups[index % len(self.backups) + 1 :]  # their timeline is lost
        self.world.restore(self.backups[-1], with_stream=with_stream)
        self.world.hub.restart(crash_after)

    # Promises.

    @invariant()
    def every_state_is_the_primarys_at_that_position(self) -> None:
        """Invariants 1, 2 and 7."""
        for node in self.world.downstreams.values():
            if node.disk is not None:
                assert self.world.truth[node.disk.position] == node.disk.state, node.name

    @invariant()
    def what_was_acknowledged_is_there(self) -> None:
        """Invariant 3; a restore declares what it loses."""
        for seq, digest in self.world.acknowledged.items():
            assert self.world.hub.disk.digest(seq) == digest

    # Invariant 8 is asserted at every load, in `replication_world.Downstream.load`.

    def teardown(self) -> None:
        """Invariant 4: once messages arrive, everybody reaches the head."""
        self.world.messages.clear()
        self.world.hub.restart(crash_after=99)
        for step in range(int(CALM_S / STEP_S)):
            self.world.calm_step(STEP_S, beacons=step % 4 == 0)
            self.every_state_is_the_primarys_at_that_position()
            self.what_was_acknowledged_is_there()
            if self.world.converged():
                return
        where = [str(node) for node in self.world.downstreams.values()]
        raise AssertionError(f"invariant 4: {self.world.hub.disk.position}, but {where}")


TestReplication = Replication.TestCase
TestReplication.settings = settings(max_examples=150, stateful_step_count=60)


@pytest.mark.torture
class TestReplicationForLong(Replication.TestCase):  # type: ignore[misc,name-defined]
    """The same, for minutes."""

    settings = settings(max_examples=20_000, stateful_step_count=100, derandomize=False)
