"""What a gateway's host has, what it should have, and the steps between: values only.

Observed (`Host`, `Observed`, `Link`, `Device`, `DevicePeer`) and wanted (`HostConfig`,
`InterfaceConfig`, `PeerConfig`) are different types: one is whatever is there, with handshakes and
strangers' settings, the other is what wig decided. `wanted` makes the second from the state,
`plan` compares the two, a `HostPort` (the kernel, or a fake in tests) observes and performs.

**Invariant:** no key, preshared key or client address shows in a `repr`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import UNSET, UnsetType

from wig import keys
from wig.codec import Value


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


class FirewallConfig(Value, frozen=True, kw_only=True):
    """The whole of the table `inet wig`."""

    interfaces: tuple[Sources, ...]
    """By name."""


class HostConfig(Value, frozen=True, kw_only=True):
    """Everything that wig wants of the host."""

    interfaces: Mapping[str, InterfaceConfig]
    firewall: FirewallConfig | None
    """None: no table of ours."""
    sysctls: Mapping[str, str]


# Steps: the only ways in which the host changes.


class CreateInterface(Value, frozen=True, kw_only=True):
    """Make a WireGuard interface: down, without addresses, key or port."""

    name: str


class RemoveInterface(Value, frozen=True, kw_only=True):
    """Remove a WireGuard interface that wig made."""

    name: str


class SetLink(Value, frozen=True, kw_only=True):
    """Set the MTU (None: leave it), and bring the interface up if `up`."""

    name: str
    mtu: int | None = None
    up: bool = False


class AddAddress(Value, frozen=True, kw_only=True):
    """Give the interface an address."""

    name: str
    address: str


class RemoveAddress(Value, frozen=True, kw_only=True):
    """Take an address from the interface."""

    name: str
    address: str


class AddRoute(Value, frozen=True, kw_only=True):
    """Route a destination into the interface."""

    name: str
    destination: str


class RemoveRoute(Value, frozen=True, kw_only=True):
    """Take back one of wig's own routes."""

    name: str
    destination: str


class SetDevice(Value, frozen=True, kw_only=True):
    """Set what is not None. Setting an unchanged port loses packets: only differences are here."""

    name: str
    private_key: keys.PrivateKey | None = None
    listen_port: int | None = None
    fwmark: int | None = None


class PeerChange(Value, frozen=True, kw_only=True):
    """What is to change at one peer; a peer that is not there is made."""

    public_key: str
    remove: bool = False
    preshared_key: keys.PresharedKey | None | UnsetType = UNSET
    """UNSET: as it is. None: none."""
    replace_allowed_ips: bool = False
    """Forget the allowed IPs it has, before `allowed_ips` are added."""
    allowed_ips: tuple[str, ...] = ()
    """To add. One that another peer has moves here."""
    keepalive_s: int | None = None
    """None: as it is. 0: none."""
    endpoint: Endpoint | None = None
    """None: as it is. Only to bring back a peer after the device died."""


class SetPeers(Value, frozen=True, kw_only=True):
    """Change peers, in this order."""

    name: str
    changes: tuple[PeerChange, ...]


class SetSysctl(Value, frozen=True, kw_only=True):
    """Set a parameter of the kernel, remembering what it was."""

    key: str
    value: str


class LoadFirewall(Value, frozen=True, kw_only=True):
    """Replace the table in one step; None removes it."""

    config: FirewallConfig | None


Step = (
    CreateInterface | RemoveInterface | SetLink | AddAddress | RemoveAddress
    | AddRoute | RemoveRoute | SetDevice | SetPeers | SetSysctl | LoadFirewall
)  # fmt: skip


class Problem(NamedTuple):
    """An object that cannot be put on the host, and why."""

    subject: str
    """`interface NAME`, `peer PUBLIC_KEY`, `firewall` or `forwarding`."""
    interface: str
    """The interface it belongs to; empty: none."""
    reason: str


class HostPort(Protocol):
    """The host as the gateway sees it. Calls never overlap."""

    @property
    def peers_max(self) -> int | None:
        """How many peers one device can have; None: no known limit."""

    def observe(self, names: Iterable[str]) -> Host:
        """Return the host as it is, with these interfaces.

        A WireGuard device that has one of the names is adopted: it counts as made by wig.
        """

    def perform(self, step: Step) -> tuple[Problem, ...]:
        """Do it. Peers of a `SetPeers` that the device refuses come back as problems.

        Doing a step twice is the same as once. Raises `Unusable` when it cannot be done.
        """

    def remember(self) -> None:
        """Keep, in memory, what a device that dies would take along: where its clients are."""

    def revive(self, name: str) -> Mapping[str, Endpoint]:
        """Return where the clients of a device that died were a moment ago, and forget it."""

    def wake(self, name: str, public_keys: Sequence[str]) -> None:
        """Greet peers at once, so that they need not wait for their own next handshake."""

    def dead(self) -> tuple[str, ...]:
        """Return the interfaces whose device died by itself since the last call."""

    def wait_fds(self) -> tuple[int, ...]:
        """Return file descriptors that become readable when a device dies."""

    def undo(self) -> tuple[Problem, ...]:
        """Remove all that wig made and put back what it changed; return what would not go."""

    def close(self) -> None:
        """Let go of everything without changing anything."""
