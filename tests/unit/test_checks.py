"""The rules of single fields."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.builders import NOON
from wig import checks, errors


@pytest.mark.parametrize("text", ["wg0", "W", "a" * 15, "vpn-de_1"])
def test_a_good_interface_name_is_accepted(text):
    """Linux, file names and routing tools all take it."""
    assert checks.interface_name(text) == text


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        pytest.param("", "a letter followed by", id="empty"),
        pytest.param("my vpn", "a letter followed by", id="space"),
        pytest.param("a" * 16, "longer than 15 bytes", id="16-bytes"),
        pytest.param("ü" * 8, "longer than 15 bytes", id="16-bytes-of-unicode"),
        pytest.param("wg0.100", "a letter followed by", id="a dot"),
        pytest.param("..", "a letter followed by", id="dots"),
        pytest.param("a..b", "a letter followed by", id="inner-dots"),
        pytest.param("wgü", "a letter followed by", id="unicode"),
        pytest.param("wg\udc80", "a letter followed by", id="surrogate"),
        pytest.param("0wg", "a letter followed by", id="digit-first"),
        pytest.param("-wg", "a letter followed by", id="dash-first"),
        pytest.param("wg/0", "a letter followed by", id="slash"),
        pytest.param("wg0\n", "a letter followed by", id="line-break"),
        pytest.param("all", "something else to Linux", id="all"),
        pytest.param("default", "something else to Linux", id="default"),
        pytest.param("lo", "something else to Linux", id="lo"),
    ],
)
def test_a_bad_interface_name_is_refused(text, rule):
    """The error names field, value and rule."""
    with pytest.raises(errors.Invalid, match=rule) as caught:
        checks.interface_name(text)

    assert caught.value.field == "name"
    assert caught.value.message.startswith(f"name: {errors.quoted(text)} ")


@pytest.mark.parametrize("number", [1, 65535])
def test_a_port_is_accepted_up_to_its_limits(number):
    """Both ends count."""
    assert checks.port(number) == number


@pytest.mark.parametrize("number", [0, -1, 65536, 70000])
def test_a_port_outside_is_refused(number):
    """Port 0 would be any port."""
    with pytest.raises(errors.Invalid, match=f"port: '{number}' is not between 1 and 65535"):
        checks.port(number)


@pytest.mark.parametrize("number", [None, 1_000, 100_000_000_000])
def test_a_rate_is_accepted_up_to_its_limits(number):
    """In bit/s; none is no limit."""
    assert checks.rate_limit(number) == number


@pytest.mark.parametrize("number", [0, -1, 999, 100_000_000_001])
def test_a_rate_outside_is_refused(number):
    """The error says the unit."""
    with pytest.raises(errors.Invalid, match=f"'{number}' is not between .* in bit/s") as caught:
        checks.rate_limit(number)

    assert caught.value.field == "rate_limit"


@pytest.mark.parametrize(("number", "ipv6"), [(576, False), (1280, True), (65535, True)])
def test_an_mtu_is_accepted_up_to_its_limits(number, ipv6):
    """IPv6 needs more."""
    assert checks.mtu(number, ipv6=ipv6) == number


@pytest.mark.parametrize(
    ("number", "ipv6", "rule"),
    [
        pytest.param(10, False, "between 576 and 65535, the limits without IPv6", id="10"),
        pytest.param(1279, True, "between 1280 and 65535, the limits with IPv6", id="ipv6"),
        pytest.param(65536, False, "between 576", id="big"),
    ],
)
def test_an_mtu_outside_is_refused(number, ipv6, rule):
    """Linux would drop the address family instead."""
    with pytest.raises(errors.Invalid, match=f"mtu: '{number}' is not {rule}"):
        checks.mtu(number, ipv6=ipv6)


@pytest.mark.parametrize(
    "text",
    ["", "laptop of Ada", "x" * 100, "Łódź", "山田", "\u06a9\u200c\u0627", "👩\u200d💻"],
)
def test_a_name_is_what_people_write(text):
    """Any script, including the joiners that some need."""
    assert checks.name(text) == text


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        pytest.param("x" * 101, "longer than 100 characters", id="long"),
        pytest.param("a\nb", "control character U\\+000A", id="line-break"),
        pytest.param("a\x1b[31m", "control character U\\+001B", id="escape"),
        pytest.param("a\0", "control character U\\+0000", id="nul"),
        pytest.param("ü\x85", "control character U\\+0085", id="next-line"),
        pytest.param("a\u202eb", "control character U\\+202E", id="bidi"),
        pytest.param("a\u2028b", "control character U\\+2028", id="line-separator"),
        pytest.param("a\udc80", "control character U\\+DC80", id="surrogate"),
    ],
)
def test_a_name_has_no_control_characters(text, rule):
    """It is shown on terminals, and it is one line of a configuration file."""
    with pytest.raises(errors.Invalid, match=rule) as caught:
        checks.name(text)

    assert caught.value.field == "name"


def test_a_description_is_longer_than_a_name():
    """1000 characters, and no more."""
    assert checks.description("x" * 1000)
    with pytest.raises(errors.Invalid, match="longer than 1000 characters") as caught:
        checks.description("x" * 1001)
    assert caught.value.field == "description"


def test_resolvers_are_canonical_addresses():
    """One text for one resolver."""
    assert checks.dns(("1.1.1.1", "2606:4700::1111:0:0")) == ("1.1.1.1", "2606:4700::1111:0:0")
    assert checks.dns(("2001:DB8:0::53",)) == ("2001:db8::53",)


@pytest.mark.parametrize(
    ("servers", "rule"),
    [
        pytest.param(("example.org",), "'example.org' is not an IP address", id="domain"),
        pytest.param(("10.0.0.0/24",), "'10.0.0.0/24' is a range", id="range"),
        pytest.param(("1.1.1.1", "1.1.1.1"), "names a resolver twice", id="twice"),
        pytest.param(tuple(f"10.0.0.{n}" for n in range(9)), "more than 8", id="many"),
    ],
)
def test_what_is_no_resolver_is_refused(servers, rule):
    """Search domains are not addresses."""
    with pytest.raises(errors.Invalid, match=rule) as caught:
        checks.dns(servers)

    assert caught.value.field == "dns"


def test_an_expiry_is_stored_in_utc():
    """The bytes of an op do not depend on the client's zone."""
    there = timezone(timedelta(hours=5))

    got = checks.expire(datetime(2027, 1, 1, tzinfo=there), NOON)

    assert got.tzinfo is UTC
    assert got.isoformat() == "2026-12-31T19:00:00+00:00"


