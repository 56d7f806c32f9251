"""Stories: hosts far away, each with a leaf node, and the wire to the hub breaks."""

import time

import pytest

from bridge import server_keys
from tests import replicas
from tests.eventually import eventually
from tests.leafs import Sites
from tests.replicas import StateSink, converged, downstream
from tests.trees import follower, published, reached
from wig.replica import Phase


@pytest.fixture
async def sites(tmp_path):
    keys = server_keys.open_or_make(tmp_path)
    async with Sites(tmp_path, keys) as it:
        yield it


@pytest.fixture
async def hub(sites, tmp_path):
    async with replicas.primary(sites.hub, tmp_path / "hub.db") as one:
        await one.interface()
        await one.peers(10)
        yield one


async def test_a_gateway_behind_a_leaf_without_jetstream(sites, hub):
    """It follows the hub in the hub's domain, and goes on when the wire is joined again."""
    leaf = await sites.leaf("lisbon")
    sink = StateSink()
    async with downstream(leaf, sink, "gw1") as gateway:
        await converged(sink, hub, 20)
        await hub.peer()
        await converged(sink, hub)

        await sites.wires["lisbon"].cut()
        await hub.peers(50)
        await eventually(
            lambda: gateway.replica.phase is not Phase.FOLLOWING, "the gateway to notice", 15
        )
        assert sink.state.peer_count("wg0") == 11
        sites.wires["lisbon"].join()
        began = time.monotonic()
        await converged(sink, hub, 20)
        print(f"wire joined: converged in {time.monotonic() - began:.2f} s")
    assert sink.loads == 1


async def test_a_follower_behind_a_leaf_with_its_own_domain(sites, hub, tmp_path):
    """Its stream is on its host: a gateway there starts while the rest of the world is gone."""
    leaf = await sites.leaf("paris", "paris")
    sink, late = StateSink(), StateSink()
    async with follower(leaf, tmp_path / "paris.db", "paris") as paris:
        async with downstream(leaf, sink, "gw1", upstream="paris"):
            await reached(paris, hub, 20)
            await converged(sink, hub)
            await hub.peer()
            await reached(paris, hub)
            assert paris.node.stream().domain == "paris"
            assert hub.it.node.stream().domain == "hub"

            await sites.wires["paris"].cut()
            kept = published(paris)
            await hub.peers(50)
            async with downstream(leaf, late, "gw2", upstream="paris"):
                await eventually(lambda: late.where == kept, "a new gateway to have it all", 10)
                sites.wires["paris"].join()
                began = time.monotonic()
                for one in (sink, late):
                    await converged(one, hub, 30)
                print(f"wire joined: all converged in {time.monotonic() - began:.2f} s")
                await reached(paris, hub)
        assert (sink.loads, late.loads) == (1, 1)


async def test_a_follower_follows_a_follower_on_another_leaf(sites, hub, tmp_path):
    """Two domains apart, over the hub."""
    paris, lisbon = await sites.leaf("paris", "paris"), await sites.leaf("lisbon", "lisbon")
    async with (
        follower(paris, tmp_path / "paris.db", "paris") as first,
        follower(lisbon, tmp_path / "lisbon.db", "lisbon", "paris") as second,
    ):
        for one in (first, second):
            await reached(one, hub, 30)
        await hub.peers(500)

        for one in (first, second):
            await reached(one, hub, 30)
        nodes = (await hub.client.query("node.status")).ok["nodes"]
        assert [node["name"] for node in nodes] == ["hub", "paris", "lisbon"]


async def test_a_host_reboots_while_the_rest_of_the_world_is_gone(sites, hub, tmp_path):
    """Leaf, follower and gateway begin again from what is on its disk, within five seconds."""
    leaf = await sites.leaf("paris", "paris")
    async with follower(leaf, tmp_path / "paris.db", "paris") as paris:
        await reached(paris, hub, 20)
        kept = published(paris)
    await sites.wires["paris"].cut()
    await leaf.kill()
    sink = StateSink()
    began = time.monotonic()

    await leaf.start()
    async with (
        follower(leaf, tmp_path / "paris.db", "paris") as paris,
        downstream(leaf, sink, "gw1", upstream="paris"),
    ):
        await eventually(lambda: sink.where == kept, "the gateway to have everything", 5)
        took_s = time.monotonic() - began
        print(f"rebooted alone: the gateway had everything after {took_s:.2f} s")
        assert took_s < 5
        assert sink.state.peer_count("wg0") == 10

        await hub.peer()
        sites.wires["paris"].join()
        await converged(sink, hub, 20)
        await reached(paris, hub)
    assert sink.loads == 1
