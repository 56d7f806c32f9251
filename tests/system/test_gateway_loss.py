"""What must not cost a connected client one packet: 1,000 a second, both ways, numbered."""

import re
import signal

import pytest

from tests import builders
from tests.eventually import eventually_sync
from tests.lab import PacketStream, clients
from tests.lab.stream import NOTHING

OTHERS, MANY = 2000, 10_000
RATE = 1000
OUTAGE_S_MAX = 1.0


@pytest.fixture
def stream(tunnel, server):
    """A stream through the tunnel, under way."""
    with PacketStream(tunnel.host, server.host, RATE) as packets:
        yield packets


def lost(stream):
    """Return what was lost so far and a moment later."""
    stream.settle()
    return stream.stop()


def wide(**fields):
    """Return the interface that the client is connected to."""
    return builders.interface(addresses=("10.0.0.1/16", "fd00::1/64"), **fields)


def test_what_is_lost_is_noticed(gateway, stream):
    """The stream counts exactly, also the little that goes while the way is closed."""
    host = gateway.host
    host.run("nft", "add table ip cut; add chain ip cut c { type filter hook forward priority 0; }")
    stream.settle()
    rule = (
        "add rule ip cut c ip protocol udp limit rate over 100/second burst 5 packets counter drop"
    )
    host.run("nft", rule)
    eventually_sync(lambda: dropped(host) > 20, "some packets to be dropped")
    host.run("nft", "insert rule ip cut c accept")

    there, back = lost(stream)
    assert len(there) + len(back) == dropped(host)
    assert min(stream.sent) > 400


def dropped(host):
    """Return how many packets the rule of the table `cut` has dropped."""
    found = re.search(r"counter packets (\d+)", host.out("nft", "list", "table", "ip", "cut"))
    return int(found[1])


def test_a_restart_loses_nothing(gateway, stream):
    """Stopped, away for a while, started, and given its state again; so is an upgrade."""
    gateway.stop()
    stream.settle()
    gateway.start()
    stream.settle()
    gateway.load()

    assert lost(stream) == NOTHING


def test_a_crash_loses_nothing(gateway, stream):
    """WireGuard outlives a gateway that is killed, and the next one adopts it."""
    before = gateway.wireguard_pid()
    gateway.kill()
    stream.settle()
    gateway.start()
    gateway.load()

    assert lost(stream) == NOTHING
    assert gateway.wireguard_pid() == before


def test_a_snapshot_loses_nothing(gateway, stream):
    """One with thousands of other peers, and one without them."""
    mine = [wide(), clients.peer(2)]

    gateway.load([*mine, *clients.strangers(OTHERS)])
    gateway.load(mine)

    assert lost(stream) == NOTHING


def test_other_peers_lose_nothing(gateway, stream):
    """One by one, in batches, changed, disabled, and deleted."""
    others = clients.strangers(OTHERS)
    for other in others[:50]:
        gateway.set(other)
    gateway.set(*others[50:])
    gateway.set(*clients.strangers(100, enabled=False))
    gateway.set(*clients.strangers(100, ip=None))
    gateway.delete(*others[:50])
    gateway.delete(*others[50:])

    assert lost(stream) == NOTHING


def test_ten_thousand_other_peers_lose_nothing(gateway, stream):
    """All at once: created, changed, deleted."""
    gateway.set(*clients.strangers(MANY))
    gateway.set(*clients.strangers(MANY, ip6=None))
    gateway.delete(*clients.strangers(MANY))

    assert lost(stream) == NOTHING


def test_what_does_not_matter_to_the_device_loses_nothing(gateway, stream):
    """Descriptions, resolvers, the peer's own name, and another interface."""
    gateway.set(wide(description="changed", dns=("10.0.0.1",)))
    gateway.set(clients.peer(2, name="changed"))
    other = builders.interface("wg1", port=51821, addresses=("10.9.0.1/24",))
    gateway.set(other)
    gateway.delete(other)

    assert lost(stream) == NOTHING


def test_a_second_range_for_the_peer_itself_loses_nothing(gateway, stream):
    """A preshared key aside, the peer's own changes are additions where they can be."""
    gateway.set(clients.peer(2, ip6=None))
    gateway.set(clients.peer(2))

    assert lost(stream) == NOTHING


def test_repairing_drift_loses_nothing(gateway, stream):
    """Of everything but the peer itself."""
    gateway.set(clients.peer(3))
    host = gateway.host
    host.run("wg", "set", "wg0", "peer", clients.peer(3).public_key, "remove")
    host.run("wg", "set", "wg0", "peer", builders.key("stranger"), "allowed-ips", "10.0.9.9/32")
    host.run("ip", "address", "add", "10.77.0.1/24", "dev", "wg0")
    host.run("nft", "add", "rule", "inet", "wig", "postrouting", "accept")

    assert gateway.audit() == 4
    assert lost(stream) == NOTHING


def test_limits_of_another_peer_lose_nothing(gateway, stream):
    """Set, changed, and taken away."""
    for rate in (1_000_000, 64_000, None):
        gateway.set(clients.peer(3, rate_limit=rate))
        stream.settle()

    assert lost(stream) == NOTHING


def test_forgetting_idle_clients_loses_nothing(gateway, stream):
    """Of others: the one that is connected stays."""
    others = clients.strangers(200)
    gateway.set(*others)
    words = [f"peer {each.public_key} endpoint 192.0.2.1:9".split() for each in others]
    gateway.host.run("wg", "set", "wg0", *[word for each in words for word in each])
    gateway.wipe(0.0)

    assert gateway.ask("wipe", later_s=170.0)["wiped"] == 0
    assert lost(stream) == NOTHING


def test_wireguard_is_back_within_a_second(gateway, stream):
    """When its process dies, the client does not even have to greet it."""
    gateway.audit()  # it has noted now where its clients are
    before = gateway.wireguard_pid()
    gateway.host.run("kill", f"-{signal.SIGKILL:d}", str(before))

    eventually_sync(lambda: gateway.wireguard_pid() != before, "another wireguard-go")
    missing = lost(stream)

    assert max(map(len, missing)) <= OUTAGE_S_MAX * RATE
