"""Stories of what upstreams answer; each shows what one rule is for."""

import pytest

from tests.property.replication_world import HUB
from wig import replica_events as on


def one_answer(world, name):
    """Let it attach, and do what it is told, with nothing else going on."""
    for _ in range(8):
        for message in [it for it in world.messages if name in {it.sender, it.to}]:
            world.messages.remove(message)
            world.deliver(message)
        world.downstreams[name].finish()  # every load asserts invariant 8


def ahead_of_mid(world, entries=1):
    """Let `gw-mid` have an entry that `mid` has not heard of, and come back to it."""
    world.follow("gw-mid", HUB)
    world.calm(5)
    world.cut = frozenset({"mid"})
    world.write(world.root, entries)
    world.calm(1)
    world.cut = frozenset()
    world.messages.clear()
    world.follow("gw-mid", "mid")


def test_a_beacon_that_is_repeated_proves_nothing(world):
    """What the root said is as old as it was when it was heard first."""
    world.beacon(HUB)
    old = next(it for it in world.messages if it.to == "mid" and isinstance(it.event, on.Heard))
    world.deliver_all()
    ahead_of_mid(world)
    one_answer(world, "gw-mid")
    kept = world.downstreams["gw-mid"].floor

    for _ in range(30):
        world.now += 0.3
        world.deliver(old)
        world.downstreams["gw-mid"].tick()
        one_answer(world, "gw-mid")

    assert world.downstreams["gw-mid"].floor == kept
    world.calm(10)
    assert world.converged()


def lost_branch_at_mid(world, *, deaf=False):
    """Roll back the primary's machine; `mid` and `leaf` keep the lost branch, pruned.

    They are cut off, or hear no beacons, but all that the stream gives. `gw-mid` has what the
    primary has now, and will come to one of them.
    """
    backup = world.root.disk
    world.follow("gw-mid", HUB)
    world.write(world.root, 4)
    world.calm(5)
    world.cut = frozenset() if deaf else frozenset({"mid", "leaf", "gw-leaf"})
    for name in ("mid", "leaf"):
        world.prune(world.downstreams[name], 1)
    world.roll_back(world.root, backup)
    world.settle()
    world.write(world.root, 2)
    for step in range(28):
        world.tick(0.25)
        if step % 4 == 0:
            world.beacon(HUB)
        for name in world.downstreams:
            world.give(name, 9)
        for message in [it for it in world.messages if deaf and it.to == "mid"]:
            if isinstance(message.event, on.Heard):
                world.messages.remove(message)
        world.deliver_all()
        world.downstreams["gw-mid"].finish()
    assert world.downstreams["gw-mid"].floor == world.root.disk.position


@pytest.mark.parametrize("deaf", [False, True])
def test_who_has_not_heard_the_root_for_long_takes_nothing_away(world, deaf):
    """It may be on a lost branch: a digest that is pruned does not tell."""
    lost_branch_at_mid(world, deaf=deaf)
    world.cut = frozenset({"mid", "leaf", "gw-leaf", "gw-mid"})
    world.messages.clear()
    world.follow("gw-mid", "mid")

    one_answer(world, "gw-mid")

    world.cut = frozenset()
    world.calm(25)
    assert world.converged()


def test_who_lags_takes_nothing_away_that_is_right(world):
    """A server lost claim and entries of a copy, and its downstream comes to who has even less."""
    old, mid = world.root, world.downstreams["mid"]
    world.follow("gw-mid", HUB)
    world.calm(5)
    world.cut = frozenset({"mid"})  # it has entries to come
    world.write(old, 4)
    old.frozen = True
    world.start_copy(old.disk, HUB, asks=True)
    world.write(world.primaries[-1], 2)
    world.calm(5)
    world.primaries[-1].frozen, old.frozen = True, False
    world.lose_tail(HUB, 2)
    world.cut = frozenset()
    world.write(old, 1)
    world.messages.clear()
    mid.feed(on.Connected())
    one_answer(world, "mid")
    world.follow("gw-mid", "mid")
    for _ in range(30):
        world.now += 0.25
        world.beacon(HUB)
        world.deliver_all()
        world.downstreams["gw-mid"].tick()
        one_answer(world, "gw-mid")  # every load asserts invariant 8

    world.calm(25)
    assert world.converged()


