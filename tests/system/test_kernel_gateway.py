"""A gateway with the kernel's WireGuard, and a client with the same.

All tests share one tunnel, because most kernels that these run on are emulated: see
`test_guest.py`. There, the stream has fewer packets and there are fewer strangers, by
`eventually.PATIENCE`.
"""

from typing import NamedTuple

import pytest

from tests import builders
from tests.eventually import PATIENCE, eventually_sync
from tests.lab import Internet, PacketStream, WebServer, WgQuick, clients, need_kernel
from tests.lab.gateway import DrivenGateway
from tests.lab.serve_web import PAGE
from tests.lab.stream import NOTHING

PACKETS_PER_S = 1000 // PATIENCE
OTHERS = 10_000 // PATIENCE
SETTLE = 200 // PATIENCE
WIDE = builders.interface(addresses=("10.0.0.1/16", "fd00::1/64"))
MINE = (WIDE, clients.peer(2))


class Lab(NamedTuple):
    """A client with a tunnel through a gateway, and what is behind it."""

    gateway: DrivenGateway
    tunnel: WgQuick
    server: WebServer


@pytest.fixture(scope="module")
def lab():
    need_kernel()
    with (
        Internet() as net,
        DrivenGateway(
            net.host("gateway", "access", "world"), wireguard="auto", audit_interval_s=3600
        ) as gateway,
        WebServer(net.host("server", "world")) as server,
    ):
        gateway.load(MINE)
        config = clients.config(2, gateway, dns=None)
        with WgQuick(net.host("client", "access"), config) as tunnel:
            yield Lab(gateway, tunnel, server)


@pytest.fixture
def stream(lab):
    """Packets through the tunnel, both ways, under way."""
    with PacketStream(lab.tunnel.host, lab.server.host, PACKETS_PER_S) as packets:
        yield packets


def lost(stream):
    """Return what was lost so far and a moment later."""
    stream.settle(SETTLE)
    return stream.stop()


def test_a_client_fetches_a_page(lab):
    """Over IPv4 and IPv6, from the gateway's address, with the kernel's WireGuard at both ends."""
    for version in (4, 6):
        assert lab.tunnel.fetch(lab.server.urls[version], 5.0 * PATIENCE) == PAGE.decode()

    assert lab.server.visitors() == list(lab.gateway.host.addresses["world"])
    assert lab.gateway.host.kind("wg0") == lab.tunnel.host.kind("vpn0") == "wireguard"


def test_a_restart_loses_nothing(lab, stream):
    """Stopped, away for a while, started, perhaps in another version, and given its state."""
    lab.gateway.stop()
    stream.settle(SETTLE)
    lab.gateway.start()
    lab.gateway.load()

    assert lost(stream) == NOTHING
    assert lab.gateway.quarantine() == {}


def test_a_crash_loses_nothing(lab, stream):
    """The kernel goes on, and the next process adopts the device."""
    lab.gateway.kill()
    stream.settle(SETTLE)
    lab.gateway.start()
    lab.gateway.load()

    assert lost(stream) == NOTHING


def test_other_peers_lose_nothing(lab, stream):
    """Thousands by a snapshot, changed by ops, some one by one, and gone with another snapshot."""
    others = clients.strangers(OTHERS)
    lab.gateway.load([*MINE, *others])
    for other in clients.strangers(5, enabled=False):
        lab.gateway.set(other)
    lab.gateway.set(*clients.strangers(OTHERS // 10, ip=None))
    lab.gateway.delete(*others[:10])
    lab.gateway.load(MINE)

    assert lost(stream) == NOTHING


def test_repairing_drift_loses_nothing(lab, stream):
    """Of everything but the peer itself."""
    host = lab.gateway.host
    host.run("wg", "set", "wg0", "fwmark", "7")
    host.run("wg", "set", "wg0", "peer", builders.key("stranger"), "allowed-ips", "10.0.9.9/32")
    host.run("ip", "address", "add", "10.77.0.1/24", "dev", "wg0")
    host.run("nft", "add", "rule", "inet", "wig", "postrouting", "accept")

    assert lab.gateway.audit() == 4
    assert lost(stream) == NOTHING


def test_a_deleted_link_comes_back(lab, stream):
    """At once, not with the next audit; another interface loses nothing."""
    host, name = lab.gateway.host, "wg1"
    lab.gateway.set(builders.interface(name, port=51821, addresses=("10.9.0.1/24",)))
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
    lab.gateway.delete(builders.interface(name))
    assert lost(stream) == NOTHING
