"""Where clients are is used to find their country, and is nowhere written down."""

import ipaddress
import json
import sqlite3
import sys
from contextlib import closing

import pytest

from tests.eventually import eventually_sync
from tests.lab import places
from tests.lab.hunt import Hunt
from tests.lab.internet import Internet
from tests.lab.need import need
from tests.lab.sites import World
from tests.lab.web import PAGE, WebServer
from tests.lab.wg_quick import WgQuick

RECONNECT_S_MAX = 20.0  # WireGuard's own: a client asks for new keys after 15 s of silence
SESSIONS = ("-vv", "--session-inactivity", "10s", "--metrics-addr", ":4007")
OVER_S_MAX = 40.0
HOMES = {("SE", 64500, "Example AB"), ("NO", 64501, "Six AS")}
METRICS = "http://127.0.0.1:4007/metrics"


@pytest.fixture
def world(tmp_path):
    need()
    with Internet() as net:
        yield World(net, tmp_path)


class Life:
    """A lab whose clients come, move and go, while everything breaks and logs what it can."""

    def __init__(self, world):
        self.world = world
        self.alice, self.bob = world.client, world.net.host("bob", "home")
        self.roamed = str(ipaddress.ip_address(self.alice.ip) + 100)
        self.addresses = (
            *(self.alice.ip, self.roamed, self.alice.ip6),
            *(self.bob.ip, self.bob.ip6),
        )

    def options(self):
        """Return what has the gateway look up, report, compare and log as much as it can."""
        disk = self.world.far.disk
        country = places.write_countries(
            disk / "country.mmdb", {"198.18.0.0/16": "SE", "2001:db8::/32": "NO"}
        )
        networks = {"198.18.0.0/16": (64500, "Example AB"), "2001:db8::/32": (64501, "Six AS")}
        asn = places.write_networks(disk / "asn.mmdb", networks)
        return (
            *("--geoip-country", str(country), "--geoip-asn", str(asn), "-vv"),
            *("--report-interval", "1s", "--audit-interval", "1s", "--metrics-addr", ":4007"),
        )

    def live(self):
        """Do all that a client and an operator may do."""
        far = self.world.far
        self.world.hub.start_sessions(*SESSIONS)
        far.stop("gateway")
        far.start_gateway(*self.options())
        text = self.world.hub.client("alice", far.host)
        text6 = self.world.hub.client("bob", far.host).replace(
            f"{far.host.ip}:", f"[{far.host.ip6}]:"
        )
        far.has(self.world.hub.peers())
        with (
            WebServer(self.world.web) as web,
            WgQuick(self.alice, text) as alice,
            WgQuick(self.bob, text6) as bob,
        ):
            for each in (alice, bob):
                assert each.fetch(web.urls[4]) == PAGE.decode()
                assert each.fetch(web.urls[6]) == PAGE.decode()
            eventually_sync(self.told, "sessions to begin", OVER_S_MAX)
            self.roam(alice, web)
            self.kill_everything(alice, web)
            self.meddle(alice, web)
        eventually_sync(self.over, "sessions to end", OVER_S_MAX)
        self.world.hub.asked("peer", "delete", json.loads(self.peers())["peers"][0]["public_key"])

    def told(self):
        """Return the sessions, once there are some from both places."""
        found = json.loads(self.sessions())["sessions"]
        where = {(one["country"], one["asn"], one["organisation"]) for one in found}
        assert where == HOMES, found
        return found

    def over(self):
        """Say whether none of them is open."""
        found = self.told()
        assert all(one["end"] for one in found), found
        return True

    def roam(self, alice, web):
        """Move the client to another address."""
        home = ("dev", "home")
        self.alice.run("ip", "addr", "del", f"{self.alice.ip}/24", *home)
        self.alice.run("ip", "addr", "add", f"{self.roamed}/24", *home)
        # wireguard-go sends from the old address until it has a new socket; the kernel does not.
        self.alice.run("wg", "set", "vpn0", "listen-port", "40000")
        self.back(alice, web)
        assert self.roamed in self.world.far.host.out("wg", "show", "wg0", "endpoints")

    def kill_everything(self, alice, web):
        """Kill the gateway's program, the device's, the primary, and the servers."""
        far, hub = self.world.far, self.world.hub
        far.kill("gateway")
        far.start_gateway(*self.options())
        far.host.run("pkill", "-KILL", "-f", "wireguard-go.* wg0$")
        self.back(alice, web)
        for site in (hub, far):
            site.kill()
            site.start_all()
        hub.served(lives=2)
        hub.start_sessions(*SESSIONS)
        self.back(alice, web)

    def meddle(self, alice, web):
        """Take the peers from the device by hand; the gateway puts them back."""
        far = self.world.far
        far.kill("gateway")
        far.start_gateway(*self.options())
        far.has(self.world.hub.peers())
        for key in self.world.hub.peers():
            far.host.run("wg", "set", "wg0", "peer", key, "remove")
        far.has(self.world.hub.peers())
        self.back(alice, web)

    def back(self, client, web):
        """Wait until a client is served."""
        eventually_sync(
            lambda: client.fetch(web.urls[4], 1) == PAGE.decode(), "the client", RECONNECT_S_MAX
        )

    def sessions(self):
        return self.world.hub.asked("session", "list", "--output", "json")

    def peers(self):
        return self.world.hub.asked("peer", "list", "--output", "json")

    def said(self):
        """Return what programs say when they are asked."""
        host, hub = self.world.far.host, self.world.hub
        return {
            "metrics": host.out("curl", "-sf", METRICS),
            "metrics of sessions": hub.host.out("curl", "-sf", METRICS),
            "firewall": host.out("nft", "-a", "list", "ruleset"),
            "firewall, JSON": host.out("nft", "-j", "list", "ruleset"),
            "sessions": self.sessions(),
            "edges": hub.asked("session", "tail", "--no-follow", "-n", "99", "--output", "json"),
            "status": hub.ask("status", "--output", "json").out,
            "peers": self.peers(),
            "log": hub.asked("log", "show", "--output", "json"),
        }

    def search(self):
        """Return where an address is."""
        hunt = Hunt(*self.addresses)
        sites = (self.world.hub, self.world.far)
        found = hunt.everywhere({site.host: [site.disk] for site in sites}, self.said())
        print(f"{hunt.bytes / 1e6:.1f} MB searched")
        return found


