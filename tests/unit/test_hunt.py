"""The search for addresses finds them however they are written; it is the judge of other tests."""

import ipaddress

import pytest

from tests.lab.hunt import Hunt

V4, V6 = "198.18.1.2", "2001:db8:1::2"


def packed(address):
    return ipaddress.ip_address(address).packed


@pytest.mark.parametrize(
    ("address", "content"),
    [
        pytest.param(V4, b"endpoint=198.18.1.2:51820", id="endpoint"),
        pytest.param(V4, b'{"client":"198.18.1.2"}', id="JSON"),
        pytest.param(V4, b"x\0" + packed(V4) + b"\0", id="binary"),
        pytest.param(V4, packed(V4)[::-1], id="little endian"),
        pytest.param(V4, b"C6120102", id="hexadecimal"),
        pytest.param(V4, b" 3323068674,", id="number"),
        pytest.param(V4, b"[::FFFF:c612:102]:1", id="mapped"),
        pytest.param(V4, b"[::ffff:198.18.1.2]:1", id="mapped, with dots"),
        pytest.param(V6, b"[2001:DB8:1::2]:51820", id="endpoint of IPv6"),
        pytest.param(V6, b"2001:0db8:0001:0000:0000:0000:0000:0002", id="long"),
        pytest.param(V6, packed(V6), id="binary of IPv6"),
        pytest.param(V6, b"20010db8000100000000000000000002", id="hexadecimal of IPv6"),
    ],
)
def test_every_form_is_found(address, content):
    """And it is said where, and of which address."""
    (find, *_) = Hunt(V4, V6).search("file", content)

    assert (find.place, find.address) == ("file", address)


@pytest.mark.parametrize(
    "content",
    [
        b"198.18.1.20",
        b"1198.18.1.2",
        b"10.198.18.1.2",
        b"2001:db8:1::20",
        b"12001:db8:1::2",
        b"33230686741",
    ],
)
def test_other_addresses_are_not_taken_for_them(content):
    """One that begins or ends the same way is somebody else's."""
    assert list(Hunt(V4, V6).search("file", content)) == []
