"""Policy routing: rules by mark, and default routes of tables of their own, over rtnetlink.

Called by `host`. Both carry wig's protocol number, rules a priority of their own too: the
operator's are recognisably not ours, and are never touched.
"""

import socket
from collections.abc import Iterable, Iterator
from errno import EEXIST, ENOENT, ESRCH
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from wig import addresses, errors
from wig.device import DefaultRoute, PolicyRule
from wig.linux import rtnetlink
from wig.linux.rtnetlink import FAMILY, PROTOCOL
from wig.steps import AddDefaultRoute, AddRule, RemoveDefaultRoute, RemoveRule

PRIORITY = 8700  # before the main table's 32766, after what operators usually number by hand

_MARK_BITS = 0xFFFFFFFF
_DONE_BEFORE = {
    AddRule: {EEXIST},
    RemoveRule: {ENOENT},
    AddDefaultRoute: {EEXIST},
    RemoveDefaultRoute: {ESRCH},
}

RoutingStep = AddRule | RemoveRule | AddDefaultRoute | RemoveDefaultRoute


@rtnetlink.aside
def observe(tables: Iterable[int]) -> tuple[frozenset[PolicyRule], frozenset[DefaultRoute]]:
    """Return wig's rules, and its default routes in these tables and those of the rules."""
    with rtnetlink.opened() as netlink:
        rules = frozenset(_rules(netlink))
        among = {*tables, *(rule.table for rule in rules)}
        return rules, frozenset(route for table in among for route in _routes(netlink, table))


@rtnetlink.aside
def perform(step: RoutingStep) -> None:
    """Do the step; one that was done before is no error. Raises `Unusable`."""
    with rtnetlink.opened() as netlink:
        try:
            match step:
                case AddRule() | RemoveRule():
                    _change_rule(netlink, step)
                case AddDefaultRoute() | RemoveDefaultRoute():
                    _change_route(netlink, step)
        except NetlinkError as error:
            if error.code not in _DONE_BEFORE[type(step)] or not _is_done(netlink, step):
                raise errors.Unusable(f"{_describe(step)}: {error.args[1]}") from error


def _is_done(netlink: Any, step: RoutingStep) -> bool:
    """Say whether what is there already is ours, and not the operator's."""
    match step:
        case AddRule():
            return step.rule in set(_rules(netlink))
        case AddDefaultRoute():
            return step.route in set(_routes(netlink, step.route.table))
    return True


def _change_rule(netlink: Any, step: AddRule | RemoveRule) -> None:
    rule = step.rule
    netlink.rule(
        "add" if isinstance(step, AddRule) else "del",
        family=FAMILY[rule.version],
        fwmark=rule.mark,
        fwmask=_MARK_BITS,
        table=rule.table,
        priority=PRIORITY,
        protocol=PROTOCOL,
    )


def _change_route(netlink: Any, step: AddDefaultRoute | RemoveDefaultRoute) -> None:
    route = step.route
    adding = isinstance(step, AddDefaultRoute)
    try:
        index = socket.if_nametoindex(route.device)
    except OSError:
        if not adding:
            return  # the kernel took the route along
        raise errors.Unusable(f"{_describe(step)}: the host has no such device") from None
    netlink.route(
        "add" if adding else "del",
        family=FAMILY[route.version],
        dst=f"{addresses.host_text(route.version, 0)}/0",
        gateway=route.gateway,
        oif=index,
        table=route.table,
        proto=PROTOCOL,
    )


def _rules(netlink: Any) -> Iterator[PolicyRule]:
    for version, family in FAMILY.items():
        for message in netlink.rule("dump", family=family):
            ours = message.get("FRA_PROTOCOL"), message.get("FRA_PRIORITY")
            if ours == (PROTOCOL, PRIORITY):
                yield PolicyRule(version, message.get("FRA_FWMARK"), message.get("FRA_TABLE"))


def _routes(netlink: Any, table: int) -> Iterator[DefaultRoute]:
    for version, family in FAMILY.items():
        for message in netlink.route("dump", family=family, proto=PROTOCOL, table=table):
            device, gateway = message.get("RTA_OIF"), message.get("RTA_GATEWAY")
            if message["dst_len"] == 0 and device is not None and gateway is not None:
                yield DefaultRoute(version, table, socket.if_indextoname(device), gateway)


def _describe(step: RoutingStep) -> str:
    match step:
        case AddRule() | RemoveRule():
            rule = step.rule
            return f"IPv{rule.version} rule for mark {rule.mark:#x} cannot be changed"
        case AddDefaultRoute() | RemoveDefaultRoute():
            route = step.route
            way = f"{route.gateway!r} on {route.device!r}"
            return f"IPv{route.version} default route of table {route.table}, {way}"
