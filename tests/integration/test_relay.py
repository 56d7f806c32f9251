"""A follower behind a leaf node, that others follow: all of it with the rights of a relay."""

from contextlib import AsyncExitStack, asynccontextmanager

from bridge.follower_datastore import FollowerDatastore
from tests.buses import create_interface, create_peer
from tests.eventually import eventually
from tests.guarded import gateway, guarded
from tests.replicas import running
from wig.sqlite import initialise
from wig.sqlite.datastore import Datastore

FOLLOW_S_MAX = 20.0


@asynccontextmanager
async def datastore(hub, options, name):
    """Run a follower of the primary, on a leaf node's own JetStream."""
    db = hub.directory / f"{name}.db"
    initialise.init_empty(db)
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(hub.connected(options))
        store = stack.enter_context(Datastore.open(db))
        it = FollowerDatastore(store, bus, node=name, upstream="hub", domain=name)
        stack.callback(it.close)
        await stack.enter_async_context(running(**it.services()))
        yield it


async def test_a_gateway_elsewhere_follows_a_relay(tmp_path):
    """From the primary at the hub to a relay behind a leaf, and back through the hub."""
    async with guarded(tmp_path) as hub:
        await hub.admin.command("interface.create", create_interface())
        relay, token = await hub.token("paris", "relay"), await hub.token("gw1", "gateway")
        async with (
            hub.leaf("paris", token=relay, domain="paris") as (_, near),
            datastore(hub, near, "paris") as it,
            hub.leaf("gw1", token=token) as (_, far),
            gateway(hub, far, upstream="paris", domain="paris") as through_leaf,
            gateway(hub, near, upstream="paris", domain="paris") as beside,
        ):
            await eventually(
                lambda: through_leaf.where and beside.where, "both to follow", FOLLOW_S_MAX
            )
            reply = await hub.admin.command("peer.create", create_peer("a"))

            await eventually(lambda: through_leaf.where == reply.position, "it", FOLLOW_S_MAX)
            await eventually(lambda: beside.where == reply.position, "the other", FOLLOW_S_MAX)
            assert it.me.role == "follower"
