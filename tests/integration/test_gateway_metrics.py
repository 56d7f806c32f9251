"""A gateway's metrics port: its peers, its health, and draining, with a real bus and primary."""

import asyncio
import time

import pytest

from tests import builders, replicas
from tests.eventually import eventually
from tests.gateway_nodes import gateway
from tests.hosts import FakeHost
from tests.program import Done, wig
from wig.device import Endpoint
from wig.linux.mark import DrainMark

ADDRESS = "203.0.113.77:4711"


@pytest.fixture
async def node(server, hub, tmp_path):
    async with gateway(server, tmp_path / "run") as one:
        await one.ready()
        yield one


@pytest.fixture
def run(server, tmp_path):
    """Run a command as an admin on that server."""
    bus = ("--server", server.url, "--token-file", str(server.credentials_file))

    async def run(*words: str) -> Done:
        return await asyncio.to_thread(
            wig, tmp_path / "state", *words, *bus, "--identity", "admin", "--output", "json"
        )

    return run


def connect(host: FakeHost, seed: str, **fields: int) -> None:
    """Let a client greet."""
    peers = host.devices["wg0"].peers
    peers[builders.key(seed)] = peers[builders.key(seed)]._replace(
        **{"handshake_s": int(time.time()), "endpoint": Endpoint(ADDRESS)} | fields
    )


async def scraped(node, name: str, *labels: str) -> float | None:
    """Return one value of a scrape; None: it is not there."""
    return (await node.page("/metrics")).values.get((name, *labels))


async def created(hub, node, *seeds: str) -> None:
    for seed in seeds:
        await hub.peer(public_key=builders.key(seed), name=f'{seed}\'s "phone"')
    await eventually(
        lambda: all(builders.key(seed) in node.host.devices["wg0"].peers for seed in seeds),
        "the peers are on the device",
    )


async def test_peers_are_there_as_long_as_they_are(hub, node, run):
    """Counters, handshake and name by public key; nothing is left of a deleted peer."""
    await created(hub, node, "a")
    connect(node.host, "a", received_bytes=2**40, sent_bytes=7, handshake_s=1_800_000_000)
    key = builders.key("a")

    async def all_there() -> bool:
        values = (await node.page("/metrics")).values
        return (
            values.get(("wig_peer_receive_bytes_total", "wg0", key)) == 2**40
            and values[("wig_peer_transmit_bytes_total", "wg0", key)] == 7
            and values[("wig_peer_last_handshake_seconds", "wg0", key)] == 1_800_000_000
        )

    await eventually(all_there, "its series")
    assert (await run("peer", "delete", key)).code == 0

    async def gone() -> bool:
        return key not in (await node.page("/metrics")).text

    await eventually(gone, "nothing of it is left")


async def test_a_scrape_has_no_address_of_a_client(hub, node):
    """Nor has any other page."""
    await created(hub, node, "a")
    connect(node.host, "a")

    async def counted() -> bool:
        return await scraped(node, "wig_interface_connected_peers", "wg0") == 1

    await eventually(counted, "the client is counted")
    for path in ("/metrics", "/readyz", "/healthz"):
        assert "203.0.113" not in (await node.page(path)).text


async def test_replication_is_measured(hub, node):
    """Position, lag, entries, snapshots."""
    await created(hub, node, "a", "b")
    values = (await node.page("/metrics")).values
    labels = "gw1", "gateway"

    assert values["wig_position_seq", *labels] == values["wig_head_seq", *labels]
    assert values["wig_lag_entries", *labels] == values["wig_lag_seconds", *labels] == 0
    assert values["wig_snapshot_loads_total", *labels] == 1
    assert values["wig_applied_entries_total", *labels] >= 2
    assert values["wig_bus_up", *labels] == 1
    assert values["wig_ready",] == 1


async def test_what_the_host_refuses_is_counted_and_not_ready(server, hub, tmp_path):
    """An interface that cannot be made is in metrics and in /readyz, with its name."""
    host = FakeHost()
    host.refused.add("CreateInterface")
    async with gateway(server, tmp_path / "run", host=host) as node:

        async def told() -> bool:
            return await scraped(node, "wig_quarantined_objects", "interface") == 1

        await eventually(told, "it is in quarantine")
        page = await node.page("/readyz")

    assert page.status == 503
    assert "interface wg0 is not as it should be" in page.text


async def test_a_gateway_without_a_state_is_not_ready(server, tmp_path):
    """It would serve nobody; but it is alive."""
    async with gateway(server, tmp_path / "run") as node:
        page = await node.page("/readyz")

        assert (page.status, page.text) == (503, "it has no state yet\n")
        assert (await node.page("/healthz")).status == 200


async def test_a_primary_that_is_away_leaves_its_gateways_ready(server, tmp_path):
    """They are built to survive that; all would be taken out of service at once."""
    async with gateway(server, tmp_path / "run") as node:
        async with replicas.primary(server, tmp_path / "hub.db") as hub:
            await hub.interface()
            await node.ready()

        async def alone() -> bool:
            return (await scraped(node, "wig_root_age_seconds", "gw1", "gateway") or 0) > 6

        await eventually(alone, "the primary has not been heard for a while", timeout_s=30)
        assert (await node.page("/readyz")).status == 200


async def test_drain_and_undrain(hub, node, run):
    """Not ready, seen in status, and the peers stay."""
    await created(hub, node, "a")

    done = await run("gateway", "drain", "gw1")
    assert (done.code, done.document["draining"]) == (0, True)
    assert (await node.page("/readyz")).text == "draining\n"
    assert await scraped(node, "wig_draining") == 1
    status = (await run("status")).document["nodes"]
    assert [one["draining"] for one in status] == [False, True]
    assert builders.key("a") in node.host.devices["wg0"].peers

    done = await run("gateway", "undrain", "gw1")
    assert (done.code, done.document["draining"]) == (0, False)
    await node.ready()


async def test_drain_waits_until_nobody_is_connected(hub, node, run):
    """It counts down, and returns at zero."""
    await created(hub, node, "a")
    connect(node.host, "a")

    async def counted() -> bool:
        return await scraped(node, "wig_interface_connected_peers", "wg0") == 1

    await eventually(counted, "the client is counted")
    waiting = asyncio.create_task(run("gateway", "drain", "gw1", "--wait"))

    async def draining() -> bool:
        return (await node.page("/readyz")).text == "draining\n"

    await eventually(draining, "it is drained")
    assert not waiting.done()
    connect(node.host, "a", handshake_s=int(time.time()) - 200)

    done = await waiting
    assert (done.code, done.document["connected"]) == (0, 0)


async def test_a_drained_gateway_that_restarts_stays_drained(server, hub, run, tmp_path):
    """The mark is in the run directory, where a person without a bus can make it as well."""
    async with gateway(server, tmp_path / "run") as node:
        await node.ready()
        assert (await run("gateway", "drain", "gw1")).code == 0

    async with gateway(server, tmp_path / "run") as node:
        await eventually(lambda: node.sink.position() is not None, "it has its state")
        assert (await node.page("/readyz")).text == "draining\n"
        DrainMark(tmp_path / "run", "gw1").set(False)
        await node.ready()


async def test_draining_nobody_is_an_error(hub, run):
    """It says which gateways there are."""
    done = await run("gateway", "drain", "gw7")

    assert done.code == 1
    assert done.error["code"] == "not_found"