def test_who_is_in_an_older_epoch_than_the_root_takes_nothing_away(world):
    """It is on a lost branch, and so is its upstream, which passes on what the root says."""
    backup = world.root.disk
    world.write(world.root, 3)
    world.calm(5)
    world.follow("gw-leaf", HUB)
    world.cut = frozenset({"mid", "leaf", "gw-mid"})
    world.restore(world.root, backup, with_stream=False)
    world.settle()
    world.write(world.root, 2)
    world.calm(10)
    right = world.downstreams["gw-leaf"].floor
    assert right == world.root.disk.position
    world.cut = frozenset()
    world.messages.clear()
    world.follow("gw-leaf", "leaf")
    for _ in range(30):
        world.now += 0.25
        for name in (HUB, "mid"):
            world.beacon(name)
        for message in [it for it in world.messages if isinstance(it.event, on.Heard)]:
            world.deliver(message)
        world.messages = [it for it in world.messages if "gw-leaf" in {it.sender, it.to}]
        world.downstreams["gw-leaf"].tick()
        one_answer(world, "gw-leaf")  # every load asserts invariant 8

    world.calm(25)
    assert world.converged()


def test_a_beacon_that_was_on_its_way_proves_nothing(world):
    """The primary sent it before it was started again, which the downstream knows already."""
    world.follow("gw-mid", HUB)
    world.calm(5)
    world.beacon(HUB)
    late = next(it for it in world.messages if it.to == "mid" and isinstance(it.event, on.Heard))
    world.messages.clear()
    world.cut = frozenset({"mid"})
    world.root.restart()
    world.settle()
    world.write(world.root, 1)
    world.calm(2)
    kept = world.downstreams["gw-mid"].floor
    assert kept == world.root.disk.position
    world.cut = frozenset()
    world.messages.clear()
    world.follow("gw-mid", "mid")
    world.deliver(late)

    one_answer(world, "gw-mid")

    assert world.downstreams["gw-mid"].floor == kept
    world.calm(15)
    assert world.converged()


def test_an_epoch_that_was_lost_without_an_entry_is_given_up(world):
    """The digest is the same, but what comes next is of another epoch."""
    backup = world.root.disk
    world.root.restart()
    world.settle()
    world.calm(5)
    assert world.converged()

    world.restore(world.root, backup, with_stream=False)
    world.settle()
    world.calm(10)

    assert world.converged()


def test_who_needs_what_is_pruned_gets_a_snapshot(world):
    """Its next entry is not there any more."""
    world.cut = frozenset({"gw-hub"})
    world.write(world.root, 6)
    world.calm(3)
    world.root.stream().prune(world.root.disk.head - 1)  # it was full; the database has them
    world.cut = frozenset()

    world.calm(10)

    assert world.converged()


def test_what_a_downstream_has_more_is_told(world):
    """On the branch that the primary left, and beyond its head."""
    backup = world.root.disk
    world.write(world.root, 5)
    world.calm(5)
    world.restore(world.root, backup, with_stream=False)

    world.calm(10)  # what is told is compared to what is true

    assert world.converged()


def test_what_is_beyond_the_head_is_told(world):
    """A follower's database was copied before its primary lost it all."""
    world.write(world.root, 5)
    world.calm(5)
    world.restore(world.root, world.beginning, with_stream=False)

    world.calm(10)

    assert world.converged()


def test_who_comes_from_a_promoted_one_waits_until_the_old_primary_has_stopped(world):
    """The old one has not heard of the promotion yet when it is asked."""
    gateway = world.downstreams["gw-leaf"]
    world.cut = frozenset({"mid", "leaf", "gw-mid", "gw-leaf"})
    world.promote("mid", force=True)
    world.settle()
    world.write(world.root, 2)
    world.calm(5)
    kept = gateway.floor
    assert kept == world.root.disk.position

    world.cut = frozenset()
    world.messages.clear()
    world.follow("gw-leaf", HUB)
    for _ in range(8):
        world.tick(0.25)
        one_answer(world, "gw-leaf")
    assert gateway.floor == kept

    world.follow("gw-leaf", "leaf")
    world.upstream["gw-hub"] = "leaf"
    world.calm(15)
    assert [it.name for it in world.primaries if it.running] == ["mid"]
    assert gateway.floor == world.root.disk.position
