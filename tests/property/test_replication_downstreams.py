"""Stories of those that follow; each shows what one rule is for."""

from dataclasses import replace

from tests.property.replication_world import HUB
from wig import replica_events as on


def take(world, kind, to):
    """Take a message off its way."""
    found = next(it for it in world.messages if it.to == to and isinstance(it.event, kind))
    world.messages.remove(found)
    return found


def attach(world, name):
    """Let its request arrive; return what it is answered, which does not arrive yet."""
    request = next(it for it in world.messages if it.sender == name and it.request)
    world.messages.remove(request)
    world.deliver(request)
    return take(world, on.Answered, name)


def test_a_damaged_entry_is_never_applied(world):
    """The chain shows it, and it comes again."""
    world.write(world.root, 2)
    world.give("gw-hub", 5)
    world.damage()
    world.deliver_all()
    world.downstreams["gw-hub"].finish()
    world.promises.check()

    world.calm(5)
    assert world.downstreams["gw-hub"].replica.refused_entries == 1
    assert world.converged()


def test_an_entry_that_rots_in_a_stream_is_replaced_by_a_snapshot(world):
    """It is refused again and again, until the whole state is asked for."""
    world.write(world.root, 1)
    stream = world.root.stream()
    stream.rot(stream.last)

    world.calm(10)

    assert world.converged()


def test_a_snapshot_of_an_earlier_attempt_is_not_loaded(world):
    """It would take back what was applied since: every load asserts invariant 8."""
    gateway = world.downstreams["gw-hub"]

    def rots():
        gateway.rot()
        world.beacon(HUB)
        while not any(isinstance(it.event, on.Offered) for it in world.messages):
            world.tick(0.2)
            requests = [it for it in world.messages if it.sender == "gw-hub"]
            answers = [it for it in world.messages if isinstance(it.event, on.Answered | on.Heard)]
            for message in requests or answers:
                world.messages.remove(message)
                world.deliver(message)
        return take(world, on.Offered, "gw-hub")

    early = rots()
    world.messages.append(early)
    world.write(world.root, 2)
    world.calm(5)
    late = rots()

    world.deliver(early)
    gateway.finish()
    world.messages.append(late)
    world.calm(5)
    assert world.converged()


def test_a_snapshot_that_is_offered_twice_is_loaded_once(world):
    """Calls of a sink never overlap."""
    gateway = world.downstreams["gw-hub"]
    gateway.kill(reboot=True)
    world.deliver(attach(world, "gw-hub"))
    while not any(isinstance(it.event, on.Offered) for it in world.messages):
        world.deliver(world.messages.pop(0))
    offered = take(world, on.Offered, "gw-hub")

    world.deliver(offered)
    world.deliver(offered)

    world.calm(5)
    assert world.converged()


def behind_a_restore(world):
    """Restore the primary to where the cut-off `leaf` is; return what it was answered before."""
    leaf = world.downstreams["leaf"]
    backup = world.root.disk
    world.upstream["leaf"] = HUB
    leaf.kill()
    world.write(world.root, 3)
    return leaf, backup


def test_a_stale_answer_does_not_begin_an_epoch_after_its_fork(world):
    """It was given for an earlier position; the epoch began there."""
    leaf, backup = behind_a_restore(world)
    cut = frozenset({"leaf"})
    world.messages, held = [], [it for it in world.messages if it.sender == "leaf"]
    world.cut = cut
    world.calm(5)  # `mid` is on the branch that will be lost
    world.restore(world.root, backup, with_stream=False)
    world.settle()
    world.cut = frozenset()
    world.messages = [it for it in held if it.request]
    stale = attach(world, "leaf")
    assert len(stale.event.answer.lineage) == len(backup.lineage) + 1

    world.cut = frozenset({HUB})
    world.messages.clear()
    world.follow("leaf", "mid")
    world.calm(3)
    leaf.kill()
    again = replace(stale.event, attempt=leaf.replica.attempt)
    world.deliver(replace(stale, sender="mid", event=again))
    leaf.finish()
    world.promises.check()

    world.cut = frozenset()
    world.calm(15)
    assert world.converged()


