"""Network interfaces: addresses, MTU, routes, up and down, over rtnetlink (pyroute2).

Called by `host`. Routes made here carry a protocol number of their own, so that the operator's
are recognisably not ours.
"""

from collections.abc import Iterator
from errno import EADDRNOTAVAIL, EEXIST, ENODEV, ESRCH
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from wig import addresses, errors
from wig.device import Link
from wig.linux import rtnetlink
from wig.linux.rtnetlink import FAMILY, PROTOCOL
from wig.steps import AddAddress, AddRoute, RemoveAddress, RemoveRoute, SetLink

_IFF_UP = 1
_SCOPE_LINK = 253
_TABLE_MAIN = 254

_DONE_BEFORE: dict[type, int] = {
    SetLink: 0,
    AddAddress: EEXIST,
    RemoveAddress: EADDRNOTAVAIL,
    AddRoute: EEXIST,
    RemoveRoute: ESRCH,
}

LinkStep = SetLink | AddAddress | RemoveAddress | AddRoute | RemoveRoute


@rtnetlink.aside
def exists(name: str) -> bool:
    """Say whether there is an interface of this name."""
    with rtnetlink.opened() as netlink:
        return _find(netlink, name) is not None


@rtnetlink.aside
def observe(name: str) -> Link | None:
    """Return the interface as it is; None: there is none."""
    with rtnetlink.opened() as netlink:
        found = _find(netlink, name)
        if found is None:
            return None
        index = found["index"]
        return Link(
            kind=_kind(found),
            mtu=found.get("mtu"),
            up=bool(found["flags"] & _IFF_UP),
            addresses=frozenset(_addresses(netlink, index)),
            routes=frozenset(_routes(netlink, index)),
        )


@rtnetlink.aside
def create(name: str, kind: str) -> None:
    """Make an interface of this kind, down; raise `Unusable` if the host cannot."""
    with rtnetlink.opened() as netlink:
        try:
            netlink.link("add", ifname=name, kind=kind)
        except NetlinkError as error:
            reason = error.args[1]
            raise errors.Unusable(f"interface {name!r} cannot be made: {reason}") from error


@rtnetlink.aside
def set_queue(name: str, packets: int) -> None:
    """Let so many packets wait for who sends them on; raise `Unusable` if the host cannot."""
    with rtnetlink.opened() as netlink:
        if (found := _find(netlink, name)) is not None:
            netlink.link("set", index=found["index"], txqlen=packets)


@rtnetlink.aside
def remove(name: str, kind: str) -> bool:
    """Remove an interface of this kind; False: there is none, or it is of another kind."""
    with rtnetlink.opened() as netlink:
        found = _find(netlink, name)
        if found is None or _kind(found) != kind:
            return False
        netlink.link("del", index=found["index"])
        return True


@rtnetlink.aside
def perform(step: LinkStep) -> None:
    """Do the step; one that was done before is no error. Raises `Unusable`."""
    with rtnetlink.opened() as netlink:
        found = _find(netlink, step.name)
        if found is None:
            raise errors.Unusable(f"interface {step.name!r} is gone")
        try:
            _perform(netlink, found["index"], step)
        except NetlinkError as error:
            if error.code != _DONE_BEFORE[type(step)] or not _is_done(
                netlink, found["index"], step
            ):
                raise errors.Unusable(f"{_describe(step)}: {error.args[1]}") from error


def _is_done(netlink: Any, index: int, step: LinkStep) -> bool:
    """Say whether what is there already is ours, and not another interface's route."""
    return not isinstance(step, AddRoute) or step.destination in set(_routes(netlink, index))


def _perform(netlink: Any, index: int, step: LinkStep) -> None:
    match step:
        case SetLink():
            if step.mtu is not None:
                netlink.link("set", index=index, mtu=step.mtu)
            if step.up:
                netlink.link("set", index=index, state="up")
        case AddAddress():
            _change_address(netlink, index, "add", step.address)
        case RemoveAddress():
            _remove_address(netlink, index, step.address)
        case AddRoute():
            _change_route(netlink, index, "add", step.destination)
        case RemoveRoute():
            _change_route(netlink, index, "del", step.destination)


def _change_address(netlink: Any, index: int, how: str, address: str) -> None:
    cidr = addresses.parse_cidr(address, "addresses")
    netlink.addr(
        how,
        index=index,
        family=FAMILY[cidr.version],
        address=addresses.host_text(cidr.version, cidr.address),
        prefixlen=cidr.prefix_length,
    )


def _remove_address(netlink: Any, index: int, address: str) -> None:
    """Take one address, and put back what the kernel takes along with it.

    With the last IPv4 address all IPv4 routes of the link go, and with the first one of a network
    its others (Linux, net/ipv4/devinet.c and fib_frontend.c).
    """
    others, routes = {*_addresses(netlink, index)} - {address}, {*_routes(netlink, index)}
    _change_address(netlink, index, "del", address)
    for each in sorted(others.difference(_addresses(netlink, index))):
        _change_address(netlink, index, "add", each)
    for each in sorted(routes.difference(_routes(netlink, index))):
        _change_route(netlink, index, "add", each)


def _change_route(netlink: Any, index: int, how: str, destination: str) -> None:
    netlink.route(
        how,
        dst=destination,
        family=FAMILY[addresses.parse_range(destination, "ip").version],
        oif=index,
        proto=PROTOCOL,
        table=_TABLE_MAIN,
    )


def _find(netlink: Any, name: str) -> Any:
    try:
        found = list(netlink.link("get", ifname=name))
    except NetlinkError as error:
        if error.code == ENODEV:
            return None
        raise
    return found[0] if found else None


def _kind(found: Any) -> str:
    info = found.get("linkinfo")
    return (info.get("kind") if info else None) or ""


def _addresses(netlink: Any, index: int) -> Iterator[str]:
    for message in netlink.addr("dump", index=index):
        if message["index"] != index or message["scope"] == _SCOPE_LINK:
            continue
        text = message.get("local") or message.get("address")
        yield f"{text}/{message['prefixlen']}"


def _routes(netlink: Any, index: int) -> Iterator[str]:
    for version, family in FAMILY.items():
        for message in netlink.route(
            "dump", family=family, proto=PROTOCOL, oif=index, table=_TABLE_MAIN
        ):
            host = message.get("dst") or addresses.host_text(version, 0)
            yield addresses.parse_range(f"{host}/{message['dst_len']}", "dst").text


def _describe(step: LinkStep) -> str:
    match step:
        case SetLink():
            return f"interface {step.name!r} cannot be brought up with MTU {step.mtu}"
        case AddAddress() | RemoveAddress():
            return f"address {step.address!r} of interface {step.name!r} cannot be changed"
        case AddRoute() | RemoveRoute():
            return f"route to {step.destination!r} over {step.name!r} cannot be changed"
