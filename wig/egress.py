"""How the clients of an interface leave a gateway: `wg0=device:eth1,table:100,source:203.0.113.7`.

Called by the program, which reads it from flags, and by `wanted`. It describes the deployment, so
it is never in the database.
"""

import re
from collections.abc import Iterable
from typing import Any

from wig import addresses, checks, errors
from wig.codec import Value

TABLE_MAX = MARK_MAX = 0xFFFFFFFF
_RESERVED_TABLES = {253: "default", 254: "main", 255: "local"}  # Linux, rtnetlink.h, rt_class_t
_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,14}")
_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,8}|[0-9]{1,10}")
_NAT = {"masquerade": True, "none": False}
_EXAMPLE = "wg0=device:eth1,via:192.0.2.1,table:100,source:192.0.2.7"


class Egress(Value, frozen=True, kw_only=True):
    """How what comes out of one interface goes on. By default: as the host's routes say."""

    interface: str
    device: str | None = None
    """Packets leave by this device or not at all; None: by any."""
    table: int | None = None
    """Routing table that decides for them; None: the host's rules decide."""
    mark: int = 0
    """Mark that they carry for that; 0: none, without a table."""
    via: str | None = None
    """IPv4 gateway: wig makes the table's default route. None: the operator fills the table."""
    via6: str | None = None
    source: str | None = None
    """IPv4 address that they get; None: the one of the device they leave by, or their own."""
    source6: str | None = None
    nat: bool = True
    """False: they keep their IPv4 addresses, which others route back here."""
    nat6: bool = True
    fwmark: int = 0
    """Mark of WireGuard's own packets, those between gateway and client; 0: none."""


def parse(text: str) -> Egress:
    """Return what `NAME=KEY:VALUE,…` says; raise `Invalid` with key, value and rule."""
    interface, equals, rest = text.partition("=")
    if not equals or not rest:
        raise errors.Invalid(
            f"egress: {errors.quoted(text)} is not NAME=KEY:VALUE,…, as {_EXAMPLE}", field="egress"
        )
    try:
        return _complete(checks.interface_name(interface), _values(rest))
    except errors.Invalid as error:
        raise errors.Invalid(
            f"egress of {interface}: {error.message}", field="egress", hint=error.hint
        ) from None


def _values(text: str) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for part in text.split(","):
        key, _, value = part.strip().partition(":")
        if key not in _PARSERS:
            raise errors.Invalid(f"key: {errors.quoted(key)} is not one of {', '.join(_PARSERS)}")
        if key in given:
            raise errors.Invalid(f"{key}: {errors.quoted(value)} is given a second time")
        given[key] = _PARSERS[key](key, value)
    return given


def _complete(interface: str, given: dict[str, Any]) -> Egress:
    """Return the values together, if they make sense together."""
    for key, needed in (("via", "device"), ("via6", "device"), ("via", "table"), ("via6", "table")):
        if key in given and needed not in given:
            raise errors.Invalid(
                f"{key}: {errors.quoted(given[key])} needs {needed}",
                hint=f"a gateway is the default route of a table, as {_EXAMPLE}",
            )
    if "mark" in given and "table" not in given:
        raise errors.Invalid(
            f"mark: '{given['mark']:#x}' needs table",
            hint="the mark selects a routing table; fwmark marks WireGuard's own packets",
        )
    for nat, source in (("nat", "source"), ("nat6", "source6")):
        if source in given and not given.get(nat, True):
            raise errors.Invalid(f"{nat}: 'none' contradicts {source}")
    if given.get("device") == interface:
        raise errors.Invalid(f"device: {errors.quoted(given['device'])} is the tunnel itself")
    if "table" in given:
        given.setdefault("mark", given["table"])
    return Egress(interface=interface, **given)


def parse_all(texts: Iterable[str]) -> dict[str, Egress]:
    """Return each interface's egress by its name; raise `Invalid` if two contradict each other."""
    found: dict[str, Egress] = {}
    for each in map(parse, texts):
        if each.interface in found:
            raise errors.Invalid(
                f"egress: {errors.quoted(each.interface)} is there twice", field="egress"
            )
        for other in found.values():
            _check_pair(other, each)
        found[each.interface] = each
    return found


def _check_pair(first: Egress, second: Egress) -> None:
    if first.table is None or second.table is None:
        return
    if first.mark == second.mark and first.table != second.table:
        raise errors.Invalid(
            f"egress of {second.interface}: mark: '{second.mark:#x}' selects table "
            f"{first.table} for {first.interface} already",
            field="egress",
        )
    ways = [(each.device, each.via, each.via6) for each in (first, second)]
    filled = any(each.via or each.via6 for each in (first, second))
    if first.table == second.table and filled and ways[0] != ways[1]:
        raise errors.Invalid(
            f"egress of {second.interface}: table: '{second.table}' has another device or gateway "
            f"for {first.interface}",
            field="egress",
            hint="give all interfaces of one uplink the same device, via and via6",
        )


def _device(key: str, text: str) -> str:
    if not _DEVICE.fullmatch(text):
        raise errors.Invalid(f"{key}: {errors.quoted(text)} is not the name of a network device")
    return text


def _number(key: str, text: str, number_max: int) -> int:
    number = int(text, 0) if _NUMBER.fullmatch(text) and not text.startswith("00") else 0
    if not 1 <= number <= number_max:
        raise errors.Invalid(
            f"{key}: {errors.quoted(text)} is not a number from 1 to {number_max}, as 100 or 0x64"
        )
    return number


def _mark(key: str, text: str) -> int:
    return _number(key, text, MARK_MAX)


def _table(key: str, text: str) -> int:
    number = _number(key, text, TABLE_MAX)
    if name := _RESERVED_TABLES.get(number):
        raise errors.Invalid(
            f"{key}: {errors.quoted(text)} is the host's own table `{name}`",
            hint="leave table out to use the host's routes",
        )
    return number


def _host(version: int) -> Any:
    def host(key: str, text: str) -> str:
        found = addresses.parse_range(text, key)
        if found.version != version or found.first != found.last:
            raise errors.Invalid(f"{key}: {errors.quoted(text)} is not one IPv{version} address")
        checks.usable(found, key)
        return found.text

    return host


def _nat(key: str, text: str) -> bool:
    if text not in _NAT:
        raise errors.Invalid(f"{key}: {errors.quoted(text)} is not one of {', '.join(_NAT)}")
    return _NAT[text]


_PARSERS = {
    "device": _device,
    "via": _host(4),
    "via6": _host(6),
    "table": _table,
    "mark": _mark,
    "source": _host(4),
    "source6": _host(6),
    "nat": _nat,
    "nat6": _nat,
    "fwmark": _mark,
}
