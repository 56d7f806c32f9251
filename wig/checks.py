"""The rules of single fields, each one sentence.

Called by `decide`. A check returns the canonical value, or raises `Invalid` with the field, the
value and the rule. What depends on other objects is not here.
"""

import re
import unicodedata
from datetime import UTC, datetime

from wig import addresses, allocation, errors
from wig.addresses import Cidr
from wig.errors import Invalid, quoted
from wig.model import NAME_BYTES_MAX

REQUEST_CHARACTERS_MAX = 64
NAME_CHARACTERS_MAX = 100
DESCRIPTION_CHARACTERS_MAX = 1000
DNS_MAX = 8  # resolv.conf(5) uses three; more only makes configuration files longer

MTU_MIN_IPV4 = 576  # RFC 791: every host accepts this much
MTU_MIN_IPV6 = 1280  # RFC 8200, section 5; Linux removes IPv6 from a link below
MTU_MAX = 65535

RATE_LIMIT_MIN = 1_000  # bit/s: 125 bytes, one small packet a second
RATE_LIMIT_MAX = 100_000_000_000  # nftables counts time: 64 bits of ns times bytes must hold it

_INTERFACE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_TAKEN_NAMES = frozenset({"lo", "all", "default"})  # /proc/sys/net/ipv4/conf has the last two
_SECRET_DIGEST = re.compile(r"[0-9a-f]{64}")
_JOINERS = "\u200c\u200d"  # invisible, but spelling in Persian and in many emoji
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # controls, surrogates, line separators

_UNUSABLE = {
    4: {
        "0.0.0.0/8": "this host on this network",
        "127.0.0.0/8": "loopback",
        "224.0.0.0/4": "multicast",
        "255.255.255.255": "broadcast",
    },
    6: {
        "::": "unspecified",
        "::1": "loopback",
        "::ffff:0:0/96": "IPv4-mapped",
        "ff00::/8": "multicast",
    },
}
_UNUSABLE_RANGES = tuple(
    (addresses.parse_range(text, "unusable"), what)
    for table in _UNUSABLE.values()
    for text, what in table.items()
)
"""What can be no address of a tunnel (RFC 6890), whatever the pool is."""


def request(text: str) -> None:
    """Check a request id; empty means none."""
    if text and not (text.isascii() and text.isprintable() and len(text) <= REQUEST_CHARACTERS_MAX):
        raise Invalid(
            f"request: {quoted(text)} is not at most {REQUEST_CHARACTERS_MAX} printable ASCII "
            "characters",
            field="request",
        )


def interface_name(text: str) -> str:
    """Return a name that Linux, file names, routing tools and subjects all accept.

    Linux would take a `.`, but it would part the tokens of a NATS subject.
    """
    if len(text.encode(errors="replace")) > NAME_BYTES_MAX:
        raise Invalid(
            f"name: {quoted(text)} is longer than {NAME_BYTES_MAX} bytes, the most that Linux "
            "takes as the name of an interface",
            field="name",
        )
    if not _INTERFACE_NAME.fullmatch(text):
        raise Invalid(
            f"name: {quoted(text)} is not a letter followed by letters, digits, '_' and '-'",
            field="name",
        )
    if text in _TAKEN_NAMES:
        raise Invalid(f"name: {quoted(text)} means something else to Linux", field="name")
    return text


def port(number: int) -> int:
    """Return a UDP port."""
    if not 1 <= number <= 65535:
        raise Invalid(f"port: {quoted(number)} is not between 1 and 65535", field="port")
    return number


def mtu(number: int, *, ipv6: bool) -> int:
    """Return an MTU in bytes that the families of the interface allow."""
    least = MTU_MIN_IPV6 if ipv6 else MTU_MIN_IPV4
    if not least <= number <= MTU_MAX:
        family = "with" if ipv6 else "without"
        raise Invalid(
            f"mtu: {quoted(number)} is not between {least} and {MTU_MAX}, the limits {family} IPv6",
            field="mtu",
        )
    return number


def rate_limit(number: int | None) -> int | None:
    """Return a rate in bit/s, or None for no limit."""
    if number is not None and not RATE_LIMIT_MIN <= number <= RATE_LIMIT_MAX:
        raise Invalid(
            f"rate_limit: {quoted(number)} is not between {RATE_LIMIT_MIN} and {RATE_LIMIT_MAX}, "
            "in bit/s",
            field="rate_limit",
            hint="none (JSON: null) removes the limit",
        )
    return number


