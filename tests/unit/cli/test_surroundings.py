"""Choices that get in nobody's way on this host."""

import ipaddress
import socket

from tests.builders import entropy
from wig_cli import surroundings


def test_a_port_in_use_is_passed_over():
    """The next free one is taken."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", 0))
        port = taken.getsockname()[1]

        assert surroundings.free_port(port) > port


def test_the_last_port_is_the_end():
    """When everything is taken the wish is returned, and the primary or the gateway says no."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", 65535))

        assert surroundings.free_port(65535) == 65535


def test_a_name_that_no_device_has():
    """The loopback is always there, so its name is not free."""
    assert surroundings.free_interface_name("lo") == "lo0"
    assert surroundings.free_interface_name("wg").startswith("wg")


def test_addresses_are_private_and_differ_by_entropy():
    """RFC 1918 and RFC 4193, chosen by randomness."""
    first, second = (surroundings.free_addresses(entropy(n, 64)) for n in (1, 2))

    for ip, ip6 in (first, second):
        assert ipaddress.ip_interface(ip).network.subnet_of(ipaddress.ip_network("10.0.0.0/8"))
        assert ipaddress.ip_interface(ip).network.prefixlen == 16
        assert ipaddress.ip_interface(ip6).network.subnet_of(ipaddress.ip_network("fd00::/8"))
        assert ipaddress.ip_interface(ip6).network.prefixlen == 64
    assert first != second
