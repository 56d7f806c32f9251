"""From the state to what a gateway wants of its host.

Called by the gateway: for everything when it reconciles, for single peers when ops arrive. What
does not depend on the peers is small; the one exception, ranges outside the pools (which need a
route and the firewall's leave), is kept up to date here, so that no op walks all peers.
"""

import base64
from collections.abc import Container, Iterable, Mapping

from wig import addresses, keys
from wig.device import (
    DefaultRoute,
    DeviceConfig,
    FirewallConfig,
    HostConfig,
    InterfaceConfig,
    Limit,
    LinkConfig,
    PeerConfig,
    PolicyRule,
    Sources,
)
from wig.egress import Egress
from wig.model import Interface, Peer
from wig.ports import View
from wig.steps import Problem

FORWARDING = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}
"""The kernel's parameter that lets it forward, by IP version (a path under /proc/sys)."""
RP_FILTER = "net/ipv4/conf/{}/rp_filter"
RP_FILTER_STRICT, RP_FILTER_LOOSE = "1", "2"  # RFC 3704, Linux ip-sysctl


def peer_config(peer: Peer | None) -> PeerConfig | None:
    """Return how a peer should be on the device; None: not at all."""
    if peer is None or not peer.enabled:
        return None
    return PeerConfig(peer.preshared_key, _ranges(peer))


def peer_limit(peer: Peer | None) -> Limit | None:
    """Return what a peer may send and receive; None: as much as it likes, or nothing."""
    if peer is None or peer.rate_limit is None or not peer.enabled:
        return None
    return Limit(peer.rate_limit, ranges) if (ranges := _ranges(peer)) else None


def within(
    peers: Mapping[str, PeerConfig], limit: int | None, present: Mapping[str, object]
) -> dict[str, PeerConfig]:
    """Return as many peers as a device can have; those that are `present` come first.

    A peer too many must not cost one that is connected its place.
    """
    if limit is None or len(peers) <= limit:
        return dict(peers)
    first = [key for key in peers if key in present]
    later = [key for key in peers if key not in present]
    return {key: peers[key] for key in (first + later)[:limit]}


def full(interface: str, public_key: str, limit: int | None) -> Problem:
    """Return what to say of a peer that has no place on the device."""
    return Problem(
        f"peer {public_key}",
        interface,
        f"the device is full: one interface has at most {limit} peers",
        "create a second interface for further peers",
    )


