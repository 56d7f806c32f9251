"""The steps from what a host is to what it should be, and the port that performs them.

Yielded by `plan` and `linux.batch`; a `HostPort` (the kernel, or a fake in tests) observes and
performs. Steps are values, the only ways in which a host changes.

**Invariant:** no key, preshared key or client address shows in a `repr`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import UNSET, UnsetType

from wig import keys
from wig.codec import Value
from wig.device import DefaultRoute, DevicePeer, Endpoint, FirewallConfig, Host, Limit, PolicyRule
from wig.samples import Batch


class CreateInterface(Value, frozen=True, kw_only=True):
    """Make a WireGuard interface: down, without addresses, key or port."""

    name: str


class RemoveInterface(Value, frozen=True, kw_only=True):
    """Remove a WireGuard interface that wig made or adopted; a stranger's stays."""

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
    """Take an address from the interface, and nothing else: its routes stay."""

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


class SetLimits(Value, frozen=True, kw_only=True):
    """Change the limits of some peers, and nothing else in the table."""

    limits: Mapping[str, Limit | None]
    """By public key; None: no limit any more."""


class AddRule(Value, frozen=True, kw_only=True):
    """Route marked packets by a table of their own."""

    rule: PolicyRule


class RemoveRule(Value, frozen=True, kw_only=True):
    """Take back one of wig's own rules."""

    rule: PolicyRule


class AddDefaultRoute(Value, frozen=True, kw_only=True):
    """Give a table its default route."""

    route: DefaultRoute


class RemoveDefaultRoute(Value, frozen=True, kw_only=True):
    """Take back one of wig's own default routes."""

    route: DefaultRoute


HostStep = (
    SetSysctl | LoadFirewall | SetLimits
    | AddRule | RemoveRule | AddDefaultRoute | RemoveDefaultRoute
)  # fmt: skip
"""What belongs to no interface."""

Step = (
    CreateInterface | RemoveInterface | SetLink | AddAddress | RemoveAddress
    | AddRoute | RemoveRoute | SetDevice | SetPeers | HostStep
)  # fmt: skip


class Problem(NamedTuple):
    """An object that cannot be put on the host, and why."""

    subject: str
    """`interface NAME`, `peer PUBLIC_KEY`, `firewall`, `forwarding`, `egress of NAME` …"""
    interface: str
    """The interface it belongs to; empty: none."""
    reason: str
    hint: str = ""
    """What an operator can do about it; empty: nothing in particular."""


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

    def samples(self) -> Iterator[Batch]:
        """Yield what the devices say of their peers, some hundred at a time.

        The exception: it overlaps with other calls, in other threads, and disturbs none. A device
        that does not answer has a batch that says so.
        """

    def interfaces(self) -> tuple[str, ...]:
        """Return the names of the interfaces that wig made or adopted, now or before a restart."""

    def clients(self, name: str) -> Mapping[str, DevicePeer]:
        """Return, by public key, the peers of a device that have an endpoint; no device: none.

        Overlaps with other calls, as `samples` does.
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
