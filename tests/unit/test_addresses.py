"""Addresses as text and as integers."""

import ipaddress

import pytest

from wig import addresses, errors

RANGES = [
    pytest.param("10.0.0.2", "10.0.0.2", id="host"),
    pytest.param("10.0.0.2/32", "10.0.0.2", id="host-with-prefix"),
    pytest.param("10.0.0.8/29", "10.0.0.8/29", id="range"),
    pytest.param("0.0.0.0/0", "0.0.0.0/0", id="everything"),
    pytest.param("FD00:0::2", "fd00::2", id="host6"),
    pytest.param("fd00::2/128", "fd00::2", id="host6-with-prefix"),
    pytest.param("fd00:0:0:1::/64", "fd00:0:0:1::/64", id="range6"),
    pytest.param("::/0", "::/0", id="everything6"),
]


@pytest.mark.parametrize(("text", "canonical"), RANGES)
def test_a_range_has_one_canonical_text(text, canonical):
    """However it is written, the same range is stored as the same text."""
    found = addresses.parse_range(text, "ip")

    assert found.text == canonical
    assert addresses.parse_range(canonical, "ip") == found
    network = ipaddress.ip_network(text)
    assert found.version == network.version
    assert found.bounds == (int(network[0]), int(network[-1]))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        pytest.param("", "not an IP address", id="empty"),
        pytest.param("/24", "not an IP address", id="no-host"),
        pytest.param("10.0.0", "not an IP address", id="three-numbers"),
        pytest.param("10.0.0.256", "not an IP address", id="256"),
        pytest.param("010.0.0.1", "not an IP address", id="octal"),
        pytest.param(" 10.0.0.1", "not an IP address", id="space"),
        pytest.param("10.0.0.1\0", "not an IP address", id="nul"),
        pytest.param("fe80::1%eth0", "not an IP address", id="zone"),
        pytest.param("fd00::\udc80", "not an IP address", id="surrogate"),
        pytest.param("example.org", "not an IP address", id="name"),
        pytest.param("10.0.0.1/33", "between 0 and 32", id="prefix-33"),
        pytest.param("fd00::/129", "between 0 and 128", id="prefix-129"),
        pytest.param("10.0.0.0/", "between 0 and 32", id="no-prefix"),
        pytest.param("10.0.0.0/08", "between 0 and 32", id="prefix-08"),
        pytest.param("10.0.0.0/-1", "between 0 and 32", id="negative"),
        pytest.param("10.0.0.0/255.0.0.0", "between 0 and 32", id="netmask"),
        pytest.param("10.0.0.0/٣", "between 0 and 32", id="arabic-digit"),
        pytest.param("10.0.0.1/24", "bits set after its prefix of 24", id="host-bits"),
        pytest.param("fd00::1/64", "bits set after its prefix of 64", id="host-bits6"),
    ],
)
def test_what_is_no_range_is_refused(text, rule):
    """The error names field, value and rule."""
    with pytest.raises(errors.Invalid, match=rule) as caught:
        addresses.parse_range(text, "ip")

    assert caught.value.field == "ip"
    assert caught.value.message.startswith(f"ip: {errors.quoted(text)} ")


def test_host_bits_come_with_both_things_that_could_be_meant():
    """The hint shows the range and the address."""
    with pytest.raises(errors.Invalid) as caught:
        addresses.parse_range("10.0.0.9/29", "ip")

    assert caught.value.hint == "the range is 10.0.0.8/29, the single address 10.0.0.9"


@pytest.mark.parametrize(
    ("text", "canonical", "network"),
    [
        pytest.param("10.0.0.1/24", "10.0.0.1/24", "10.0.0.0/24", id="ipv4"),
        pytest.param("10.0.0.1/32", "10.0.0.1/32", "10.0.0.1/32", id="one"),
        pytest.param("FD00::0:1/48", "fd00::1/48", "fd00::/48", id="ipv6"),
    ],
)
def test_an_interface_address_knows_its_network(text, canonical, network):
    """Address, prefix and pool come from one text."""
    cidr = addresses.parse_cidr(text, "addresses")

    assert cidr.text == canonical
    assert cidr.network == network
    whole = ipaddress.ip_network(network)
    assert cidr.pool == (int(whole[0]), int(whole[-1]))


def test_an_interface_address_needs_its_prefix():
    """Without it, nobody knows how big the pool is; the hint shows how to write it."""
    with pytest.raises(errors.Invalid, match="no prefix length") as caught:
        addresses.parse_cidr("fd00::1", "addresses")

    assert caught.value.hint == "write fd00::1/64, for example"


def test_the_address_of_a_family_is_found():
    """An interface has at most one of each."""
    both = ("10.0.0.1/24", "fd00::1/64")

    assert [addresses.cidr_of(both, version).text for version in (4, 6)] == list(both)
    assert addresses.cidr_of(("fd00::1/64",), 4) is None


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("10.0.0.0", True),
        ("10.0.0.255", True),
        ("10.0.1.0", False),
        ("9.255.255.255", False),
        ("10.0.0.8/29", True),
        ("10.0.0.0/23", False),
        ("fd00::ffff", True),
        ("fd00:0:0:1::", False),
        ("fd00::/65", True),
        ("::/0", False),
    ],
)
def test_a_range_is_in_its_pool_or_not(text, inside):
    """Whole ranges only; without a network of its version nothing is."""
    both = ("10.0.0.1/24", "fd00::1/64")

    assert addresses.in_pool(both, text) is inside
    assert not addresses.in_pool((both["." in text],), text)
    assert not addresses.in_pool((), text)
