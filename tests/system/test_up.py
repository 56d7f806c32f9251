"""`wig up` as its first user meets it: a VPN, and the same VPN after a restart."""

import json

import pytest

from tests.eventually import eventually_sync
from tests.lab.ping import PingStream
from tests.lab.web import PAGE, WebServer
from tests.lab.wg_quick import WgQuick
from tests.program import Up

GONE_S_MAX = 2.0


@pytest.fixture
def gateway(net):
    return net.host("gateway", "home", "world")


@pytest.fixture
def up(gateway, tmp_path):
    """A first start with what the documentation says, and nothing else."""
    with Up(tmp_path / "state", "--endpoint", gateway.ip, host=gateway) as running:
        yield running


def configuration(up):
    """Return what `wig peer config` prints for a new peer, and its public key."""
    made = up.wig("peer", "create", "wg0", "--name", "alice")
    assert made.code == 0, made.err
    public, private = made.err.split()[-1], made.out.split("PrivateKey = ")[1].split()[0]
    done = up.wig("peer", "config", public, "--private-key-file", "-", stdin=private)
    assert (done.code, done.out) == (0, made.out)
    return done.out, public


def test_a_client_reaches_the_internet_until_it_is_deleted(net, gateway, up):
    """The configuration as it is printed works for wg-quick, over IPv4 and IPv6."""
    client, text = net.host("client", "home"), configuration(up)
    with WebServer(net.host("server", "world")) as web, WgQuick(client, text[0]) as tunnel:
        for version, address in zip((4, 6), gateway.addresses["world"], strict=True):
            assert tunnel.fetch(web.urls[version]) == PAGE.decode()
            assert web.visitors() == [address]

        assert up.wig("peer", "delete", text[1]).code == 0

        eventually_sync(
            lambda: tunnel.fetch(web.urls[4], timeout_s=0.5) is None,
            "the tunnel to stop after the peer was deleted", GONE_S_MAX,
        )  # fmt: skip
        assert tunnel.fetch(web.urls[6], timeout_s=0.5) is None


def test_a_restart_is_the_same_vpn_and_loses_nothing(net, gateway, tmp_path):
    """Database, keys, ports and the tunnel of a connected client stay what they were."""
    words = ("--endpoint", gateway.ip)
    first = Up(tmp_path / "state", *words, host=gateway)
    text, _ = configuration(first)
    client = net.host("client", "home")
    with WgQuick(client, text):
        inside = first.ready["interfaces"][0]["addresses"][0].partition("/")[0]
        with PingStream(client, inside) as ping:
            ping.settle()
            assert first.stop() == 0
            with Up(tmp_path / "state", host=gateway) as second:
                again = second.wig("peer", "list", "--output", "json").document["peers"]
                ping.settle()
            lost = ping.stop()

    assert lost == []
    assert second.ready["interfaces"] == first.ready["interfaces"]
    assert second.ready["server"] == first.ready["server"]
    assert second.ready["endpoint"] == gateway.ip
    assert [peer["name"] for peer in again] == ["alice"]


def test_the_greeting_names_what_runs(up, gateway):
    """Server, nodes, interface and endpoint, and nothing is behind."""
    ready = up.ready

    assert ready["endpoint"] == gateway.ip
    assert [(node["name"], node["role"], node["lag_entries"]) for node in ready["nodes"]] == [
        ("primary", "primary", 0), ("local", "gateway", 0),
    ]  # fmt: skip
    (interface,) = ready["interfaces"]
    assert (interface["name"], interface["port"]) == ("wg0", 51820)
    assert interface["addresses"][0].startswith("10.")
    assert interface["addresses"][1].startswith("fd")


def test_nothing_that_is_there_already_is_taken(net, tmp_path):
    """An interface, a port and a network that others use are left alone."""
    gateway = net.host("gateway")
    gateway.run("wireguard-go", "wg0")
    gateway.run("wg", "set", "wg0", "listen-port", "51820")
    gateway.run("ip", "link", "set", "wg0", "up")
    gateway.run("ip", "addr", "add", "10.77.0.1/9", "dev", "world")

    with Up(tmp_path / "state", host=gateway) as running:
        (interface,) = running.ready["interfaces"]

    assert interface["name"] == "wg1"
    assert interface["port"] == 51821
    assert int(interface["addresses"][0].split(".")[1]) >= 128


def test_interfaces_stay_up_unless_told_otherwise(gateway, tmp_path):
    """Ctrl-C stops wig, not the VPN; --down-on-exit stops both."""
    links = lambda: {link["ifname"] for link in json.loads(gateway.out("ip", "-j", "link"))}  # noqa: E731
    with Up(tmp_path / "state", host=gateway):
        pass
    stayed = links()
    with Up(tmp_path / "state", "--down-on-exit", host=gateway):
        pass

    assert "wg0" in stayed
    assert "wg0" not in links()


def test_a_second_wig_up_says_who_is_first(up, gateway):
    """Two on one state directory would fight for everything."""
    done = up.wig("up")

    assert done.code == 1
    assert done.err.splitlines()[-2].startswith("wig: ")
    assert str(up.state_dir) in done.err or "process" in done.err


def test_who_begins_anew_says_that_the_old_vpns_may_go(gateway, tmp_path):
    """A new state directory is another database; --replace takes down what the old one made."""
    with Up(tmp_path / "old", "--interface", "old", host=gateway):
        pass
    with Up(tmp_path / "new", "--interface", "new", "--replace", host=gateway) as up:
        nodes = up.ready["nodes"]

    assert [node["lag_entries"] for node in nodes] == [0, 0]
    assert gateway.out("wg", "show", "interfaces").split() == ["new"]


def test_after_kill_9_the_next_start_is_the_same_vpn(gateway, tmp_path):
    """No clean-up is needed that only a clean stop does."""
    first = Up(tmp_path / "state", host=gateway)
    first.kill()

    with Up(tmp_path / "state", host=gateway) as second:
        assert second.ready["interfaces"] == first.ready["interfaces"]
        assert second.wig("status").code == 0
