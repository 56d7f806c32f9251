"""Stories that random steps find too rarely, or once found; on the same simulated world."""

from tests.property.replication_world import HUB
from wig import replica_events as on


def test_a_proof_that_led_to_a_snapshot_holds_until_it_is_sent(world):
    """The request for the promised snapshot is judged again; that must not begin the wait anew."""
    backup = world.root.disk
    world.grow(3)
    world.calm(10)

    world.restore(world.root, backup, with_stream=False)
    world.calm(10)

    assert world.converged()


def test_entries_of_a_new_epoch_in_a_followers_stream_are_stamped_with_it(world):
    """Its stream goes on, and its downstream does not know of the epoch when they come."""
    world.root.restart()
    world.settle()
    world.grow(2)
    for _ in range(40):
        world.tick(0.25)
        for name in (HUB, "mid", "leaf"):
            world.nodes(name)[0].publish()
        for name in world.downstreams:
            world.give(name, 100)
            world.downstreams[name].finish()
        while world.messages:
            world.deliver(world.messages.pop(0))
        world.promises.check()

    world.calm(10)
    assert world.converged()


def test_a_copy_of_a_lost_branch_takes_nothing_from_who_is_on_the_right_one(world):
    """The primary's machine was rolled back as it ran, so both branches are in one epoch."""
    backup = world.root.disk
    world.follow("gw-mid", HUB)
    world.grow(3)
    world.calm(10)
    lost = world.downstreams["mid"].disk
    world.roll_back(world.root, backup)
    world.grow(2)
    world.calm(25)
    assert world.converged()
    right = world.downstreams["gw-mid"].floor

    world.downstreams["mid"].disk = lost
    world.downstreams["mid"].kill()
    world.beacon(HUB)
    world.follow("gw-mid", "mid")

    world.calm(10)  # every load asserts invariant 8
    assert world.converged()
    assert right == world.downstreams["gw-mid"].floor


def test_a_node_that_lags_does_not_pull_back_who_comes_from_a_faster_one(world):
    """It says wait until it has caught up, however long that takes."""
    world.follow("gw-mid", HUB)
    world.calm(10)

    def busy_second() -> None:
        """The primary makes more entries than `mid` can apply."""
        for _ in range(4):
            world.tick(0.25)
            world.grow(3)
            for _ in range(3):
                world.root.publish()
            world.beacon(HUB)
            world.give("gw-mid", 10)
            world.give("mid", 1)
            while world.messages:
                world.deliver(world.messages.pop(0))
                world.downstreams["gw-mid"].finish()
            world.downstreams["mid"].finish()

    busy_second()
    assert world.downstreams["gw-mid"].floor == world.root.disk.position
    world.follow("gw-mid", "mid")
    for _ in range(3):
        busy_second()  # every load asserts invariant 8

    world.calm(10)
    assert world.converged()


def test_what_the_root_said_before_a_downstream_came_proves_nothing(world):
    """The downstream has an entry that this node has not even heard of yet."""
    world.follow("gw-mid", HUB)
    world.calm(10)
    world.grow()
    world.root.publish()
    world.give("gw-mid", 1)
    world.deliver(world.messages.pop(0))
    world.downstreams["gw-mid"].finish()
    ahead = world.downstreams["gw-mid"].floor
    assert ahead == world.root.disk.position

    world.follow("gw-mid", "mid")
    for _ in range(30):  # no beacon arrives
        world.now += 0.25
        world.downstreams["gw-mid"].tick()
        while world.messages:
            world.deliver(world.messages.pop(0))
            world.downstreams["gw-mid"].finish()

    assert world.downstreams["gw-mid"].floor == ahead
    world.calm(10)
    assert world.converged()


def test_with_everything_above_dead_a_device_does_not_lose_a_single_peer(world):
    """The follower's database is lost while the primary is gone; its gateway keeps what it has."""
    kept = world.downstreams["gw-mid"].floor
    world.downstreams["mid"].disk = None
    for name in ("mid", "gw-mid"):
        world.downstreams[name].kill()

    for _ in range(200):
        world.tick(0.25)
        world.beacon("mid")
        while world.messages:
            message = world.messages.pop(0)
            if message.to != HUB:
                world.deliver(message)
            world.downstreams["gw-mid"].finish()

    assert world.downstreams["gw-mid"].floor == kept
    world.calm(20)
    assert world.converged()


def test_a_disturbed_replica_is_back_within_seconds(world):
    """Each loses its connection; nobody needs a snapshot for that."""
    for node in world.downstreams.values():
        node.feed(on.Disconnected())
    world.grow(5)
    for node in world.downstreams.values():
        node.feed(on.Connected())

    world.calm(3)

    assert world.converged()