def name(text: str) -> str:
    """Return the name of a peer, which is for people only."""
    return _line(text, "name", NAME_CHARACTERS_MAX)


def description(text: str) -> str:
    """Return a description."""
    return _line(text, "description", DESCRIPTION_CHARACTERS_MAX)


def _line(text: str, field: str, characters_max: int) -> str:
    if len(text) > characters_max:
        raise Invalid(
            f"{field}: {quoted(text)} is longer than {characters_max} characters", field=field
        )
    if text.isascii() and text.isprintable():
        return text
    for character in text:
        if unicodedata.category(character) in _INVISIBLE and character not in _JOINERS:
            raise Invalid(
                f"{field}: {quoted(text)} has the control character U+{ord(character):04X}",
                field=field,
            )
    return text


def dns(servers: tuple[str, ...]) -> tuple[str, ...]:
    """Return resolvers' addresses."""
    if len(servers) > DNS_MAX:
        raise Invalid(f"dns: '{len(servers)}' resolvers are more than {DNS_MAX}", field="dns")
    found = tuple(_host(text, "dns") for text in servers)
    if len(set(found)) < len(found):
        raise Invalid(f"dns: {quoted(', '.join(found))} names a resolver twice", field="dns")
    return found


def _host(text: str, field: str) -> str:
    if "/" in text:
        raise Invalid(f"{field}: {quoted(text)} is a range, not the address of a host", field=field)
    return addresses.parse_range(text, field).text


def expire(time: datetime, now: datetime) -> datetime:
    """Return a time in the future, in UTC."""
    if time <= now:
        raise Invalid(
            f"expire: '{time.isoformat()}' is not in the future; it is {now.isoformat()}",
            field="expire",
        )
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise Invalid(
            f"expire: '{time.isoformat()}' is after the year 9999",
            field="expire",
            hint="leave it out for a peer that never expires",
        ) from None


def secret_digest(text: str) -> str:
    """Return the SHA-256 of a token's secret. The value is not repeated: it could be a secret."""
    if not _SECRET_DIGEST.fullmatch(text):
        raise Invalid(
            "secret_digest: it is not 64 lower-case hexadecimal digits, the SHA-256 of the secret",
            field="secret_digest",
        )
    return text


def interface_addresses(texts: tuple[str, ...]) -> tuple[Cidr, ...]:
    """Return an interface's addresses, IPv4 first, at most one of each family."""
    found: dict[int, Cidr] = {}
    for text in texts:
        cidr = addresses.parse_cidr(text, "addresses")
        if cidr.version in found:
            raise Invalid(
                f"addresses: {quoted(text)} is a second IPv{cidr.version} address, and an "
                "interface has at most one of each family",
                field="addresses",
            )
        _check_own_address(cidr)
        found[cidr.version] = cidr
    return tuple(found[version] for version in sorted(found))


def _check_own_address(cidr: Cidr) -> None:
    first, last = cidr.pool
    usable(addresses.Range(cidr.version, first, last), "addresses")
    if what := allocation.special(cidr).get(cidr.address):
        raise Invalid(
            f"addresses: '{cidr.text}' is the {what} of its own network",
            field="addresses",
            hint=f"the first usable one is {addresses.host_text(cidr.version, first + 1)}"
            f"/{cidr.prefix_length}",
        )


def usable(wanted: addresses.Range, field: str) -> None:
    """Refuse ranges with addresses that mean something else everywhere."""
    for unusable, what in _UNUSABLE_RANGES:
        if unusable.version == wanted.version and (
            wanted.first <= unusable.last and unusable.first <= wanted.last
        ):
            raise Invalid(
                f"{field}: '{wanted.text}' has addresses of {unusable.text} ({what})", field=field
            )


def revision(expected: str | None, actual: str) -> None:
    """Compare and set: refuse when the object has changed since the client read it."""
    if expected is not None and expected != actual:
        raise errors.Conflict(
            f"revision: {quoted(expected)} is expected, and the object's is {quoted(actual)}",
            field="revision",
            hint="read the object again, and repeat with its revision",
        )
