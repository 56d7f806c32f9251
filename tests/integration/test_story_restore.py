"""Stories: the primary is not what it was."""

import shutil

import pytest

from tests.replicas import converged
from tests.stories import FOLLOWERS, GATEWAYS, Tree

DOWNSTREAMS = (*FOLLOWERS, *GATEWAYS)


@pytest.fixture
async def tree(tmp_path):
    async with Tree(tmp_path) as it:
        await it.start(*DOWNSTREAMS)
        await it.converged()
        yield it


async def backup_then_write(tree: Tree, peers: int) -> None:
    """Make a backup of the primary's database, and let it go on after that."""
    await tree.stop("hub")
    tree.keep("backup", "hub")
    await tree.start("hub")
    await tree.hub.peers(peers)
    await tree.converged()
    await tree.stop("hub")


async def keep_store(tree: Tree) -> None:
    """Copy what JetStream has; nobody is connected."""
    await tree.kill_server()
    shutil.copytree(tree.store, tree.directory / "store")
    await tree.start_server()


async def test_restored_from_an_older_backup_while_everybody_is_online(tree):
    """The lost range is told, and everybody gives it up."""
    await backup_then_write(tree, 30)
    tree.put_back("backup", "hub")

    await tree.start("hub")
    await tree.converged("restored, online")

    (problem,) = tree.hub.it.status().problems
    assert problem == "this database has been restored: entries 23–52 are lost"
    await tree.hub.peers(5)
    await tree.converged("restored, online, then new entries")


async def test_restored_while_everybody_was_offline(tree):
    """They come back to a timeline that they are ahead of."""
    await backup_then_write(tree, 30)
    await tree.stop(*DOWNSTREAMS)
    tree.put_back("backup", "hub")
    await tree.start("hub")
    await tree.hub.peer()

    await tree.start(*DOWNSTREAMS)

    await tree.converged("restored, offline")


async def test_restored_and_overtaken_while_everybody_was_offline(tree):
    """They come back when the new timeline has passed their sequence: nothing is spliced."""
    await backup_then_write(tree, 30)
    await tree.stop(*DOWNSTREAMS)
    tree.put_back("backup", "hub")
    await tree.start("hub")
    await tree.hub.peers(200)

    await tree.start(*DOWNSTREAMS)

    await tree.converged("restored, overtaken")


async def test_restored_and_overtaken_while_a_level_between_was_offline(tree):
    """Those below it keep what they have until it knows more than they do."""
    await backup_then_write(tree, 30)
    await tree.stop("paris")
    tree.put_back("backup", "hub")
    await tree.start("hub")
    await tree.hub.peers(200)
    lost = tree.sinks["gw-lyon"].where
    await converged(tree.sinks["gw-hub"], tree.hub)

    assert tree.sinks["gw-lyon"].where == lost
    await tree.start("paris")

    await tree.converged("restored, a level offline")


async def test_database_and_store_are_rolled_back_together(tree):
    """Reconcile cannot see it; those below prove it, and the operator is warned of the range."""
    await tree.stop("hub", *DOWNSTREAMS)
    tree.keep("backup", "hub")
    await keep_store(tree)
    await tree.start("hub", *DOWNSTREAMS)
    await tree.hub.peers(30)
    await tree.converged()
    await tree.stop("hub", *DOWNSTREAMS)
    await tree.kill_server()
    tree.put_back("backup", "hub")
    shutil.rmtree(tree.store)
    shutil.copytree(tree.directory / "store", tree.store)

    await tree.start_server()
    await tree.start("hub")
    await tree.hub.peers(3)
    await tree.start(*DOWNSTREAMS)

    await tree.converged("both rolled back", rewound=True)
    (mine, *_) = tree.hub.it.node.status.nodes()
    assert (
        "a downstream had entries 26–52, and perhaps earlier ones, that this" in mine.problems[-1]
    )


async def test_a_server_that_loses_a_claim_does_not_let_two_share_an_epoch(tree):
    """It lost the last entries, too; the stale copy is started first, and has no idea of them."""
    await tree.stop("hub", *DOWNSTREAMS)
    tree.keep("stale", "hub")
    await keep_store(tree)
    await tree.start("hub", *DOWNSTREAMS)
    await tree.hub.peers(5)
    await tree.converged()
    there = tree.hub.position
    await tree.stop("hub")
    await tree.kill_server()
    shutil.rmtree(tree.store)
    shutil.copytree(tree.directory / "store", tree.store)
    await tree.start_server()
    tree.put_back("stale", "hub")

    await tree.start("hub")
    await tree.hub.peers(5)
    await tree.converged("stale copy after a power failure", rewound=True)

    here = tree.hub.position
    assert (here.seq, here.epoch > there.epoch) == (there.seq, True)
    (mine, *_) = tree.hub.it.node.status.nodes()
    assert "–27, and perhaps earlier ones, that this timeline does not have" in mine.problems[-1]
    seen = [position for sink in tree.sinks.values() for position in sink.seen]
    places = {(it.epoch, it.seq): it.digest for it in seen}
    assert all(places[it.epoch, it.seq] == it.digest for it in seen)
