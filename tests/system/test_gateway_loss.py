"""What must not cost a connected client one packet: pings through the tunnel count them."""

import signal

import pytest

from tests import builders
from tests.eventually import eventually_sync
from tests.lab import PingStream, clients

OTHERS = 2000
PINGS_PER_S = 200
OUTAGE_S_MAX = 1.0


@pytest.fixture
def pings(tunnel, server):
    """A stream through the tunnel, under way."""
    with PingStream(tunnel.host, server.host.ip, 1 / PINGS_PER_S) as stream:
        stream.settle()
        yield stream


def lost(pings):
    """Return what was lost so far and a moment later."""
    pings.settle()
    return pings.stop()


def wide(**fields):
    """Return the interface that the client is connected to."""
    return builders.interface(addresses=("10.0.0.1/16", "fd00::1/64"), **fields)


def test_a_restart_loses_nothing(gateway, pings):
    """Stopped, away for a while, started, and given its state again."""
    gateway.stop()
    pings.settle()
    gateway.start()
    pings.settle()
    gateway.load()

    assert lost(pings) == []


def test_a_crash_loses_nothing(gateway, pings):
    """WireGuard outlives a gateway that is killed, and the next one adopts it."""
    before = gateway.wireguard_pid()
    gateway.kill()
    pings.settle()
    gateway.start()
    gateway.load()

    assert lost(pings) == []
    assert gateway.wireguard_pid() == before


def test_a_snapshot_loses_nothing(gateway, pings):
    """One with thousands of other peers, and one without them."""
    mine = [wide(), clients.peer(2)]

    gateway.load([*mine, *clients.strangers(OTHERS)])
    gateway.load(mine)

    assert lost(pings) == []


def test_other_peers_lose_nothing(gateway, pings):
    """One by one, in batches, changed, disabled, and deleted."""
    others = clients.strangers(OTHERS)
    for other in others[:50]:
        gateway.set(other)
    gateway.set(*others[50:])
    gateway.set(*clients.strangers(100, enabled=False))
    gateway.set(*clients.strangers(100, ip=None))
    gateway.delete(*others[:50])
    gateway.delete(*others[50:])

    assert lost(pings) == []


def test_what_does_not_matter_to_the_device_loses_nothing(gateway, pings):
    """Descriptions, resolvers, the peer's own name, and another interface."""
    gateway.set(wide(description="changed", dns=("10.0.0.1",)))
    gateway.set(clients.peer(2, name="changed"))
    other = builders.interface("wg1", port=51821, addresses=("10.9.0.1/24",))
    gateway.set(other)
    gateway.delete(other)

    assert lost(pings) == []


def test_a_second_range_for_the_peer_itself_loses_nothing(gateway, pings):
    """A preshared key aside, the peer's own changes are additions where they can be."""
    gateway.set(clients.peer(2, ip6=None))
    gateway.set(clients.peer(2))

    assert lost(pings) == []


def test_repairing_drift_loses_nothing(gateway, pings):
    """Of everything but the peer itself."""
    gateway.set(clients.peer(3))
    host = gateway.host
    host.run("wg", "set", "wg0", "peer", clients.peer(3).public_key, "remove")
    host.run("wg", "set", "wg0", "peer", builders.key("stranger"), "allowed-ips", "10.0.9.9/32")
    host.run("ip", "address", "add", "10.77.0.1/24", "dev", "wg0")
    host.run("nft", "add", "rule", "inet", "wig", "postrouting", "accept")

    assert gateway.audit() == 4
    assert lost(pings) == []


def test_wireguard_is_back_within_a_second(gateway, pings):
    """When its process dies, the client does not even have to greet it."""
    gateway.audit()  # it has noted now where its clients are
    before = gateway.wireguard_pid()
    gateway.host.run("kill", f"-{signal.SIGKILL:d}", str(before))

    eventually_sync(lambda: gateway.wireguard_pid() != before, "another wireguard-go")
    missing = lost(pings)

    assert len(missing) <= OUTAGE_S_MAX * PINGS_PER_S
