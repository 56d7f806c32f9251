"""What must not cost a connected client one packet: 1,000 a second, both ways, numbered.

With both kinds of WireGuard. The kernel's is emulated in most places: see `test_guest_loss.py`.
All tests share one tunnel, and leave everything as it was.
"""

from typing import NamedTuple

import pytest
from msgspec.structs import replace

from tests import builders
from tests.eventually import PATIENCE, eventually_sync
from tests.lab import (
    Internet,
    PacketStream,
    WebServer,
    WgQuick,
    clients,
    need,
    need_kernel,
    versions,
)
from tests.lab.gateway import DrivenGateway
from tests.lab.serve_web import PAGE
from tests.lab.stream import NOTHING

OTHERS, MANY = 2000, 10_000
RATE = 1000


def wide(**fields):
    """Return the interface that the client is connected to."""
    return builders.interface(addresses=("10.0.0.1/16", "fd00::1/64"), **fields)


MINE = (wide(), clients.peer(2))


class Lab(NamedTuple):
    """A client with a tunnel through a gateway, and what is behind it."""

    gateway: DrivenGateway
    tunnel: WgQuick
    server: WebServer


@pytest.fixture(scope="module", params=["userspace", "kernel"])
def lab(request):
    kernel = request.param == "kernel"
    (need_kernel if kernel else need)()
    with (
        Internet() as net,
        DrivenGateway(
            net.host("gateway", "access", "world"),
            wireguard="auto" if kernel else "userspace",
            audit_interval_s=3600,
        ) as gateway,
        WebServer(net.host("server", "world")) as server,
    ):
        gateway.load(MINE)
        config = clients.config(2, gateway, dns=None)
        with WgQuick(net.host("client", "access"), config) as tunnel:
            yield Lab(gateway, tunnel, server)


@pytest.fixture
def gateway(lab):
    return lab.gateway


@pytest.fixture
def stream(lab):
    """Packets through the tunnel, both ways, under way."""
    with PacketStream(lab.tunnel.host, lab.server.host) as packets:
        yield packets


def lost(stream):
    """Return what was lost so far and a moment later; the stream was as dense as it should be."""
    stream.settle()
    stream.catch_up()
    missing = stream.stop()
    assert min(stream.rates) >= RATE
    return missing


def test_a_client_fetches_a_page(lab):
    """Over IPv4 and IPv6, from the gateway's address; `auto` takes the kernel's WireGuard."""
    lab.server.visitors()
    for version in (4, 6):
        assert lab.tunnel.fetch(lab.server.urls[version], 5.0 * PATIENCE) == PAGE.decode()

    assert lab.server.visitors() == list(lab.gateway.host.addresses["world"])
    assert lab.gateway.host.kind("wg0") == lab.tunnel.host.kind("vpn0")


def test_other_addresses_of_the_gateway_lose_nothing(gateway, stream):
    """The client's are outside of the pools then, and have routes before those go."""
    other = replace(wide(), addresses=("10.99.0.1/24", "fd99::1/64"))

    gateway.set(other)
    routes = gateway.host.out("ip", "route", "show", "dev", "wg0")
    gateway.set(wide())

    assert "10.0.0.2 proto 87" in routes
    assert lost(stream) == NOTHING
    assert gateway.audit() == 0


def test_a_restart_loses_nothing(gateway, stream):
    """Stopped, away for a while, started, and given its state again."""
    gateway.stop()
    stream.settle()
    gateway.start()
    stream.settle()
    gateway.load()

    assert lost(stream) == NOTHING
    assert gateway.quarantine() == {}


def test_an_upgrade_loses_nothing(gateway, stream, tmp_path):
    """To another version, which has other rules for nftables, and back to this one."""
    before = gateway.version
    for prefix, version in ((versions.other(tmp_path), versions.VERSION), ((), before)):
        gateway.upgrade(prefix)
        gateway.load()

        assert gateway.version == version
        rules = gateway.host.out("nft", "list", "table", "inet", "wig")
        assert (versions.MARK in rules) == (version != before)
        stream.settle()

    assert lost(stream) == NOTHING
    assert gateway.quarantine() == {}


def index(host):
    """Return the number of the interface, which another one would not have."""
    return host.out("ip", "-oneline", "link", "show", "wg0").partition(":")[0]


def test_a_crash_loses_nothing(gateway, stream):
    """WireGuard outlives a gateway that is killed, and the next one adopts it."""
    before = index(gateway.host)
    gateway.kill()
    stream.settle()
    gateway.start()
    gateway.load()

    assert lost(stream) == NOTHING
    assert index(gateway.host) == before


def test_a_snapshot_loses_nothing(gateway, stream):
    """One with thousands of other peers, and one without them."""
    gateway.load([*MINE, *clients.strangers(OTHERS)])
    gateway.load(MINE)

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
    gateway.set(*MINE)

    assert lost(stream) == NOTHING


def test_a_second_range_for_the_peer_itself_loses_nothing(lab, gateway):
    """It is added. Taking one away replaces all of them, which may cost some packets."""
    gateway.set(clients.peer(2, ip6=None))
    with PacketStream(lab.tunnel.host, lab.server.host) as stream:
        gateway.set(clients.peer(2))

        assert lost(stream) == NOTHING


def test_repairing_drift_loses_nothing(gateway, stream):
    """Of everything but the peer itself."""
    gateway.set(clients.peer(3))
    host = gateway.host
    host.run("wg", "set", "wg0", "peer", clients.peer(3).public_key, "remove")
    host.run("wg", "set", "wg0", "fwmark", "7")
    host.run("wg", "set", "wg0", "peer", builders.key("stranger"), "allowed-ips", "10.0.9.9/32")
    host.run("ip", "address", "add", "10.77.0.1/24", "dev", "wg0")
    host.run("nft", "add", "rule", "inet", "wig", "postrouting", "accept")

    assert gateway.audit() == 5
    gateway.delete(clients.peer(3))
    assert lost(stream) == NOTHING


def test_limits_of_another_peer_lose_nothing(gateway, stream):
    """Set, changed, and taken away."""
    for rate in (1_000_000, 64_000, None):
        gateway.set(clients.peer(3, rate_limit=rate))
        stream.settle()
    gateway.delete(clients.peer(3))

    assert lost(stream) == NOTHING


def test_forgetting_idle_clients_loses_nothing(gateway, stream):
    """Of others: the one that is connected stays."""
    others = clients.strangers(200)
    gateway.set(*others)
    words = [f"peer {each.public_key} endpoint 192.0.2.1:9".split() for each in others]
    gateway.host.run("wg", "set", "wg0", *[word for each in words for word in each])
    gateway.wipe(0.0)

    assert gateway.ask("wipe", later_s=170.0)["wiped"] == 0
    gateway.delete(*others)
    assert lost(stream) == NOTHING


def test_a_deleted_link_comes_back(gateway, stream):
    """At once, not with the next audit; another interface loses nothing."""
    host, name = gateway.host, "wg1"
    gateway.set(builders.interface(name, port=51821, addresses=("10.9.0.1/24",)))
    before = host.out("ip", "-oneline", "link", "show", name)

    host.run("ip", "link", "del", name)

    eventually_sync(
        lambda: (
            host.run("ip", "-oneline", "link", "show", name, check=False).stdout not in {"", before}
        ),
        "the interface to be back",
    )
    eventually_sync(
        lambda: "10.9.0.1/24" in host.out("ip", "address", "show", name), "its address to be back"
    )
    gateway.delete(builders.interface(name))
    assert lost(stream) == NOTHING
