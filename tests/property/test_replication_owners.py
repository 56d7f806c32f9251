"""Stories of primaries and their streams; each shows what one rule is for."""

from dataclasses import replace

import pytest

from tests.property.replication_operator import tidy
from tests.property.replication_world import HUB, World


def take_over(world, disk=None):
    """Start a copy of the primary's database under its name, while the primary is frozen."""
    old = world.root
    old.frozen = True
    world.start_copy(disk or old.disk, HUB, asks=True)
    world.settle()
    old.frozen = False
    return old, world.primaries[-1]


def restart_alone(world, primary):
    """Start that one again, when all others have stopped."""
    for other in world.primaries:
        other.running = other is primary
    primary.restart()
    world.settle()


def test_a_copy_takes_over_and_the_old_one_stops(world):
    """It finds another owner at its stream."""
    old, copy = take_over(world)

    world.write(old, 2)
    world.write(copy, 2)
    world.calm(5)

    assert (old.running, copy.running) == (False, True)
    assert world.converged()


def test_a_late_entry_of_the_old_owner_is_not_taken(world):
    """The stream takes the subject of its owner only."""
    old = world.root
    backup = old.disk
    world.grow()
    old.publish(late=True)
    _, copy = take_over(world, backup)

    world.take(world.late.pop())
    world.write(copy, 2)
    world.calm(5)

    assert copy.running
    assert world.converged()


def test_an_entry_that_comes_twice_is_taken_once(world):
    """It was given up, published again, and arrives after all."""
    world.grow()
    world.root.publish(late=True)
    world.settle()

    assert not world.take(world.late.pop())


def test_what_the_stream_did_not_take_is_not_acknowledged(world):
    """A copy that takes over has another entry there."""
    backup = world.root.disk
    world.grow()
    world.root.publish(late=True)

    _, copy = take_over(world, backup)
    world.write(copy, 2)  # acknowledging asserts invariant 5
    world.calm(5)

    assert world.converged()


def test_an_unpublished_branch_is_not_put_on_top_of_anothers(world):
    """The old owner comes back with an entry of its own, and finds others there."""
    old, copy = take_over(world)
    world.write(copy, 2)
    old.commit()
    restart_alone(world, old)

    world.write(old, 1)
    world.calm(10)

    assert world.root is old
    assert world.converged()


@pytest.mark.parametrize("restarted", [True, False])
def test_a_server_that_loses_a_claim_does_not_let_two_share_an_epoch(world, restarted):
    """Its power failed: it lost the last entries, too, and the stale one comes first."""
    old, copy = take_over(world)
    old.frozen = True
    world.write(copy, 2)
    world.lose_tail(HUB, 2)
    copy.frozen, old.frozen = True, False
    if restarted:
        old.restart(asks=False)
    world.settle()

    world.write(old, 2)  # acknowledging asserts invariant 5

    copy.frozen = False
    tidy(world)
    world.calm(20)
    assert world.converged()


def test_who_is_replaced_tells_what_is_lost_of_it(world):
    """Its server lost the last entries, and an older copy was there before they were sent again."""
    old, backup = world.root, world.root.disk
    world.write(old, 2)
    old.frozen = True
    world.lose_tail(HUB, 2)
    world.start_copy(backup, HUB, asks=True)
    world.settle()
    old.frozen = False
    world.write(world.primaries[-1], 1)

    world.calm(5)  # what it says is compared to what is true

    assert not old.running
    assert "entries 6–7 of this one are lost" in old.why
    assert world.converged()


def test_a_claim_that_a_server_loses_is_repeated(world):
    """Its power failed, and it knows the owner before."""
    world.root.restart()
    world.settle()
    world.lose_tail(HUB, 0)

    world.write(world.root, 1)  # a primary that is alone never stops
    world.calm(5)

    assert world.converged()


def test_two_copies_that_were_never_published_end_as_one():
    """The later one deletes the stream of the other, which stops."""
    world = World()
    world.primaries[0].restart()
    world.start_copy(world.beginning, HUB, asks=False)

    world.write(world.primaries[0], 1)
    world.primaries[0].doubt()
    world.calm(5)

    assert sum(it.running for it in world.primaries) == 1
    assert world.converged()


@pytest.mark.parametrize("name", [HUB, "copy"])
def test_two_copies_that_were_never_published_never_share_an_epoch(name):
    """They are started apart; acknowledging asserts invariant 5."""
    world = World()
    world.cut = frozenset({"copy"})
    world.start_copy(world.beginning, name, asks=True)

    for primary in world.primaries:
        world.write(primary, 2)

    tidy(world)
    world.calm(10)
    assert world.converged()


@pytest.mark.parametrize("lost", ["", "stream"])
def test_a_restored_database_does_not_number_other_entries_alike(world, lost):
    """Whether its stream shows what it lacks, or is gone: every state asserts invariant 2."""
    backup = world.root.disk
    world.write(world.root, 3)
    world.calm(5)
    if lost:
        world.lose_streams(HUB)

    world.restore(world.root, backup, with_stream=False)
    world.settle()
    world.write(world.root, 3)
    world.calm(10)

    assert world.converged()


