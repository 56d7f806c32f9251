"""IPv4 and IPv6 addresses as text and as integers.

Called by `decide`, the states and the gateway. The standard library's `ipaddress` costs 5 µs an
address; `inet_pton` does the same strict parsing in a tenth of that, and a range of addresses is
just two integers. **Invariant:** nothing here touches a network; `socket` lends its parser only.
"""

from collections.abc import Sequence
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import NamedTuple

from wig import errors
from wig.ports import Bounds

BITS = {4: 32, 6: 128}
_BYTES = {4: 4, 6: 16}
_FAMILY = {4: AF_INET, 6: AF_INET6}


class Range(NamedTuple):
    """The addresses of a network prefix; a single one is a range too."""

    version: int
    """4 or 6."""
    first: int
    last: int

    @property
    def bounds(self) -> Bounds:
        """First and last address."""
        return self.first, self.last

    @property
    def text(self) -> str:
        """Canonical text: `10.0.0.2` for one address, `10.0.0.8/29` for more."""
        host = host_text(self.version, self.first)
        if self.first == self.last:
            return host
        return f"{host}/{BITS[self.version] - (self.last - self.first).bit_length()}"


class Cidr(NamedTuple):
    """An interface's address and, with its prefix, the network around it."""

    version: int
    """4 or 6."""
    address: int
    prefix_length: int

    @property
    def text(self) -> str:
        """Canonical text, as `10.0.0.1/24`."""
        return f"{host_text(self.version, self.address)}/{self.prefix_length}"

    @property
    def pool(self) -> Bounds:
        """First and last address of the network."""
        hosts = (1 << BITS[self.version] - self.prefix_length) - 1
        return self.address & ~hosts, self.address | hosts

    @property
    def network(self) -> str:
        """Canonical text of the network, as `10.0.0.0/24`."""
        return f"{host_text(self.version, self.pool[0])}/{self.prefix_length}"


def host_text(version: int, address: int) -> str:
    """Return the canonical text of one address (RFC 5952 for IPv6)."""
    return inet_ntop(_FAMILY[version], address.to_bytes(_BYTES[version], "big"))


def parse_range(text: str, field: str) -> Range:
    """Return the range of `10.0.0.2`, `10.0.0.2/32` or `10.0.0.8/29`; raise `Invalid`."""
    host, slash, prefix = text.partition("/")
    version, address = _parse_host(host, text, field)
    bits = BITS[version]
    length = _parse_prefix(prefix, bits, text, field) if slash else bits
    hosts = (1 << bits - length) - 1
    if address & hosts:
        network = Range(version, address & ~hosts, address | hosts).text
        raise errors.Invalid(
            f"{field}: {errors.quoted(text)} has bits set after its prefix of {length}",
            field=field,
            hint=f"the range is {network}, the single address {host_text(version, address)}",
        )
    return Range(version, address, address | hosts)


def parse_cidr(text: str, field: str) -> Cidr:
    """Return the address and prefix of `10.0.0.1/24`; raise `Invalid`."""
    host, slash, prefix = text.partition("/")
    version, address = _parse_host(host, text, field)
    if not slash:
        raise errors.Invalid(
            f"{field}: {errors.quoted(text)} has no prefix length, which is the size of the pool",
            field=field,
            hint=f"write {host_text(version, address)}/{24 if version == 4 else 64}, for example",
        )
    return Cidr(version, address, _parse_prefix(prefix, BITS[version], text, field))


@lru_cache(maxsize=1024)
def cidr_of(addresses: tuple[str, ...], version: int) -> Cidr | None:
    """Return the one among an interface's addresses that is of an IP version, or None."""
    for text in addresses:
        cidr = parse_cidr(text, "addresses")
        if cidr.version == version:
            return cidr
    return None


def in_pool(addresses: tuple[str, ...], text: str) -> bool:
    """Say whether a range is inside an interface's own network of its version.

    A gateway asks this of each peer when it starts, so a single address, which most peers have, is
    compared as the bytes that it is: a quarter of what `parse_range` costs.
    """
    if "/" not in text:
        version = 6 if ":" in text else 4
        first, last = _pool_bytes(addresses, version)
        return first <= inet_pton(_FAMILY[version], text) <= last
    found = parse_range(text, "ip")
    cidr = cidr_of(addresses, found.version)
    return cidr is not None and cidr.pool[0] <= found.first and found.last <= cidr.pool[1]


@lru_cache(maxsize=1024)
def _pool_bytes(addresses: tuple[str, ...], version: int) -> Sequence[bytes]:
    """Return the first and last address of the pool; if there is none, no address is between."""
    cidr = cidr_of(addresses, version)
    pool = () if cidr is None else cidr.pool
    return [each.to_bytes(_BYTES[version], "big") for each in pool] or [b"", b""]


def _parse_host(host: str, text: str, field: str) -> tuple[int, int]:
    """Return IP version and address; `text` is what a message shows."""
    version = 6 if ":" in host else 4
    try:
        return version, int.from_bytes(inet_pton(_FAMILY[version], host), "big")
    except (OSError, ValueError):
        raise errors.Invalid(
            f"{field}: {errors.quoted(text)} is not an IP address", field=field
        ) from None


def _parse_prefix(prefix: str, bits: int, text: str, field: str) -> int:
    if prefix.isascii() and prefix.isdigit() and len(prefix) <= 3:
        length = int(prefix)
        if length <= bits and str(length) == prefix:
            return length
    raise errors.Invalid(
        f"{field}: {errors.quoted(text)} has a prefix length that is not between 0 and {bits}",
        field=field,
    )
