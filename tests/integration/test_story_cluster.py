"""Story: a JetStream cluster of three, and any one of its servers dies."""

import time
from collections import Counter
from contextlib import AsyncExitStack

from tests import builders, replicas
from tests.clusters import Cluster
from tests.eventually import eventually
from tests.replicas import StateSink, converged, downstream
from tests.trees import follower, reached
from wig import errors
from wig.commands import CreatePeer
from wig.replica import Phase

WRITE_S_MAX = 30.0
REACHED_S_MAX = 30.0
"""Elections take 4 to 9 s each, and again as long when the votes are split."""
NEWCOMERS = 8
"""A third of their consumers are to be led by the dead server; all of none is improbable."""


async def write(hub: replicas.Small, seed: str) -> str:
    """Create a peer; the client repeats it until it is known to be done."""
    key = builders.key(seed)
    command = CreatePeer(public_key=key, interface="wg0")
    while True:
        try:
            await hub.client.command("peer.create", command, timeout_s=WRITE_S_MAX)
        except errors.Temporary:
            continue
        return key


async def test_any_server_of_three_is_killed(tmp_path):
    """Nothing acknowledged is lost, writes go on, and everybody converges."""
    sink = StateSink()
    async with (
        Cluster(tmp_path / "cluster") as cluster,
        replicas.primary(cluster, tmp_path / "hub.db", replicas=3) as hub,
        follower(cluster, tmp_path / "paris.db", "paris", replicas=3) as paris,
        downstream(cluster, sink, "gw1", upstream="paris"),
    ):
        await hub.interface()
        acknowledged = {await write(hub, "first")}
        await reached(paris, hub, REACHED_S_MAX)
        for victim in range(3):
            await cluster.kill(victim)
            began = time.monotonic()
            acknowledged |= {await write(hub, f"without {victim} {n}") for n in range(20)}
            print(f"without server {victim}: 20 writes in {time.monotonic() - began:.2f} s")
            await reached(paris, hub, REACHED_S_MAX)
            await converged(sink, hub, REACHED_S_MAX)
            await cluster.start(victim)
            await cluster.ready()

        assert acknowledged <= {peer.public_key for peer in sink.state.peers_of("wg0")}
        assert sink.loads == 1
        assert len(hub.it.node.datastore.lineage) == 2, "no epoch was given up"


async def test_an_election_of_a_consumer_is_waited_for(tmp_path):
    """Whoever attaches while a server is dead gets one consumer, not another at each attempt."""
    deleted: Counter[str] = Counter()
    async with (
        Cluster(tmp_path / "cluster") as cluster,
        replicas.primary(cluster, tmp_path / "hub.db", replicas=3),
        replicas.bus(cluster, "looker") as looker,
        AsyncExitStack() as stack,
    ):
        await cluster.kill(2)
        await cluster.ready()
        await looker.subscribe(
            "$JS.API.CONSUMER.DELETE.>", lambda message: deleted.update([message.subject])
        )
        began = time.monotonic()
        newcomers = [
            await stack.enter_async_context(downstream(cluster, StateSink(), f"gw{number}"))
            for number in range(NEWCOMERS)
        ]
        for it in newcomers:
            await eventually(
                lambda it=it: it.replica.phase is Phase.FOLLOWING, "newcomers", REACHED_S_MAX
            )
        print(f"{NEWCOMERS} attached in {time.monotonic() - began:.2f} s")
        assert sorted(deleted.values()) == [1] * NEWCOMERS
