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
    await tree.kill_server()
    tree.keep("backup", "hub")
    shutil.copytree(tree.store, tree.directory / "store")
    await tree.start_server()
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
