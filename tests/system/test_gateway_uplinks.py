"""Two ways out of one host: each interface's clients leave by their own uplink, or not at all."""

import re
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests import builders
from tests.lab import Internet, WebServer, WgQuick, clients
from tests.lab.footprint import footprint
from tests.lab.gateway import DrivenGateway
from tests.lab.host import Host
from tests.lab.serve_web import PAGE

FIRST = builders.interface()
SECOND = builders.interface("wg1", port=51821, addresses=("10.1.0.1/24", "fd01::1/64"))
TABLE = 200
STRICT = "echo 1 > /proc/sys/net/ipv4/conf/{}/rp_filter"


class Site(NamedTuple):
    """A gateway in three networks, and one server that both uplinks lead to."""

    net: Internet
    gateway: Host
    server: WebServer
    router: Host
    """Between the second uplink and the server."""


@pytest.fixture
def site(net) -> Iterator[Site]:
    """The main table leads to the server by `world`; by `uplink` it is a router away."""
    gateway = net.host("gateway", "access", "world", "uplink")
    router = net.host("router", "uplink", "world")
    for key in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
        router.run("sysctl", "-q", f"net.{key}=1")
    with WebServer(net.host("server", "world")) as server:
        back = zip(net.network("uplink").prefixes, router.addresses["world"], strict=True)
        for destination, via in back:
            server.host.run("ip", "route", "add", destination, "via", via)
        gateway.run("ip", "route", "add", "default", "via", server.host.ip)
        for device in ("all", "uplink", "world"):
            gateway.run("sh", "-c", STRICT.format(device))
        yield Site(net, gateway, server, router)


def way(site: Site, **more: str) -> str:
    """Return the second interface's egress, by the second uplink."""
    via, via6 = site.router.addresses["uplink"]
    keys = {"device": "uplink", "via": via, "via6": via6, "table": str(TABLE)} | more
    return "wg1=" + ",".join(f"{key}:{value}" for key, value in keys.items())


def second(number: int, **fields):
    """Return a peer of the second interface."""
    return clients.peer(
        number, interface="wg1", ip=f"10.1.0.{number}", ip6=f"fd01::{number}", **fields
    )


def config(number: int, gateway: DrivenGateway) -> str:
    """Return the configuration of a client of the second interface."""
    text = clients.config(number, gateway, SECOND, dns=None)
    return text.replace("10.0.0.", "10.1.0.").replace("fd00::", "fd01::")


def connected(site: Site, gateway: DrivenGateway) -> WgQuick:
    """Return client 3, of the second interface, connected."""
    return WgQuick(site.net.host("two", "access"), config(3, gateway))


def test_each_interface_leaves_by_its_own_uplink(site):
    """The server sees the address of that uplink, over IPv4 and IPv6, under strict filters."""
    with DrivenGateway(site.gateway, egress=[way(site)]) as gateway:
        gateway.load([FIRST, SECOND, clients.peer(2), second(3)])
        assert gateway.quarantine() == {}
        with (
            WgQuick(site.net.host("one", "access"), clients.config(2, gateway, dns=None)) as one,
            connected(site, gateway) as two,
        ):
            for tunnel, uplink in ((one, "world"), (two, "uplink")):
                for version in (4, 6):
                    assert tunnel.fetch(site.server.urls[version]) == PAGE.decode()
                assert site.server.visitors() == list(site.gateway.addresses[uplink])
        assert gateway.audit() == 0


SEEN = """
table inet seen {
	chain here {
		type filter hook prerouting priority 0;
		ip daddr 10.0.0.0/15 counter
		ip6 daddr fd00::/15 counter
	}
}
"""


@pytest.mark.parametrize("isolated", [False, True])
def test_packets_between_clients_never_leave_by_their_uplink(site, isolated):
    """They meet as they would without one, or not at all."""
    watch(site.router)
    with DrivenGateway(site.gateway, egress=[way(site)], isolated=isolated) as gateway:
        gateway.load([FIRST, SECOND, clients.peer(2), second(3), second(4)])
        with (
            connected(site, gateway) as one,
            WgQuick(site.net.host("three", "access"), config(4, gateway)) as other,
        ):
            for tunnel in (one, other):
                assert tunnel.fetch(site.server.urls[4]) == PAGE.decode()
            met = [reaches(one, target) for target in ("10.1.0.4", "fd01::4")]
            assert met == [not isolated] * 2
            assert not reaches(one, "10.0.0.2")
            assert seen(site.router) == [0, 0]