class Wanted:
    """What `view` wants of the host."""

    def __init__(
        self,
        view: View,
        *,
        firewall: bool = True,
        isolated: bool = True,
        egress: Mapping[str, Egress] | None = None,
    ) -> None:
        """Want nothing yet; `reset` reads the view.

        Without the firewall, neither forwarding nor policy routing are wanted: a router without
        rules would let everybody through, and nothing would carry a mark.
        """
        self._egress = egress or {}
        self._view = view
        self._firewall = firewall
        self._isolated = isolated
        self._outside: dict[str, dict[str, tuple[str, ...]]] = {}
        self._limits: dict[str, Limit] = {}
        self._pools: dict[str, tuple[str, ...]] = {}

    def reset(self) -> None:
        """Read the whole view again."""
        self._outside, self._limits, self._pools = {}, {}, {}
        for interface in self._view.interfaces():
            self._collect(interface)

    def note_interface(self, name: str) -> None:
        """Take in that an interface came, changed or went.

        Its peers are looked at only when its pools are others: a new description costs nothing.
        """
        interface = self._view.interface(name)
        if interface is not None and self._pools.get(name) == interface.addresses:
            return
        self._outside.pop(name, None)
        self._pools.pop(name, None)
        if interface is not None:
            self._collect(interface)

    def note_peer(self, before: Peer | None, after: Peer | None) -> None:
        """Take in that a peer came, changed or went."""
        for peer, stays in ((before, False), (after, True)):
            if peer is None or (interface := self._view.interface(peer.interface)) is None:
                continue
            if not stays and peer.interface in self._outside:
                self._outside[peer.interface].pop(peer.public_key, None)
            elif stays and peer.enabled and (ranges := _outside_ranges(interface, peer)):
                self._outside.setdefault(peer.interface, {})[peer.public_key] = ranges
        for peer in (before, after):
            if peer is not None:
                self._limits.pop(peer.public_key, None)
        if after is not None and (limit := peer_limit(after)) is not None:
            self._limits[after.public_key] = limit

    def problems(self) -> tuple[Problem, ...]:
        """Return what the operator asks for and the state has nothing for: perhaps misspelt."""
        return tuple(
            Problem(
                f"egress of {name}",
                "",
                "no interface has this name",
                "create it, or take it off --egress",
            )
            for name in self._egress
            if self._view.interface(name) is None
        )

    def limit(self, public_key: str) -> Limit | None:
        """Return what a peer may send and receive; None: as much as it likes, or no table."""
        return self._limits.get(public_key) if self._firewall else None

    def unlimited(self) -> int:
        """Return how many peers have a rate limit that nothing enforces: there is no table."""
        return 0 if self._firewall else len(self._limits)

    def routes(self, name: str) -> frozenset[str]:
        """Return the destinations that must be routed into an interface."""
        outside = self._outside.get(name)
        if not outside:
            return frozenset()
        return frozenset(text for ranges in outside.values() for text in ranges)

    def firewall(self) -> FirewallConfig | None:
        """Return the table that is wanted; None: none."""
        if not self._firewall:
            return None
        return FirewallConfig(
            interfaces=tuple(
                Sources(
                    name=interface.name,
                    ranges=_sources(interface, self.routes(interface.name)),
                    isolated=self._isolated,
                    egress=self._egress.get(interface.name),
                )
                for interface in self._view.interfaces()
            ),
            limits=dict(self._limits),
        )

    def host(self, only: Container[str] | None = None) -> HostConfig:
        """Return everything that is wanted, with these interfaces `only`; None: with all."""
        found = list(self._view.interfaces())
        return HostConfig(
            interfaces={
                each.name: self.interface(each)
                for each in found
                if only is None or each.name in only
            },
            firewall=self.firewall(),
            sysctls=_forwarding(found) | _loose(self._egress.values()) if self._firewall else {},
            rules=_rules(self._egress.values()) if self._firewall else frozenset(),
            routes=_default_routes(self._egress.values()) if self._firewall else frozenset(),
        )

    def interface(self, interface: Interface, *, with_peers: bool = True) -> InterfaceConfig:
        """Return what is wanted of one interface."""
        return InterfaceConfig(
            link=LinkConfig(
                mtu=interface.mtu,
                addresses=interface.addresses,
                routes=self.routes(interface.name),
            ),
            device=DeviceConfig(
                private_key=clamped(interface.private_key),
                listen_port=interface.port,
                fwmark=egress.fwmark if (egress := self._egress.get(interface.name)) else 0,
                peers=self._peers(interface) if with_peers else {},
            ),
        )

    def _peers(self, interface: Interface) -> dict[str, PeerConfig]:
        return {
            peer.public_key: config
            for peer in self._view.peers_of(interface.name)
            if (config := peer_config(peer)) is not None
        }

    def _collect(self, interface: Interface) -> None:
        self._pools[interface.name] = interface.addresses
        for peer in self._view.peers_of(interface.name):
            if peer.enabled and (ranges := _outside_ranges(interface, peer)):
                self._outside.setdefault(interface.name, {})[peer.public_key] = ranges
            if (limit := peer_limit(peer)) is not None:
                self._limits[peer.public_key] = limit


def clamped(private: keys.PrivateKey) -> keys.PrivateKey:
    """Return the key as every WireGuard device stores it (RFC 7748, section 5)."""
    raw = bytearray(base64.b64decode(private.reveal()))
    raw[0] &= 248
    raw[31] = raw[31] & 127 | 64
    return keys.PrivateKey(base64.b64encode(raw).decode())


def _ranges(peer: Peer) -> tuple[str, ...]:
    if peer.ip is None:
        return () if peer.ip6 is None else (peer.ip6,)
    return (peer.ip,) if peer.ip6 is None else (peer.ip, peer.ip6)


def _outside_ranges(interface: Interface, peer: Peer) -> tuple[str, ...]:
    """Return the peer's ranges that the interface's own network does not contain."""
    own = interface.addresses
    return tuple([text for text in _ranges(peer) if not addresses.in_pool(own, text)])


def _sources(interface: Interface, outside: frozenset[str]) -> tuple[str, ...]:
    pools = (addresses.parse_cidr(text, "addresses").network for text in interface.addresses)
    return (*pools, *sorted(outside))


def _forwarding(interfaces: Iterable[Interface]) -> dict[str, str]:
    versions = {
        addresses.parse_cidr(text, "addresses").version
        for interface in interfaces
        for text in interface.addresses
    }
    return {FORWARDING[version]: "1" for version in sorted(versions)}


def _rules(found: Iterable[Egress]) -> frozenset[PolicyRule]:
    """Return a rule for each mark and IP version: a table decides for both or for none."""
    return frozenset(
        PolicyRule(version, each.mark, each.table)
        for each in found
        if each.table is not None
        for version in (4, 6)
    )


def _default_routes(found: Iterable[Egress]) -> frozenset[DefaultRoute]:
    return frozenset(
        DefaultRoute(version, each.table, each.device, gateway)
        for each in found
        for version, gateway in ((4, each.via), (6, each.via6))
        if gateway is not None and each.table is not None and each.device is not None
    )


def _loose(found: Iterable[Egress]) -> dict[str, str]:
    """Return the devices whose answers the host's main table would expect elsewhere."""
    return {
        RP_FILTER.format(each.device): RP_FILTER_LOOSE
        for each in found
        if each.table is not None and each.device is not None
    }
