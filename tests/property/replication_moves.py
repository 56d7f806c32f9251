"""What can happen in the simulated world, one step at a time. Used by `test_replication`."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.property.replication_disk import Disk
from tests.property.replication_downstream import Downstream
from tests.property.replication_nodes import Node
from tests.property.replication_primary import Primary
from tests.property.replication_world import HUB, UPSTREAMS, World

downstreams = st.sampled_from(sorted(UPSTREAMS))
followers = st.sampled_from(["mid", "leaf"])
servers = st.sampled_from([HUB, "mid", "leaf"])
which = st.integers(0, 7)
some = st.integers(1, 6)


class Moves(RuleBasedStateMachine):
    """The world, and who in it is meant by a name and a number."""

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

    def switch(self, name: str, index: int) -> None:
        self.world.upstream[name] = UPSTREAMS[name][index % len(UPSTREAMS[name])]
        self.downstream(name).kill()

    def server(self, name: str, index: int = 0) -> Node:
        found = self.world.nodes(name)
        return found[index % len(found)]


class Work(Moves):
    """What goes on when nothing is broken, in any order."""

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


class Messages(Moves):
    """What happens to what is on its way."""

    @precondition(lambda self: self.world.messages)
    @rule(count=st.integers(1, 8))
    def messages_arrive_in_order(self, count: int) -> None:
        self.world.deliver_some(count)

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


class Failures(Moves):
    """What breaks, and what operators do."""

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

    @rule(name=servers, index=which)
    def an_old_stream_is_not_deleted(self, name: str, index: int) -> None:
        self.server(name, index).keeps_old = True

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
        self.switch(name, index)

    @rule(name=followers)
    def a_followers_database_is_lost(self, name: str) -> None:
        self.downstream(name).disk = None
        self.downstream(name).kill()

    @rule(name=followers)
    def a_followers_database_is_copied(self, name: str) -> None:
        if follower := self.world.downstreams.get(name):
            self.copies.append(follower.disk)

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
        if self.world.root.name == HUB and self.world.root.disk.generation:
            self.backups.append(self.world.root.disk)

    @precondition(lambda self: self.backups)
    @rule(index=which, what=st.sampled_from(["database", "stream, too", "machine"]))
    def a_primary_is_restored(self, index: int, what: str) -> None:
        """The machine: with the process that runs there, which notices nothing."""
        del self.backups[index % len(self.backups) + 1 :]  # their timeline is lost
        root = self.world.root
        if root.name == HUB and what == "machine" and self.world.single and root.after is not None:
            self.world.roll_back(root, self.backups[-1])
        elif root.name == HUB:
            both = self.world.single and what == "stream, too"
            self.world.restore(root, self.backups[-1], with_stream=both)

    @precondition(lambda self: self.world.single and self.world.root.stream())
    @rule()
    def the_very_first_backup_is_restored(self) -> None:
        """It has never published anything."""
        self.world.restore(self.world.root, self.world.beginning, with_stream=False)


class Rivals(Moves):
    """More than one primary."""

    @rule(index=which)
    def a_primary_freezes(self, index: int) -> None:
        self.primary(index).frozen = True

    @rule(index=which)
    def a_primary_wakes_up(self, index: int) -> None:
        self.primary(index).frozen = False

    @precondition(lambda self: len(self.world.primaries) < 4)
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