@pytest.mark.parametrize("keep", [100, 2])
def test_the_range_that_is_lost_begins_at_the_fork(world, keep):
    """Or says that it does not know: what an operator is told is compared to what is true."""
    old, copy = take_over(world)
    for _ in range(3):
        old.commit()
    old.stop("it was frozen")
    world.write(copy, 6)
    world.calm(5)
    world.prune(copy, keep)

    restart_alone(world, old)
    world.calm(10)

    assert old.disk.lineage[-1].seq == 8
    assert world.converged()


def test_a_stream_that_ends_before_the_log_begins_is_not_continued(world):
    """Its store was rolled back, and the database has been pruned since."""
    root = world.root
    world.lose_tail(HUB, 100)
    root.disk = replace(root.disk, base=4)

    world.write(root, 1)
    world.calm(10)

    assert world.converged()


@pytest.mark.parametrize("name", [HUB, "mid"])
def test_a_stream_is_lost_beside_an_old_one(world, name):
    """Which its own process began, and could not delete: nobody else was there."""
    node = world.nodes(name)[0]
    old = world.streams[node.key]
    world.lose_streams(name)
    node.doubt()
    world.settle()
    world.streams[name, "g0000"] = old
    node.left.add((name, "g0000"))

    del world.streams[node.key]
    node.doubt()
    world.settle()  # that nobody else owns its stream is asserted there
    world.write(world.root, 1)
    world.calm(5)

    assert node.running
    assert world.converged()


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("entries", [1, 3])
def test_a_snapshot_comes_while_the_stream_is_looked_at(world, entries, steps):
    """Of a primary that was restored: the follower is not taken for somebody else's victim."""
    mid, backup = world.downstreams["mid"], world.root.disk
    world.write(world.root, 3)
    world.calm(5)
    world.restore(world.root, backup, with_stream=False)
    world.settle()
    world.write(world.root, entries)

    for step in range(40):
        world.tick(0.25)
        world.settle()
        mid.doubt()
        for _ in range(steps):
            mid.publish()  # that nobody else owns its stream is asserted there
        world.exchange(beacons=step % 4 == 0)
    world.calm(10)

    assert mid.disk.position == world.root.disk.position
    assert world.converged()


def test_a_promoted_follower_wins_and_the_old_primary_stays_fenced(world):
    """Also when nobody is there any more to tell it; it says what is lost of it."""
    old = world.root
    world.cut = frozenset({"mid", "leaf", "gw-mid", "gw-leaf"})
    world.write(old, 2)
    world.promote("mid", force=True)
    world.write(world.root, 1)
    world.cut = frozenset()
    world.calm(5)

    assert [it.name for it in world.primaries if it.running] == ["mid"]
    world.root.frozen = True
    old.restart()
    assert not old.running


def test_what_is_lost_of_a_machine_that_was_rolled_back_is_not_told_as_proven(world):
    """It had other entries in the same epoch, and a follower that has those was promoted."""
    old, backup = world.root, world.root.disk
    world.write(old, 2)
    world.calm(5)
    world.cut = frozenset({"mid", "leaf", "gw-mid", "gw-leaf"})
    world.roll_back(old, backup)
    world.settle()
    world.write(old, 3)
    world.promote("mid", force=True)
    world.settle()
    world.cut = frozenset()

    world.calm(5)  # it hears of the promotion: what it says is compared to what is true

    assert not old.running


def test_of_two_copies_the_one_that_was_there_first_stays(world):
    """Under another name, so that no stream fences it."""
    first = world.root
    world.tick(1)
    world.start_copy(first.disk, "copy", asks=False)
    world.calm(3)

    assert [it.running for it in world.primaries] == [True, False]


def test_a_primary_that_lives_is_never_overruled(world):
    """Not by force, either."""
    world.promote("mid", force=True)

    assert [it.name for it in world.primaries] == [HUB]


def test_who_left_entries_that_somebody_has_is_not_promoted(world):
    """A copy began an epoch before they were made, and it is not known that they are lost."""
    backup = world.root.disk
    old = world.root
    world.follow("gw-leaf", HUB)
    world.cut = frozenset({"mid", "leaf", "gw-mid"})
    world.write(old, 2)
    world.calm(5)
    old.frozen = True
    world.cut = frozenset({HUB, "mid", "leaf", "gw-mid"})
    world.lose_streams(HUB)
    world.start_copy(backup, HUB, asks=True)
    world.write(world.primaries[-1], 1)
    world.calm(15)
    assert world.downstreams["mid"].disk.position == world.primaries[-1].disk.position
    world.primaries[-1].running = False
    world.cut = frozenset()

    world.promote("mid", force=False)
    assert "mid" in world.downstreams


def test_who_lacks_entries_that_somebody_has_is_not_promoted(world):
    """Unless it is meant."""
    world.cut = frozenset({"mid"})
    world.write(world.root, 2)
    world.calm(3)
    world.cut = frozenset()
    world.root.running = False

    world.promote("mid", force=False)
    assert "mid" in world.downstreams
    world.promote("mid", force=True)
    assert "mid" not in world.downstreams