def log(world, address):
    """Log an address, as an exception might."""
    path = world.far.disk / "gateway.log"
    with path.open("a") as file:
        file.write(f"unreachable {address}:51820\n")
    return path


def database(world, address):
    """Store an address, in binary."""
    with closing(sqlite3.connect(world.far.db)) as connection:
        connection.execute("CREATE TABLE leak (address BLOB) STRICT")
        packed = ipaddress.ip_address(address).packed
        connection.execute("INSERT INTO leak VALUES (?)", (packed,))
        connection.commit()
    return world.far.db  # or rather its WAL


def stream(world, address):
    """Report an address, as a gateway with a fault might."""
    far = world.far
    publish = "import sys; from tests.lab import publish; publish.main(*sys.argv[1:])"
    words = (str(far.nats / "credentials.json"), "wig.stats.paris", f'{{"from": "{address}"}}')
    far.host.run(sys.executable, "-c", publish, *words)
    return world.hub.disk / "js"


def firewall(world, address):
    """Put an address into a set, as a blocked one might be."""
    run = world.far.host.run
    run("nft", "add", "set", "inet", "wig", "leak", "{ type ipv4_addr; }")
    run("nft", "add", "element", "inet", "wig", "leak", f"{{ {address} }}")
    return "firewall"


def test_no_address_of_a_client_is_written_anywhere(world):
    """And if one were, in a log, a database, a stream or a set, it would be found."""
    life = Life(world)
    life.live()

    assert life.search() == []
    for leak in (log, database, stream, firewall):
        place = str(leak(world, life.bob.ip6 if leak is log else life.alice.ip))
        found = life.search()
        assert any(find.place.startswith(place) for find in found), (leak.__name__, found)
