"""A gateway's host in memory: passes the same suite as the kernel (`tests/contract/test_host.py`).

It knows what matters of WireGuard: an allowed IP belongs to one peer, a removed peer forgets, a
refused peer stays as it was.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import assert_never

from msgspec import UNSET, UnsetType

from wig import errors
from wig.device import (
    DefaultRoute,
    Device,
    DevicePeer,
    Endpoint,
    FirewallConfig,
    Host,
    Link,
    Observed,
    PolicyRule,
)
from wig.linux.samples import of_device
from wig.samples import Batch
from wig.steps import (
    AddAddress,
    AddDefaultRoute,
    AddRoute,
    AddRule,
    CreateInterface,
    HostStep,
    LoadFirewall,
    PeerChange,
    Problem,
    RemoveAddress,
    RemoveDefaultRoute,
    RemoveInterface,
    RemoveRoute,
    RemoveRule,
    SetDevice,
    SetLimits,
    SetLink,
    SetPeers,
    SetSysctl,
    Step,
)

NEW_PEER = DevicePeer(None, (), 0, None, 0, 0, 0)
PEERS_MAX = 65_535
MTU = 1420


class FakeHost:
    """A `steps.HostPort`; tests look inside."""

    def __init__(self, peers_max: int | None = PEERS_MAX) -> None:
        self.peers_max = peers_max
        self.links: dict[str, Link] = {}
        self.devices: dict[str, Device] = {}
        self.made: set[str] = set()
        self.table: FirewallConfig | None | UnsetType = None
        self.sysctls = {
            "net/ipv4/ip_forward": "0",
            "net/ipv6/conf/all/forwarding": "0",
            "net/ipv6/conf/eth0/accept_ra": "1",
            "net/ipv4/conf/all/rp_filter": "0",
            "net/ipv4/conf/eth0/rp_filter": "1",
        }
        self.before: dict[str, str] = {}
        self.rules: set[PolicyRule] = set()
        self.routes: set[DefaultRoute] = set()
        self.steps: list[Step] = []
        """All that was performed."""
        self.refused: set[str] = set()
        """Public keys of peers, and names of kinds of step, that it does not take."""
        self.awake: list[str] = []
        self.died: list[str] = []
        self.endpoints: dict[str, Endpoint] = {}

    def observe(self, names: Iterable[str]) -> Host:
        if "observe" in self.refused:
            raise errors.Unusable("rtnetlink: no")
        found = {name: Observed(self.links.get(name), self._copy(name)) for name in names}
        self.made |= {name for name, each in found.items() if each.link and each.device}
        return Host(
            found,
            frozenset(self.made),
            self.table,
            dict(self.sysctls),
            frozenset(self.rules),
            frozenset(self.routes),
            dict(self.before),
        )

    def _copy(self, name: str) -> Device | None:
        device = self.devices.get(name)
        return device and device._replace(peers=dict(device.peers))

    def perform(self, step: Step) -> tuple[Problem, ...]:
        if type(step).__name__ in self.refused:
            raise errors.Unusable(f"{type(step).__name__} refused")
        self.steps.append(step)
        match step:
            case CreateInterface():
                self.made.add(step.name)
                self.links[step.name] = Link("tun", MTU, False, frozenset(), frozenset())
                self.devices[step.name] = Device(None, 0, 0, {})
            case RemoveInterface():
                self._remove(step.name)
            case SetDevice():
                self._set_device(step)
            case SetPeers():
                return self._set_peers(step)
            case SetLink() | AddAddress() | RemoveAddress() | AddRoute() | RemoveRoute():
                self._set_link(step)
            case _:
                self._perform_on_host(step)
        return ()

    def _perform_on_host(self, step: HostStep) -> None:
        match step:
            case SetSysctl():
                self.before.setdefault(step.key, self.sysctls.get(step.key, ""))
                self.sysctls[step.key] = step.value
            case LoadFirewall():
                self.table = step.config
            case SetLimits():
                self._set_limits(step)
            case AddRule():
                self.rules.add(step.rule)
            case RemoveRule():
                self.rules.discard(step.rule)
            case AddDefaultRoute():
                tables = {(route.version, route.table) for route in self.routes - {step.route}}
                assert (step.route.version, step.route.table) not in tables, "a table has one"
                self.routes.add(step.route)
            case RemoveDefaultRoute():
                self.routes.discard(step.route)
            case _:
                assert_never(step)

    def _set_limits(self, step: SetLimits) -> None:
        if not isinstance(self.table, FirewallConfig):
            raise errors.Unusable("the table is not loaded")
        limits = {**self.table.limits, **step.limits}
        kept = {key: limit for key, limit in limits.items() if limit is not None}
        self.table = FirewallConfig(interfaces=self.table.interfaces, limits=kept)

    def _remove(self, name: str) -> None:
        if name in self.made:
            self.made.discard(name)
            self.devices.pop(name, None)
            self.links.pop(name, None)

    def _set_link(
        self, step: SetLink | AddAddress | RemoveAddress | AddRoute | RemoveRoute
    ) -> None:
        link = self.links[step.name]
        match step:
            case SetLink():
                link = link._replace(mtu=step.mtu or link.mtu, up=link.up or step.up)
            case AddAddress():
                link = link._replace(addresses=link.addresses | {step.address})
            case RemoveAddress():
                link = link._replace(addresses=link.addresses - {step.address})
            case AddRoute():
                link = link._replace(routes=link.routes | {step.destination})
            case RemoveRoute():
                link = link._replace(routes=link.routes - {step.destination})
        self.links[step.name] = link

    def _set_device(self, step: SetDevice) -> None:
        device = self.devices[step.name]
        self.devices[step.name] = device._replace(
            private_key=step.private_key or device.private_key,
            listen_port=device.listen_port if step.listen_port is None else step.listen_port,
            fwmark=device.fwmark if step.fwmark is None else step.fwmark,
        )

    def _set_peers(self, step: SetPeers) -> tuple[Problem, ...]:
        problems = []
        peers = dict(self.devices[step.name].peers)
        for change in step.changes:
            if change.public_key in self.refused:
                subject = f"peer {change.public_key}"
                problems.append(Problem(subject, step.name, "the device says: no"))
            else:
                change_peer(peers, change)
        assert self.peers_max is None or len(peers) <= self.peers_max
        self.devices[step.name] = self.devices[step.name]._replace(peers=peers)
        return tuple(problems)

    def interfaces(self) -> tuple[str, ...]:
        return tuple(sorted(self.made))

    def clients(self, name: str) -> Mapping[str, DevicePeer]:
        device = self._copy(name)
        return {key: peer for key, peer in device.peers.items() if peer.endpoint} if device else {}

    def samples(self) -> Iterator[Batch]:
        for name, device in list(self.devices.items()):
            if "samples" in self.refused:
                yield Batch(name, (), answered=False)
                continue
            for peers in of_device(device):
                yield Batch(name, peers)

    def remember(self) -> None:
        self.endpoints = {
            key: peer.endpoint
            for device in self.devices.values()
            for key, peer in device.peers.items()
            if peer.endpoint is not None
        }

    def revive(self, name: str) -> Mapping[str, Endpoint]:
        endpoints, self.endpoints = self.endpoints, {}
        return endpoints

    def wake(self, name: str, public_keys: Sequence[str]) -> None:
        if "wake" in self.refused:
            raise errors.Unusable("asleep")
        self.awake += public_keys

    def die(self, name: str) -> None:
        """Lose a device as a crash of its process does."""
        del self.devices[name], self.links[name]
        self.died.append(name)

    def dead(self) -> tuple[str, ...]:
        died, self.died = tuple(self.died), []
        return died

    def wait_fds(self) -> tuple[int, ...]:
        return ()

    def undo(self) -> tuple[Problem, ...]:
        if "undo" in self.refused:
            return (Problem("firewall", "", "stays"),)
        for name in list(self.made):
            self._remove(name)
        self.table = None
        self.rules.clear()
        self.routes.clear()
        return ()

    def close(self) -> None:
        pass


def change_peer(peers: dict[str, DevicePeer], change: PeerChange) -> None:
    """Change one peer as a WireGuard device does."""
    if change.remove:
        peers.pop(change.public_key, None)
        return
    for key, other in list(peers.items()):
        kept = tuple(text for text in other.allowed_ips if text not in change.allowed_ips)
        if key != change.public_key and kept != other.allowed_ips:
            peers[key] = other._replace(allowed_ips=kept)
    peer = peers.get(change.public_key, NEW_PEER)
    had = () if change.replace_allowed_ips else peer.allowed_ips
    added = tuple(text for text in change.allowed_ips if text not in had)
    peers[change.public_key] = peer._replace(
        preshared_key=peer.preshared_key if change.preshared_key is UNSET else change.preshared_key,
        allowed_ips=had + added,
        keepalive_s=peer.keepalive_s if change.keepalive_s is None else change.keepalive_s,
        endpoint=change.endpoint or peer.endpoint,
    )
