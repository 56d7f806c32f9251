"""`plan(wanted, observed) → steps`: nothing else changes a gateway's host.

Called by the gateway when it starts, loads a snapshot or audits; single ops go through
`peer_change`, which is the same comparison for one peer. Pure. Only differences become steps,
because each needless one can cost packets: setting an unchanged port loses some, replacing the
allowed IPs of a peer cuts it for a moment, removing and adding it costs it a handshake.

**Invariant:** `plan(wanted, after(plan(wanted, observed))) == ()`, unless the host refuses a step.
"""

from collections.abc import Iterator, Mapping

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from wig import addresses
from wig import wanted as wants
from wig.device import (
    Device,
    DevicePeer,
    FirewallConfig,
    Host,
    HostConfig,
    InterfaceConfig,
    Limit,
    Link,
    LinkConfig,
    Observed,
    PeerConfig,
    PolicyRule,
)
from wig.steps import (
    AddAddress,
    AddDefaultRoute,
    AddRoute,
    AddRule,
    CreateInterface,
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

NEW_LINK = Link(kind="", mtu=0, up=False, addresses=frozenset(), routes=frozenset())
NEW_DEVICE = Device(private_key=None, listen_port=0, fwmark=0, peers={})

FOREIGN_HINT = "rename or remove that one, or give the VPN's interface another name"
_RP_FILTER_SUFFIX = "/rp_filter"
_ACCEPT_RA_SUFFIX = "/accept_ra"
_ACCEPT_RA_HOST = "1"  # accept router advertisements unless forwarding, Linux ip-sysctl
_ACCEPT_RA_ALWAYS = "2"

_FOREIGN = {
    "": "the host has a {} interface of this name, which is not a WireGuard device",
    # Of the other backend, or at least not of this gateway's.
    "wireguard": "the kernel has a {} interface of this name; this gateway's are in userspace",
    "tun": "the host has a {} interface of this name, which this gateway cannot reach",
}


def plan(wanted: HostConfig, observed: Host) -> tuple[Step, ...]:
    """Return what turns the observed host into the wanted one, in this order.

    Interfaces that wig made and nobody wants any more go first, so that their ports and addresses
    are free; the firewall comes before forwarding, so that no packet passes unfiltered.
    Interfaces that are in `conflicts` are left alone.
    """
    return tuple(_steps(wanted, observed))


def conflicts(wanted: HostConfig, observed: Host) -> tuple[Problem, ...]:
    """Return the wanted interfaces whose name something else has."""
    return tuple(
        Problem(f"interface {name}", name, reason, FOREIGN_HINT)
        for name in wanted.interfaces
        if (reason := _foreign(observed.interfaces[name])) is not None
    )


def fitting(
    wanted: HostConfig, observed: Host, peers_max: int | None
) -> tuple[HostConfig, tuple[Problem, ...]]:
    """Return what fits on devices of `peers_max` peers, and the peers that do not."""
    problems: list[Problem] = []
    interfaces = {}
    for name, config in wanted.interfaces.items():
        device = observed.interfaces[name].device or NEW_DEVICE
        peers = wants.within(config.device.peers, peers_max, device.peers)
        problems += [
            wants.full(name, key, peers_max) for key in config.device.peers if key not in peers
        ]
        interfaces[name] = replace(config, device=replace(config.device, peers=peers))
    return replace(wanted, interfaces=interfaces), tuple(problems)


def _foreign(observed: Observed) -> str | None:
    if observed.link is not None and observed.device is None:
        return _FOREIGN.get(observed.link.kind, _FOREIGN[""]).format(
            observed.link.kind or "network"
        )
    if observed.link is None and observed.device is not None:
        return "a WireGuard device of this name is in another network namespace of this host"
    return None


def _steps(wanted: HostConfig, observed: Host) -> Iterator[Step]:
    for name in sorted(observed.made - wanted.interfaces.keys()):
        yield RemoveInterface(name=name)
    yield from _routing_steps(wanted, observed)
    yield from _firewall_steps(wanted.firewall, observed.firewall)
    yield from map(_removed, sorted(observed.rules - wanted.rules))
    yield from _sysctl_steps(wanted.sysctls, observed.sysctls)
    yield from _strict_again(wanted.sysctls, observed)
    for name, config in wanted.interfaces.items():
        yield from interface_steps(name, config, observed.interfaces[name])


def _routing_steps(wanted: HostConfig, observed: Host) -> Iterator[Step]:
    """Make the ways out before anything is marked for them.

    A table has one default route, so the old one goes first; of rules there may be two.
    """
    for route in sorted(observed.routes - wanted.routes):
        yield RemoveDefaultRoute(route=route)
    for route in sorted(wanted.routes - observed.routes):
        yield AddDefaultRoute(route=route)
    for rule in sorted(wanted.rules - observed.rules):
        yield AddRule(rule=rule)


def _removed(rule: PolicyRule) -> Step:
    return RemoveRule(rule=rule)


def _firewall_steps(
    wanted: FirewallConfig | None, observed: FirewallConfig | None | UnsetType
) -> Iterator[Step]:
    """Replace the table, unless it differs in limits only."""
    if wanted == observed:
        return
    if (
        not isinstance(wanted, FirewallConfig)
        or not isinstance(observed, FirewallConfig)
        or wanted.interfaces != observed.interfaces
    ):
        yield LoadFirewall(config=wanted)
        return
    changed: dict[str, Limit | None] = dict.fromkeys(observed.limits.keys() - wanted.limits.keys())
    changed |= {
        key: limit for key, limit in wanted.limits.items() if observed.limits.get(key) != limit
    }
    yield SetLimits(limits=changed)


def _sysctl_steps(wanted: Mapping[str, str], observed: Mapping[str, str]) -> Iterator[Step]:
    """Turn on forwarding; a parameter that the kernel does not have needs nothing.

    A host that learns its IPv6 default route from router advertisements would lose it with the
    first forwarding: interfaces that accept them are told to go on doing so.
    """
    for key, value in wanted.items():
        if observed.get(key, value) == value:
            continue
        if key.endswith(_RP_FILTER_SUFFIX) and not _strict(key, observed):
            continue
        if key == wants.FORWARDING[6]:
            for other, current in observed.items():
                if other.endswith(_ACCEPT_RA_SUFFIX) and current == _ACCEPT_RA_HOST:
                    yield SetSysctl(key=other, value=_ACCEPT_RA_ALWAYS)
        yield SetSysctl(key=key, value=value)


def _strict_again(wanted: Mapping[str, str], observed: Host) -> Iterator[Step]:
    """Put back what was loosened for an uplink that no interface leaves by any more."""
    for key, value in observed.before.items():
        if key not in wanted and key.endswith(_RP_FILTER_SUFFIX) and _loosened(key, observed):
            yield SetSysctl(key=key, value=value)


def _loosened(key: str, observed: Host) -> bool:
    return observed.sysctls.get(key) == wants.RP_FILTER_LOOSE != observed.before[key]


def _strict(key: str, observed: Mapping[str, str]) -> bool:
    """Say whether a device drops what the main table would send elsewhere.

    The greater of its own value and that of all devices counts (Linux ip-sysctl).
    """
    every = observed.get(wants.RP_FILTER.format("all"), "0")
    return max(every, observed[key]) == wants.RP_FILTER_STRICT


def interface_steps(name: str, wanted: InterfaceConfig, observed: Observed) -> Iterator[Step]:
    """Yield what one interface needs.

    The port is set when the interface is up: only then does the device try to bind it, and say
    when another program has it.
    """
    if _foreign(observed) is not None:
        return
    link, device = observed.link or NEW_LINK, observed.device or NEW_DEVICE
    if observed.link is None:
        yield CreateInterface(name=name)
    yield from _link_steps(name, wanted.link, link)
    yield from _device_steps(name, wanted, device)
    if changes := tuple(peer_changes(wanted.device.peers, device.peers)):
        yield SetPeers(name=name, changes=changes)


def _link_steps(name: str, wanted: LinkConfig, link: Link) -> Iterator[Step]:
    """Make before breaking: addresses and routes come before others go, if they can.

    A second prefix length of one address, and a route that its network has already, cannot.
    """
    surplus = sorted(link.addresses.difference(wanted.addresses))
    hosts = {_host(address) for address in wanted.addresses}
    networks = {addresses.parse_cidr(address, "addresses").network for address in surplus}
    missing = sorted(wanted.routes - link.routes)
    removed = [(_host(each) in hosts, RemoveAddress(name=name, address=each)) for each in surplus]
    routed = [(each in networks, AddRoute(name=name, destination=each)) for each in missing]
    yield from (step for first, step in removed if first)
    mtu = wanted.mtu if link.mtu != wanted.mtu else None
    if mtu is not None or not link.up:
        yield SetLink(name=name, mtu=mtu, up=not link.up)
    for address in wanted.addresses:
        if address not in link.addresses:
            yield AddAddress(name=name, address=address)
    yield from (step for last, step in routed if not last)
    yield from (step for first, step in removed if not first)
    for destination in sorted(link.routes - wanted.routes):
        yield RemoveRoute(name=name, destination=destination)
    yield from (step for last, step in routed if last)


def _host(address: str) -> str:
    return address.partition("/")[0]


def _device_steps(name: str, wanted: InterfaceConfig, device: Device) -> Iterator[Step]:
    config = wanted.device
    key = config.private_key if device.private_key != config.private_key else None
    mark = config.fwmark if device.fwmark != config.fwmark else None
    if key is not None or mark is not None:
        yield SetDevice(name=name, private_key=key, fwmark=mark)
    if device.listen_port != config.listen_port:
        # By itself: a port that is taken must not keep the key or the peers from being set.
        yield SetDevice(name=name, listen_port=config.listen_port)


def peer_changes(
    wanted: Mapping[str, PeerConfig], observed: Mapping[str, DevicePeer | PeerConfig]
) -> Iterator[PeerChange]:
    """Yield the peers that differ: first those to remove, then those that give up addresses.

    So an address that moves from one peer to another is free before it is given again, and a full
    device has room before it gets more.
    """
    for public_key in observed:
        if public_key not in wanted:
            yield PeerChange(public_key=public_key, remove=True)
    later = []
    for public_key, config in wanted.items():
        change = peer_change(public_key, observed.get(public_key), config)
        if change is None:
            continue
        if change.replace_allowed_ips:
            yield change
        else:
            later.append(change)
    yield from later


def peer_change(
    public_key: str, before: DevicePeer | PeerConfig | None, after: PeerConfig | None
) -> PeerChange | None:
    """Return what turns one peer into another; None: nothing."""
    if after is None:
        return None if before is None else PeerChange(public_key=public_key, remove=True)
    if before is None:
        return PeerChange(
            public_key=public_key,
            preshared_key=UNSET if after.preshared_key is None else after.preshared_key,
            allowed_ips=after.allowed_ips,
            keepalive_s=after.keepalive_s or None,
        )
    if before[:3] == after:  # the same three fields, in the same order
        return None
    return _difference(public_key, before, after)


def _difference(
    public_key: str, before: DevicePeer | PeerConfig, after: PeerConfig
) -> PeerChange | None:
    surplus = set(before.allowed_ips).difference(after.allowed_ips)
    missing = after.allowed_ips if surplus else _without(after.allowed_ips, before.allowed_ips)
    changed_key = before.preshared_key != after.preshared_key
    changed_keepalive = before.keepalive_s != after.keepalive_s
    if not (surplus or missing or changed_key or changed_keepalive):
        return None
    return PeerChange(
        public_key=public_key,
        preshared_key=after.preshared_key if changed_key else UNSET,
        replace_allowed_ips=bool(surplus),
        allowed_ips=missing,
        keepalive_s=after.keepalive_s if changed_keepalive else None,
    )


def _without(texts: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text for text in texts if text not in known)


def whole(public_key: str, config: PeerConfig) -> PeerChange:
    """Return the change that makes a peer right whatever it is now."""
    return PeerChange(
        public_key=public_key,
        preshared_key=config.preshared_key,
        replace_allowed_ips=True,
        allowed_ips=config.allowed_ips,
        keepalive_s=config.keepalive_s,
    )
