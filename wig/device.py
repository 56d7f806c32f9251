"""What a host has of WireGuard and around it, and what it should have: values only.

Observed (`Host`, `Observed`, `Link`, `Device`, `DevicePeer`) and wanted (`HostConfig`,
`InterfaceConfig`, `PeerConfig`) are different types: one is whatever is there, with handshakes and
strangers' settings, the other is what wig decided. `wanted` makes the second from the state,
`plan` compares the two, and yields `steps`.

**Invariant:** no key, preshared key or client address shows in a `repr`.
"""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import UnsetType

from wig import keys
from wig.codec import Value
from wig.egress import Egress


class Endpoint(keys.Secret):
    """Where a client was last heard: an address and port. Kept in memory only, never shown."""

    __slots__ = ()
    field = "endpoint"


# Observed.


class DevicePeer(NamedTuple):
    """A peer as the device has it."""

    preshared_key: keys.PresharedKey | None
    allowed_ips: tuple[str, ...]
    """Canonical text (`addresses.Range.text`), in no particular order."""
    keepalive_s: int
    """0: none."""
    endpoint: Endpoint | None
    """None: never heard of."""
    handshake_s: int
    """Unix time of the last handshake; 0: none yet."""
    received_bytes: int
    sent_bytes: int


class Device(NamedTuple):
    """A WireGuard device as it is."""

    private_key: keys.PrivateKey | None
    listen_port: int
    """0: bound to no port."""
    fwmark: int
    """0: none."""
    peers: Mapping[str, DevicePeer]
    """By public key, base64."""


class Link(NamedTuple):
    """A network interface as it is."""

    kind: str
    """Linux's name for its type (`tun`, `wireguard`, `veth` …); empty: it does not say."""
    mtu: int
    up: bool
    addresses: frozenset[str]
    """Address/prefix length, canonical; addresses of the link's own scope are left out."""
    routes: frozenset[str]
    """Destinations that wig itself routes here (`addresses.Range.text`)."""


class Observed(NamedTuple):
    """One interface as it is."""

    link: Link | None
    """None: no interface has this name."""
    device: Device | None
    """None: it is not a WireGuard device that the backend can reach."""


class PolicyRule(NamedTuple):
    """Packets with a mark are routed by a table of their own; wig's are recognisably wig's."""

    version: int
    """Of IP: 4 or 6."""
    mark: int
    table: int


class DefaultRoute(NamedTuple):
    """The default route of a table that is not the host's main one; wig's own."""

    version: int
    table: int
    device: str
    gateway: str


class Host(NamedTuple):
    """Everything on the host that wig may change."""

    interfaces: Mapping[str, Observed]
    """Those that are wanted, and those in `made`."""
    made: frozenset[str]
    """Names of the interfaces that wig put here, now or before a restart."""
    firewall: "FirewallConfig | None | UnsetType"
    """What wig's table was loaded from. None: there is no table of ours. UNSET: there is one, but
    an earlier wig loaded it, or somebody changed it."""
    sysctls: Mapping[str, str]
    """Current values of the kernel's parameters that matter."""
    rules: frozenset[PolicyRule] = frozenset()
    """Those of wig, now or before a restart."""
    routes: frozenset[DefaultRoute] = frozenset()
    """Those of wig, in tables other than the main one."""
    before: Mapping[str, str] = {}
    """What parameters that wig has changed were, now or before a restart."""


# Wanted.


class PeerConfig(NamedTuple):
    """A peer as it should be on the device."""

    preshared_key: keys.PresharedKey | None
    allowed_ips: tuple[str, ...]
    """Canonical text; the peer's IPv4 before its IPv6."""
    keepalive_s: int = 0
    """0: none. A gateway never keeps a client's NAT open: that is the client's business."""


class DeviceConfig(Value, frozen=True, kw_only=True):
    """A WireGuard device as it should be."""

    private_key: keys.PrivateKey
    """Clamped, as the device reports it (RFC 7748, section 5)."""
    listen_port: int
    fwmark: int = 0
    peers: Mapping[str, PeerConfig]


class LinkConfig(Value, frozen=True, kw_only=True):
    """A network interface as it should be; always up."""

    mtu: int
    addresses: tuple[str, ...]
    routes: frozenset[str] = frozenset()
    """Destinations outside the pools, which the kernel does not route here by itself."""


class InterfaceConfig(Value, frozen=True, kw_only=True):
    """One interface as it should be."""

    link: LinkConfig
    device: DeviceConfig


class Sources(Value, frozen=True, kw_only=True):
    """What the firewall must know of one interface."""

    name: str
    ranges: tuple[str, ...]
    """Source addresses that may come out of the tunnel: pools, and ranges outside of them."""
    isolated: bool = True
    """Peers of the interface cannot reach each other."""
    egress: Egress | None = None
    """None: out by any device, with that one's address."""


class Limit(NamedTuple):
    """What one peer may send and receive."""

    rate: int
    """bit/s, each direction."""
    ranges: tuple[str, ...]
    """The peer's addresses, which share the rate."""


class FirewallConfig(Value, frozen=True, kw_only=True):
    """The whole of the table `inet wig`."""

    interfaces: tuple[Sources, ...]
    """By name."""
    limits: Mapping[str, Limit] = {}
    """By public key; they can change without the rest."""


class HostConfig(Value, frozen=True, kw_only=True):
    """Everything that wig wants of the host."""

    interfaces: Mapping[str, InterfaceConfig]
    firewall: FirewallConfig | None
    """None: no table of ours."""
    sysctls: Mapping[str, str]
    rules: frozenset[PolicyRule] = frozenset()
    routes: frozenset[DefaultRoute] = frozenset()
