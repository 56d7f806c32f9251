"""What is there on this host already, so that a first `wig up` gets in nobody's way.

Called by `up`. Looks, and changes nothing. Only the choice of defaults depends on
it: whoever names addresses, port or interface gets what they named.
"""

import ipaddress
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

POOL_LENGTH = 16  # 65,533 peers, which is what one wireguard-go takes
ELSEWHERE = ("192.0.2.1", "2001:db8::1")  # RFC 5737 and 3849: routed by default, never reached
DISCARD_PORT = 9

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def free_interface_name(prefix: str = "wg") -> str:
    """Return the first of wg0, wg1, … that no device has."""
    present = {name for _, name in socket.if_nameindex()}
    return next(name for n in count() if (name := f"{prefix}{n}") not in present)


def free_port(first: int) -> int:
    """Return the first UDP port from `first` on that nobody uses."""
    for port in range(first, 65536):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
            probe.bind(("", port))
            return port
    return first


def free_addresses(entropy: bytes) -> tuple[str, str]:
    """Return an interface's addresses: 10.x.0.1/16 away from all routes, and a ULA of our own.

    `entropy` has 64 random bytes: two hosts that choose for themselves should not choose alike.
    """
    taken = [route for route in _routes_ipv4() if route.prefixlen >= 8]
    pools = [ipaddress.ip_network(f"10.{octet}.0.0/{POOL_LENGTH}") for octet in entropy[5:]]
    pool = next((one for one in pools if not _meets(one, taken)), pools[0])
    ula = ipaddress.IPv6Address(bytes([0xFD]) + entropy[:5] + bytes(10))  # RFC 4193, 3.2.1
    return f"{pool.network_address + 1}/{POOL_LENGTH}", f"{ula + 1}/64"


def _meets(pool: Network, taken: Iterable[Network]) -> bool:
    return any(pool.overlaps(other) for other in taken if other.version == pool.version)


def _routes_ipv4() -> Iterator[ipaddress.IPv4Network]:
    """Yield the networks in the main table (proc(5): hexadecimal, in the order of memory)."""
    with suppress(OSError):
        for line in Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]:
            words = line.split()
            address, mask = (bytes.fromhex(words[i])[::-1] for i in (1, 7))
            length = int.from_bytes(mask, "big").bit_count()
            yield ipaddress.IPv4Network((address, length), strict=False)


def own_address() -> str | None:
    """Return the address that this host has towards the Internet; None without a route there.

    Behind NAT it is not what clients connect to: it is a guess, to be corrected by --endpoint.
    """
    for family, there in zip((socket.AF_INET, socket.AF_INET6), ELSEWHERE, strict=True):
        with socket.socket(family, socket.SOCK_DGRAM) as probe, suppress(OSError):
            probe.connect((there, DISCARD_PORT))  # of UDP: chooses a route, sends nothing
            return str(probe.getsockname()[0])
    return None
