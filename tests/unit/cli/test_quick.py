"""Configuration files for wg-quick(8), whose format is described in its manual."""

import pytest

from tests.builders import key, private_key
from wig_cli import objects, quick
from wig_cli.quick import Connection

INTERFACE = objects.complete("interface", {"name": "wg0", "port": 51820, "public_key": key("wg0")})
PEER = objects.complete("peer", {"public_key": key(1), "ip": "10.0.0.2", "ip6": "fd00::2"})
HERE = Connection("vpn.example.org")


def test_configuration_of_a_peer():
    """The whole file, as a client gets it."""
    text = quick.configuration(
        PEER | {"name": "alice"}, INTERFACE | {"dns": ["10.0.0.1"]}, HERE,
        private_key=private_key(1).reveal(),
    )  # fmt: skip

    assert text == (
        f"# alice ({key(1)}), interface wg0\n"
        "[Interface]\n"
        f"PrivateKey = {private_key(1).reveal()}\n"
        "Address = 10.0.0.2/32, fd00::2/128\n"
        "DNS = 10.0.0.1\n"
        "\n"
        "[Peer]\n"
        f"PublicKey = {key('wg0')}\n"
        "AllowedIPs = 0.0.0.0/0, ::/0\n"
        "Endpoint = vpn.example.org:51820\n"
        "PersistentKeepalive = 25\n"
    )


def test_unknown_private_key_is_a_comment():
    """It was never on the server, and says so where it belongs."""
    text = quick.configuration(PEER, INTERFACE, HERE)

    assert "\n# PrivateKey = " in text
    assert "\nPrivateKey" not in text


def test_a_range_gives_the_client_its_first_address():
    """The prefix of a routed range is not the client's own network."""
    text = quick.configuration(PEER | {"ip": "10.0.0.8/29", "ip6": None}, INTERFACE, HERE)

    assert "Address = 10.0.0.8/32\n" in text


def test_a_peer_without_addresses_has_no_empty_list():
    """wg-quick refuses `Address =`."""
    assert "Address" not in quick.configuration(PEER | {"ip": None, "ip6": None}, INTERFACE, HERE)


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ("vpn.example.org", "vpn.example.org:51820"),
        ("192.0.2.1", "192.0.2.1:51820"),
        ("2001:db8::1", "[2001:db8::1]:51820"),
        ("[2001:db8::1]", "[2001:db8::1]:51820"),
        ("vpn.example.org:443", "vpn.example.org:443"),
        ("[2001:db8::1]:443", "[2001:db8::1]:443"),
    ],
)
def test_endpoints(given, endpoint):
    """The port is the interface's unless one is given; IPv6 addresses are in brackets."""
    text = quick.configuration(PEER, INTERFACE, Connection(given))

    assert f"\nEndpoint = {endpoint}\n" in text


def test_unusual_mtu_is_given():
    """The usual one is left to wg-quick, which knows the path."""
    assert "MTU = 1380\n" in quick.configuration(PEER, INTERFACE | {"mtu": 1380}, HERE)
    assert "MTU" not in quick.configuration(PEER, INTERFACE, HERE)


def test_a_name_cannot_add_lines():
    """A peer's name is a comment, whatever is in it."""
    text = quick.configuration(PEER | {"name": "x\nPostUp = true"}, INTERFACE, HERE)

    assert "\nPostUp" not in text
