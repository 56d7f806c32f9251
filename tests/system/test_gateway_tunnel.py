"""Packets of real clients through a gateway: where they get, and where they must not."""

import re

import pytest

from tests import builders
from tests.eventually import eventually_sync
from tests.lab import WgQuick, clients
from tests.lab.gateway import DrivenGateway
from tests.lab.serve_web import PAGE

COUNTERS = """\
table inet seen {
	chain input {
		type filter hook input priority filter; policy accept;
		icmp type echo-request counter
		icmpv6 type echo-request counter
	}
}
"""


def requests(host):
    """Return how many pings have arrived, answered or not."""
    return sum(
        map(int, re.findall(r"packets (\d+)", host.out("nft", "list", "table", "inet", "seen")))
    )


def reaches(host, *target):
    return host.run("ping", "-n", "-c", "1", "-W", "1", *target, check=False).returncode == 0


def test_a_client_fetches_a_page_from_the_gateways_address(gateway, tunnel, server):
    """By wg-quick and an ordinary configuration with DNS, over IPv4 and IPv6."""
    for version in (4, 6):
        assert tunnel.fetch(server.urls[version]) == PAGE.decode()

    assert server.visitors() == list(gateway.host.addresses["world"])


@pytest.mark.parametrize("dns", [None, "10.0.0.1"])
def test_a_resolver_is_optional(net, gateway, server, dns):
    """With one, the client uses it; without, it keeps its own. The tunnel works either way."""
    gateway.load([builders.interface(), clients.peer(2)])
    client = net.host("client", "access")
    with WgQuick(client, clients.config(2, gateway, dns=dns)) as quick:
        assert quick.fetch(server.urls[4]) == PAGE.decode()
        assert ("nameserver 10.0.0.1" in client.out("cat", "/etc/resolv.conf")) == (dns is not None)


def test_a_peer_without_leave_is_cut(gateway, tunnel, server):
    """Disabled, enabled again, deleted: the device follows at once.

    A client whose session was forgotten notices after 15 s, so this one connects anew.
    """
    gateway.set(clients.peer(2, enabled=False))
    assert tunnel.fetch(server.urls[4], timeout_s=1) is None

    gateway.set(clients.peer(2))
    tunnel.down()
    tunnel.up()
    assert tunnel.fetch(server.urls[4])

    gateway.delete(clients.peer(2))
    assert tunnel.fetch(server.urls[4], timeout_s=1) is None


def test_peers_do_not_reach_each_other(net, gateway, tunnel):
    """Both reach the gateway, and neither the other."""
    gateway.set(clients.peer(3))
    first, second = tunnel.host, net.host("second", "access")
    with WgQuick(second, clients.config(3, gateway)):
        for address, other in (("10.0.0.1", "10.0.0.3"), ("fd00::1", "fd00::3")):
            assert reaches(second, address)
            assert reaches(first, address)
            assert not reaches(first, other)


def test_peers_reach_each_other_without_isolation(net):
    """When the operator wants it so; strangers outside still do not."""
    with DrivenGateway(net.host("gateway", "access"), isolated=False) as gateway:
        gateway.load([builders.interface(), clients.peer(2), clients.peer(3)])
        first, second = net.host("first", "access"), net.host("second", "access")
        with (
            WgQuick(first, clients.config(2, gateway, dns=None)),
            WgQuick(second, clients.config(3, gateway, dns=None)),
        ):
            for address in ("10.0.0.1", "fd00::1"):
                assert reaches(second, address)
            for other in ("10.0.0.3", "fd00::3"):
                assert reaches(first, other)


def test_a_source_that_is_no_peers_does_not_leave_the_tunnel(gateway, tunnel, server):
    """Not even when somebody let the device accept it; another peer's never gets so far."""
    server.host.run("nft", "--file", "-", stdin=COUNTERS)
    gateway.set(clients.peer(3))
    key = clients.peer(2).public_key
    allowed = "10.0.0.2/32,fd00::2/128,172.16.0.9/32,fd99::9/128"
    gateway.host.run("wg", "set", "wg0", "peer", key, "allowed-ips", allowed)
    for source in ("172.16.0.9/32", "fd99::9/128", "10.0.0.3/32", "fd00::3/128"):
        tunnel.host.run("ip", "addr", "add", source, "dev", "vpn0")

    for address, own, spoofed in (
        (server.host.ip, "10.0.0.2", ("172.16.0.9", "10.0.0.3")),
        (server.host.ip6, "fd00::2", ("fd99::9", "fd00::3")),
    ):
        assert reaches(tunnel.host, "-I", own, address)
        before = requests(server.host)
        for source in spoofed:
            assert not reaches(tunnel.host, "-I", source, address)
        assert requests(server.host) == before > 0


def test_nobody_outside_reaches_a_peer(gateway, tunnel, server):
    """Only answers go in, though the outside knows the way."""
    via, via6 = gateway.host.addresses["world"]
    server.host.run("ip", "route", "add", "10.0.0.0/16", "via", via)
    server.host.run("ip", "-6", "route", "add", "fd00::/64", "via", via6)

    assert reaches(tunnel.host, server.host.ip)
    assert not reaches(server.host, "10.0.0.2")
    assert not reaches(server.host, "fd00::2")


def test_a_large_download_passes_a_narrow_path(gateway, tunnel, server):
    """A megabyte comes whole through an uplink of 1,300 bytes."""
    for host in (gateway.host, server.host):
        host.run("ip", "link", "set", "world", "mtu", "1300")

    for version in (4, 6):
        page = tunnel.fetch(f"{server.urls[version]}1000000")
        assert page is not None
        assert len(page) == 1_000_000


def test_a_range_outside_the_pool_is_routed_and_let_out(gateway, tunnel, server):
    """A client's own network reaches the Internet, until the client loses it."""
    client = tunnel.host
    client.run("ip", "addr", "add", "192.168.7.1/32", "dev", "vpn0")
    gateway.set(clients.peer(2, ip="192.168.7.0/24"))
    eventually_sync(
        lambda: reaches(client, "-I", "192.168.7.1", server.host.ip), "the range to be routed"
    )
    assert "192.168.7.0/24" in gateway.host.out("ip", "route", "show", "dev", "wg0")
    assert gateway.audit() == 0

    gateway.set(clients.peer(2))

    assert "192.168.7.0/24" not in gateway.host.out("ip", "route", "show", "dev", "wg0")
    assert not reaches(client, "-I", "192.168.7.1", server.host.ip)
    assert gateway.audit() == 0
