"""Addresses of idle clients are forgotten, by the device and by wig."""

import pytest

from tests import builders
from tests.eventually import eventually_sync
from tests.lab import clients
from tests.lab.gateway import DrivenGateway
from wig import errors
from wig.idle import SESSION_S_MAX
from wig.linux.gateway import ENDPOINT_AGE_S_MAX

LATER_S = 2 * ENDPOINT_AGE_S_MAX
KEY = clients.peer(2).public_key


def endpoints(host):
    """Return where the device says that its peers are."""
    said = host.run("wg", "show", "wg0", "endpoints", check=False).stdout
    return dict(line.split("\t") for line in said.splitlines())


def test_an_idle_client_is_forgotten_and_can_come_back(gateway, tunnel, server):
    """Its address is gone from the device, also if that dies; its next packets are answered."""
    assert tunnel.fetch(server.urls[4])
    gateway.audit()
    assert endpoints(gateway.host)[KEY].startswith(tunnel.host.ip)

    assert gateway.wipe(0.0) == 0
    assert gateway.wipe(LATER_S) == 1

    assert endpoints(gateway.host) == {KEY: "(none)"}
    assert gateway.audit() == 0
    assert gateway.ask("wipe", later_s=0.0) == {"wiped": 0, "age_s": 0.0}
    before = gateway.wireguard_pid()
    gateway.host.run("kill", "-9", str(before))
    eventually_sync(lambda: KEY in endpoints(gateway.host), "the peer to be back")
    assert endpoints(gateway.host) == {KEY: "(none)"}

    tunnel.down()
    tunnel.up()
    assert tunnel.fetch(server.urls[4], timeout_s=1)


def test_a_connected_client_is_not_forgotten(gateway, tunnel, server):
    """Its handshake has not stayed the same for longer than a session lives."""
    assert tunnel.fetch(server.urls[4])
    before = endpoints(gateway.host)

    for later_s in (0.0, SESSION_S_MAX - 10):
        assert gateway.wipe(later_s) == 0

    assert endpoints(gateway.host) == before
    assert tunnel.fetch(server.urls[4], timeout_s=1)


def test_a_thousand_idle_clients_are_forgotten_in_a_moment(gateway):
    """More than fit into one go."""
    others = clients.strangers(1500)
    gateway.load([builders.interface(addresses=("10.0.0.1/16", "fd00::1/64")), *others])
    words = [f"peer {each.public_key} endpoint 192.0.2.1:9".split() for each in others]
    gateway.host.run("wg", "set", "wg0", *[word for each in words for word in each])
    gateway.wipe(0.0)

    assert gateway.wipe(LATER_S) == len(others)

    assert set(endpoints(gateway.host).values()) == {"(none)"}
    assert gateway.audit() == 0


def test_an_age_at_which_clients_are_connected_is_refused(net):
    """Before anything is changed."""
    with pytest.raises(errors.Invalid, match="endpoint_max_age: 60 s is less than 240 s"):
        DrivenGateway(net.host("gateway"), endpoint_age_s_max=60)
