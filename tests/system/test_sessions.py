"""Sessions of a real client that comes, moves, stops, and comes back elsewhere."""

import ipaddress
import json

import pytest

from tests.eventually import eventually_sync
from tests.lab import places
from tests.lab.internet import Internet
from tests.lab.need import need
from tests.lab.sites import WIG, Far, Hub
from tests.lab.web import PAGE, WebServer
from tests.lab.wg_quick import WgQuick

RECONNECT_S_MAX = 20.0  # WireGuard's own: a client asks for new keys after 15 s of silence
INACTIVITY = "10s"
OVER_S_MAX = 40.0


class Lab:
    """A hub that is a gateway as well, a second gateway far away, and a client between them."""

    def __init__(self, net, directory):
        self.client = net.host("client", "home")
        self.web = net.host("web", "world")
        self.hub = Hub(net.host("hub", "wide", "home", "world"), directory / "hub")
        self.hub.asked("interface", "create", "wg0", "--address", "10.20.0.1/16", "--port", "51820")
        self.hub.start_sessions("--session-inactivity", INACTIVITY)
        self.far = Far(net.host("paris", "home", "wide", "world"), directory / "paris", self.hub)
        self.far.stop("gateway")
        self.far.start_gateway(*self.options(self.far))
        credentials = str(self.hub.nats / "credentials.json")
        self.hub.start(
            "gateway", *WIG, "gateway", "--name", "rome", "--identity", "rome", "--follow",
            "primary@hub", *self.hub._come, "--token-file", credentials, *self.options(self.hub),
        )  # fmt: skip

    def options(self, site):
        """Return what has a gateway report often, and know where the client's home is."""
        country = places.write_countries(site.disk / "country.mmdb", {"198.18.0.0/16": "SE"})
        networks = {"198.18.0.0/16": (64500, "Example AB")}
        asn = places.write_networks(site.disk / "asn.mmdb", networks)
        files = ("--geoip-country", str(country), "--geoip-asn", str(asn))
        return (*files, "--report-interval", "1s", "--metrics-addr", "none")

    def listed(self):
        """Return the sessions, the first one first."""
        done = self.hub.ask("session", "list", "--output", "json")
        return list(reversed(done.document["sessions"])) if done.code == 0 else []

    def open(self):
        return [one for one in self.listed() if one["end"] is None]

    def roam(self):
        """Move the client to another address."""
        moved = str(ipaddress.ip_address(self.client.ip) + 100)
        self.client.run("ip", "addr", "del", f"{self.client.ip}/24", "dev", "home")
        self.client.run("ip", "addr", "add", f"{moved}/24", "dev", "home")
        # wireguard-go sends from the old address until it has a new socket; the kernel does not.
        self.client.run("wg", "set", "vpn0", "listen-port", "40000")


@pytest.fixture
def lab(tmp_path):
    need()
    with Internet() as net:
        yield Lab(net, tmp_path)


def served(client, web):
    eventually_sync(
        lambda: client.fetch(web.urls[4], 1) == PAGE.decode(), "the client", RECONNECT_S_MAX
    )


def over(lab, count):
    """Wait until so many sessions are over, and none is open."""
    eventually_sync(
        lambda: len(lab.listed()) == count and not lab.open(), f"{count} sessions", OVER_S_MAX
    )


def test_sessions_are_what_a_person_would_write_down(lab):
    """One at paris, moving house; one that begins at rome and goes on at paris; each edge once."""
    at_paris = lab.hub.client("alice", lab.far.host)
    rome = lab.hub.host.addresses["home"][0]
    at_rome = at_paris.replace(f"{lab.far.host.ip}:", f"{rome}:")
    (alice,) = lab.hub.peers()
    lab.far.has({alice})
    with WebServer(lab.web) as web:
        with WgQuick(lab.client, at_paris) as client:
            served(client, web)
            eventually_sync(lambda: len(lab.open()) == 1, "the first session")
            lab.roam()
            served(client, web)
        over(lab, 1)
        with WgQuick(lab.client, at_rome) as client:
            served(client, web)
            eventually_sync(lambda: len(lab.open()) == 1, "the second session")
        with WgQuick(lab.client, at_paris) as client:
            served(client, web)
            eventually_sync(lambda: len(lab.open()[0]["gateways"]) == 2, "it to come to paris")
        over(lab, 2)
    first, second = lab.listed()

    for one in (first, second):
        assert (one["peer"], one["interface"], one["reason"]) == (alice, "wg0", "inactive")
        assert (one["country"], one["asn"], one["organisation"]) == ("SE", 64500, "Example AB")
        assert one["received_bytes"] > 500
        assert one["sent_bytes"] > len(PAGE)
        assert one["begin"] <= one["end"]
    assert (first["gateways"], second["gateways"]) == (["paris"], ["rome", "paris"])
    assert first["end"] < second["begin"]
    tail = lab.hub.asked("session", "tail", "--no-follow", "-n", "99", "--output", "json")
    events = [json.loads(line) for line in tail.splitlines()]
    assert [(one["number"], one["event"], one["id"]) for one in events] == [
        (1, "begin", first["id"]), (2, "end", first["id"]),
        (3, "begin", second["id"]), (4, "end", second["id"]),
    ]  # fmt: skip