def test_packets_to_a_tunnel_that_is_down_stay_inside(site):
    """Whatever the host's routes say of its addresses meanwhile."""
    watch(site.server.host)
    ways = [f"wg1=source:{site.gateway.addresses['world'][0]}"]
    with DrivenGateway(site.gateway, egress=ways, audit_interval_s=3600) as gateway:
        gateway.load([FIRST, SECOND, clients.peer(2), second(3)])
        with connected(site, gateway) as tunnel:
            assert tunnel.fetch(site.server.urls[4]) == PAGE.decode()
            site.gateway.run("ip", "link", "set", "wg0", "down")
            assert not reaches(tunnel, "10.0.0.2")
            assert seen(site.server.host) == [0, 0]


def reaches(tunnel: WgQuick, target: str) -> bool:
    """Say whether one of a few pings is answered."""
    return tunnel.host.run("ping", "-c3", "-i0.2", "-W1", target, check=False).returncode == 0


def watch(host: Host) -> None:
    """Count what arrives for clients."""
    host.run("nft", "-f", "-", stdin=SEEN)


def seen(host: Host) -> list[int]:
    """Return how many packets to clients have arrived, over IPv4 and IPv6."""
    text = host.out("nft", "list", "table", "inet", "seen")
    return [int(number) for number in re.findall(r"packets (\d+)", text)]


def test_an_uplink_that_is_gone_is_not_replaced_by_another(site):
    """Its clients are told at once; when it is back, an audit gives it its routes again."""
    with DrivenGateway(site.gateway, egress=[way(site)]) as gateway:
        gateway.load([SECOND, second(3)])
        with connected(site, gateway) as tunnel:
            site.gateway.run("ip", "link", "set", "uplink", "down")
            begin = time.monotonic()
            for version in (4, 6):
                assert tunnel.fetch(site.server.urls[version], timeout_s=10) is None
            assert time.monotonic() - begin < 5
            assert site.server.visitors() == []

            site.gateway.run("ip", "link", "set", "uplink", "up")
            own6 = site.gateway.addresses["uplink"][1]
            site.gateway.run("ip", "addr", "add", f"{own6}/64", "dev", "uplink", "nodad")
            assert gateway.audit() == 2
            for version in (4, 6):
                assert tunnel.fetch(site.server.urls[version]) == PAGE.decode()


def test_a_fixed_source_and_a_routed_prefix(site):
    """IPv4 by an address of the operator's choice, IPv6 by the client's own, in any table."""
    sources, _ = site.gateway.addresses["uplink"]
    fixed = sources.rpartition(".")[0] + ".99"
    site.gateway.run("ip", "addr", "add", f"{fixed}/32", "dev", "uplink")
    for host, network in ((site.server.host, "world"), (site.router, "uplink")):
        via = (site.router if network == "world" else site.gateway).addresses[network][1]
        host.run("ip", "route", "add", "fd01::/64", "via", via)
    for version, via in zip(("-4", "-6"), site.router.addresses["uplink"], strict=True):
        site.gateway.run("ip", version, "route", "add", "default", "via", via, "table", "77")

    ways = [f"wg1=device:uplink,table:77,mark:0x4d000000,source:{fixed},nat6:none"]
    with DrivenGateway(site.gateway, egress=ways) as gateway:
        gateway.load([SECOND, second(3)])
        with connected(site, gateway) as tunnel:
            for version in (4, 6):
                assert tunnel.fetch(site.server.urls[version]) == PAGE.decode()
            assert site.server.visitors() == [fixed, "fd01::3"]
        gateway.stop(down=True)
    assert "default via" in site.gateway.out("ip", "route", "show", "table", "77")