def test_a_stale_answer_from_before_an_epoch_is_not_followed(world):
    """Its entries would fit, for the epoch has none of its own yet."""
    leaf, backup = behind_a_restore(world)
    stale = attach(world, "leaf")
    world.give("leaf", 9)
    entries = take(world, on.Arrived, "leaf")
    world.restore(world.root, backup, with_stream=False)
    world.settle()
    leaf.kill()
    world.calm(2)
    assert leaf.replica.position == world.root.disk.position
    leaf.kill()

    for message in (stale, entries):
        attempt = leaf.replica.attempt
        world.deliver(replace(message, event=replace(message.event, attempt=attempt)))
        leaf.finish()
        world.promises.check()

    world.calm(10)
    assert world.converged()


def test_entries_of_two_epochs_are_applied_apart(world):
    """Both wait while the sink works."""
    gateway = world.downstreams["gw-hub"]
    world.cut = frozenset({"gw-hub"})
    world.write(world.root, 3)
    world.root.restart()
    world.settle()
    world.write(world.root, 3)
    world.cut = frozenset()
    world.messages.clear()
    gateway.feed(on.Connected())
    world.deliver(attach(world, "gw-hub"))

    for count in (1, 9, 9):
        world.give("gw-hub", count)
        world.deliver_all()
    for _ in range(5):
        gateway.finish()
        world.promises.check()

    world.calm(5)
    assert world.converged()


def test_a_broken_consumer_is_noticed_at_once(world):
    """Not only when it is silent for too long."""
    world.consumers["gw-hub"].stream = replace(world.root.stream())

    world.grow()
    world.calm(1)

    assert world.converged()


def test_an_epoch_without_entries_arrives_at_once(world):
    """The beacon tells it, before anybody misses anything."""
    world.root.restart()
    world.settle()
    world.calm(1.25)

    head = world.root.disk.position
    assert world.downstreams["mid"].disk.position == head
    world.calm(1.25)
    assert world.downstreams["gw-mid"].disk.position == head


def test_a_consumer_that_skips_is_noticed(world):
    """It sends heartbeats, and nothing else."""
    world.consumers["gw-hub"].next += 5

    world.grow(2)
    world.calm(6)

    assert world.converged()


def test_another_past_at_the_same_sequence_is_noticed_without_an_entry(world):
    """The primary's machine was rolled back as it ran, and went on to where it had been.

    Nor is a state thought to be wrong that only belongs to another past.
    """
    backup = world.root.disk
    world.write(world.root, 2)
    world.calm(5)
    world.roll_back(world.root, backup)
    world.settle()
    world.write(world.root, 2)

    world.calm(10)

    assert world.converged()
    alerts = {str(it) for node in world.downstreams.values() for it in node.alerts}
    assert not any("state" in it for it in alerts)


def test_a_state_that_is_wrong_at_the_right_position_is_replaced(world):
    """Its digest shows it, at the next beacon."""
    world.downstreams["gw-hub"].rot()

    world.calm(5)

    assert world.converged()


def test_nodes_that_would_follow_each_other_wait(world):
    """Each says why; asking to follow, and being let, are asserted."""
    world.follow("mid", "leaf")
    world.calm(6)
    assert "mid → leaf" in str(world.downstreams["mid"].replica.alert)

    world.follow("mid", HUB)
    world.calm(10)
    assert world.converged()


def test_who_has_not_heard_its_upstream_yet_is_not_let_into_a_loop(world):
    """The upstream knows its own path."""
    world.beacon("mid")
    world.deliver_all()
    world.follow("mid", "leaf")
    answer = attach(world, "mid")

    assert "'mid' is upstream of 'leaf'" in answer.event.answer.error.message
