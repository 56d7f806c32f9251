"""Stories: a follower is not what it was. Its gateways never lose a peer meanwhile."""

import pytest

from tests.eventually import eventually
from tests.replicas import converged
from tests.stories import FOLLOWERS, GATEWAYS, Tree
from wig.replica import Phase

PEERS = 20  # before the story begins


@pytest.fixture
async def tree(tmp_path):
    async with Tree(tmp_path) as it:
        await it.start(*FOLLOWERS, *GATEWAYS)
        await it.converged()
        yield it


def fewest(tree: Tree) -> int:
    """Return the least number of peers that any device ever had."""
    return min(min(sink.peers) for sink in tree.sinks.values())


async def test_its_database_is_deleted(tree):
    """It is empty, and so tells its own downstreams to wait until it is not."""
    await tree.stop("paris")
    tree.delete("paris")
    await tree.hub.peers(10)

    await tree.start("paris")

    await tree.converged("database deleted")
    assert fewest(tree) == PEERS


async def test_its_database_is_deleted_while_the_primary_is_dead(tree):
    """It has nothing, its downstreams keep everything, and wait."""
    await tree.stop("hub", "paris")
    tree.delete("paris")

    await tree.start("paris")
    gateway = tree.gateway("gw-paris")
    # It waits, or has not noticed: the old stream is still there, and is followed.
    replica = gateway.replica
    await eventually(
        lambda: replica.why == "this node holds nothing yet" or replica.phase is Phase.FOLLOWING,
        "it to wait, or to go on",
    )
    assert tree.sinks["gw-paris"].peers[-1] == PEERS

    await tree.start("hub")
    await tree.converged("database deleted, primary dead")
    assert fewest(tree) == PEERS


async def test_its_database_is_replaced_by_an_older_copy(tree):
    """It is behind its own stream and downstreams, and catches up before it tells them anything."""
    await tree.stop("paris")
    tree.keep("older", "paris")
    await tree.start("paris")
    await tree.hub.peers(30)
    await tree.converged()
    loads = {name: sink.loads for name, sink in tree.sinks.items()}
    await tree.stop("paris")
    tree.put_back("older", "paris")

    await tree.start("paris")
    await tree.hub.peer()

    await tree.converged("older copy")
    assert {name: sink.loads for name, sink in tree.sinks.items()} == loads, (
        "nobody needs a snapshot"
    )


async def test_an_older_copy_while_the_primary_is_dead_takes_nothing_away(tree):
    """It knows less than those below it, and cannot know that they are right: it says wait."""
    await tree.stop("paris")
    tree.keep("older", "paris")
    await tree.start("paris")
    await tree.hub.peers(30)
    await tree.converged()
    await tree.stop("hub", "paris")
    tree.put_back("older", "paris")

    await tree.start("paris")
    gateway = tree.gateway("gw-paris")
    await eventually(
        lambda: gateway.why == "this node has not reached the head of the root", "it to wait"
    )
    assert tree.sinks["gw-paris"].peers[-1] == PEERS + 30

    await tree.start("hub")
    await tree.converged("older copy, primary dead")


async def test_its_database_is_replaced_by_another_followers(tree):
    """Of the same database: it is as good as its own."""
    await tree.stop("paris", "lyon")
    await tree.hub.peers(5)
    await tree.start("lyon")
    await tree.stop("lyon")
    tree.put_back("lyon", "paris")

    await tree.start("paris", "lyon")

    await tree.converged("another follower's copy")
    assert fewest(tree) == PEERS


async def test_its_database_is_replaced_by_one_of_a_lost_timeline(tree):
    """What it has was lost in a restore: it gets a snapshot, and so do those below it."""
    await tree.stop("hub")
    tree.keep("backup", "hub")
    await tree.start("hub")
    await tree.hub.peers(30)
    await tree.converged()
    await tree.stop("hub", "paris")
    tree.keep("lost", "paris")
    tree.put_back("backup", "hub")
    await tree.start("hub", "paris")
    await tree.hub.peers(100)
    await tree.converged()
    await tree.stop("paris")
    tree.put_back("lost", "paris")

    await tree.start("paris")

    await tree.converged("a copy of a lost timeline")


async def test_a_switch_to_an_upstream_that_is_behind(tree):
    """It waits for the other to catch up, and then goes on with it."""
    await tree.stop("paris")
    await tree.hub.peers(30)
    await converged(tree.sinks["gw-hub"], tree.hub)
    await tree.stop("hub", "gw-hub")
    tree.upstream["gw-hub"] = "paris"
    loads = tree.sinks["gw-hub"].loads

    await tree.start("paris", "gw-hub")
    gateway = tree.gateway("gw-hub")
    await eventually(
        lambda: gateway.why == "this node has not reached the head of the root", "it to wait"
    )

    await tree.start("hub")
    await tree.converged("upstream behind")
    assert tree.sinks["gw-hub"].loads == loads
    await eventually(lambda: gateway.replica.phase is Phase.FOLLOWING, "it to follow")


async def test_the_primary_is_gone_and_everybody_restarts(tree):
    """Followers serve what they have, to a gateway that has nothing as well."""
    await tree.stop("hub", *FOLLOWERS, *GATEWAYS)
    tree.sinks["gw-lyon"] = type(tree.sinks["gw-lyon"])()

    await tree.start(*FOLLOWERS, "gw-lyon")
    await eventually(lambda: tree.sinks["gw-lyon"].peers == [PEERS], "the gateway to serve", 5.0)

    await tree.start("hub", "gw-hub", "gw-paris")
    await tree.converged("everybody restarted")