def test_wireguards_own_packets_can_take_the_uplink_too(site):
    """A client that is only reached that way connects, and leaves by the same uplink."""
    with DrivenGateway(site.gateway, egress=[way(site, fwmark=str(TABLE))]) as gateway:
        gateway.load([SECOND, second(3)])
        assert "fwmark: 0xc8" in site.gateway.out("wg", "show", "wg1")
        far = site.net.host("far", "distant")
        site.net.network("distant").plug(site.router)
        far.run("ip", "route", "add", "default", "via", site.router.addresses["distant"][0])
        text = config(3, gateway).replace(
            f"Endpoint = {site.gateway.ip}:", f"Endpoint = {site.gateway.addresses['uplink'][0]}:"
        )
        with WgQuick(far, text) as tunnel:
            assert tunnel.fetch(site.server.urls[4]) == PAGE.decode()
            assert site.server.visitors() == [site.gateway.addresses["uplink"][0]]


def test_everything_is_gone_afterwards(site):
    """After a crash too; what the operator has in the same places stays."""
    host = site.gateway
    host.run("ip", "rule", "add", "fwmark", str(TABLE), "lookup", "77", "priority", "9000")
    host.run("ip", "route", "add", "203.0.113.0/24", "dev", "uplink", "table", str(TABLE))
    host.run("nft", "add table inet other; add chain inet other here")
    before = footprint(host)

    with DrivenGateway(host, egress=[way(site)]) as gateway:
        gateway.load([FIRST, SECOND, clients.peer(2, rate_limit=10_000_000), second(3)])
        assert footprint(host) != before
        gateway.kill()
        gateway.start()
        gateway.load()
        assert gateway.audit() == 0
        gateway.stop(down=True)

    assert footprint(host) == before


def test_ways_out_change_with_a_restart(site):
    """The rules and routes of the last one go; a table that another program fills is left alone."""
    host = site.gateway
    with DrivenGateway(host, egress=[way(site)]) as gateway:
        gateway.load([SECOND])
        gateway.stop()
    host.run("ip", "route", "add", "default", "dev", "uplink", "table", "300")

    with DrivenGateway(host, egress=[way(site, table="300")]) as gateway:
        gateway.load([SECOND])

        rules = host.out("ip", "rule") + host.out("ip", "-6", "rule")
        assert (rules.count("lookup 200"), rules.count("lookup 300")) == (0, 2)
        assert host.out("ip", "route", "show", "table", str(TABLE)) == ""
        assert list(gateway.quarantine()) == ["route of table 300 for IPv4"]
        assert "dev uplink" in host.out("ip", "route", "show", "table", "300")


def test_an_uplink_that_nobody_leaves_by_checks_sources_again(site):
    """After a restart without the egress, like its rules and routes."""
    value = ("cat", "/proc/sys/net/ipv4/conf/uplink/rp_filter")
    with DrivenGateway(site.gateway, egress=[way(site)]) as gateway:
        gateway.load([SECOND])
        assert site.gateway.out(*value) == "2\n"

        gateway.start_again(egress=[])
        gateway.load([SECOND])

        assert site.gateway.out(*value) == "1\n"
        assert gateway.audit() == 0


def test_rules_and_routes_that_somebody_changed_are_repaired(site):
    """And counted."""
    host = site.gateway
    with DrivenGateway(host, egress=[way(site)]) as gateway:
        gateway.load([SECOND])
        for command in (
            "ip rule del lookup 200",
            "ip -6 route flush table 200",
            "nft delete chain inet wig marks",
            "sysctl -q net.ipv4.conf.uplink.rp_filter=1",
        ):
            host.run(*command.split())

        assert gateway.audit() == 4
        assert gateway.audit() == 0
        assert gateway.quarantine() == {}


def test_an_egress_waits_for_its_interface(site):
    """An operator hears of it, who may have misspelt the name."""
    with DrivenGateway(site.gateway, egress=[way(site)]) as gateway:
        gateway.load([FIRST])
        assert gateway.quarantine() == {"egress of wg1": "no interface has this name"}

        gateway.set(SECOND)

        assert gateway.quarantine() == {}
        assert gateway.audit() == 0