@pytest.mark.parametrize(
    ("time", "rule"),
    [
        pytest.param(NOON, "is not in the future", id="now"),
        pytest.param(NOON - timedelta(days=1), "is not in the future", id="yesterday"),
        pytest.param(datetime(1, 1, 1, tzinfo=UTC), "is not in the future", id="year-1"),
        pytest.param(
            datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=5))),
            "after the year 9999",
            id="year-10000",
        ),
    ],
)
def test_an_expiry_that_cannot_be_is_refused(time, rule):
    """A peer that is expired when it is created is a mistake."""
    with pytest.raises(errors.Invalid, match=rule) as caught:
        checks.expire(time, NOON)

    assert caught.value.field == "expire"


@pytest.mark.parametrize("text", ["", "A" * 64, "0" * 63, "0" * 65, "g" * 64, "0" * 64 + "\n"])
def test_a_secret_digest_is_64_hexadecimal_digits(text):
    """What is none could be the secret itself, so it is not repeated."""
    assert checks.secret_digest("0f" * 32) == "0f" * 32
    with pytest.raises(errors.Invalid, match="64 lower-case hexadecimal digits") as caught:
        checks.secret_digest(text)
    assert not text or text not in caught.value.message


@pytest.mark.parametrize("text", ["", "x" * 64, "018f-abc", "a b!"])
def test_a_request_id_is_what_clients_make(text):
    """Up to 64 printable characters."""
    checks.request(text)


@pytest.mark.parametrize("text", ["x" * 65, "a\n", "ü", "\0"])
def test_other_request_ids_are_refused(text):
    """They are stored and shown."""
    with pytest.raises(errors.Invalid, match="64 printable ASCII") as caught:
        checks.request(text)

    assert caught.value.field == "request"


def test_interface_addresses_are_sorted_by_family():
    """IPv4 first, canonical, whatever the order and the spelling."""
    got = checks.interface_addresses(("FD00:0::1/64", "10.0.0.1/8"))

    assert [cidr.text for cidr in got] == ["10.0.0.1/8", "fd00::1/64"]
    assert checks.interface_addresses(()) == ()


@pytest.mark.parametrize(
    ("texts", "rule"),
    [
        pytest.param(("10.0.0.1/24", "10.1.0.1/24"), "a second IPv4 address", id="two-ipv4"),
        pytest.param(("fd00::1/64", "fd01::1/64"), "a second IPv6 address", id="two-ipv6"),
        pytest.param(("10.0.0.0/24",), "is the network address of its own", id="network"),
        pytest.param(("10.0.0.255/24",), "is the broadcast address of its own", id="broadcast"),
        pytest.param(("fd00::/64",), "subnet-router anycast address of its own", id="anycast"),
        pytest.param(("10.0.0.1",), "no prefix length", id="no-prefix"),
        pytest.param(("10.0.0.1/0",), "has addresses of 0.0.0.0/8", id="everything"),
        pytest.param(("127.0.0.1/24",), "has addresses of 127.0.0.0/8", id="loopback"),
        pytest.param(("239.0.0.1/24",), "has addresses of 224.0.0.0/4", id="multicast"),
        pytest.param(("::1/128",), "has addresses of ::1", id="loopback6"),
        pytest.param(("ff02::5/64",), "has addresses of ff00::/8", id="multicast6"),
        pytest.param(("::ffff:10.0.0.1/112",), "IPv4-mapped", id="mapped"),
        pytest.param(("vpn",), "not an IP address", id="name"),
    ],
)
def test_a_bad_interface_address_is_refused(texts, rule):
    """One clear error for the field."""
    with pytest.raises(errors.Invalid, match=rule) as caught:
        checks.interface_addresses(texts)

    assert caught.value.field == "addresses"


@pytest.mark.parametrize("text", ["10.0.0.0/31", "10.0.0.7/32", "fd00::/127", "fd00::7/128"])
def test_tiny_networks_have_no_special_addresses(text):
    """RFC 3021 and RFC 6164."""
    assert checks.interface_addresses((text,))[0].text == text


def test_a_revision_is_compared():
    """An expected revision must be the current one; None is any."""
    checks.revision(None, "e1:7")
    checks.revision("e1:7", "e1:7")
    with pytest.raises(errors.Conflict, match="'e1:6' is expected, and the object's is 'e1:7'"):
        checks.revision("e1:6", "e1:7")
