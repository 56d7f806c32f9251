"""Rate limits of peers, as objects and maps in the table `inet wig`: made, changed, read back.

Called by `firewall` (all of them) and `table` (single ones). A peer has two limit objects, named
for its key: `up_…` for what it sends, `down_…` for what it receives. Maps lead from its addresses
to them; IPv4 and IPv6 share them. Single addresses and ranges have maps of their own, because a
look-up in a hash is faster, and a change of a map of intervals is slow.

A limit drops what is too much (nft(8), "LIMIT STATEMENT", `over`): a policer, without a queue.
The kernel lets `burst` and one second's worth pass at once (Linux, net/netfilter/nft_limit.c,
`nft_limit_init`), which is what keeps TCP going.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from wig import addresses
from wig.addresses import Range
from wig.device import Limit
from wig.linux.nft_batch import AddElement, AddLimit, Change, DeleteElement, DeleteLimit

BURST_BYTES = 65536  # the largest packet that segmentation offload makes

_BITS_PER_BYTE = 8
_DIRECTIONS = {"up": "saddr", "down": "daddr"}
_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}
_PROTOCOL = {4: "ip", 6: "ip6"}
_FLAGS = {"hosts": "", "ranges": "\n\t\tflags interval"}
_MAP = """\

	map {name} {{
		type {type} : limit{flags}
{elements}\
	}}
"""
_OBJECT = """\

	limit {name} {{
		rate over {rate} bytes/second burst {burst} bytes
	}}
"""
_UNIT = {"bytes": 1, "kbytes": 1024, "mbytes": 1024 * 1024}


class Loaded(NamedTuple):
    """What of the table is about limits."""

    objects: dict[str, int]
    """Bytes per second by name."""
    elements: dict[tuple[str, str], str]
    """Names of objects by map and address."""


def object_name(direction: str, public_key: str) -> str:
    """Return a name that nft takes, which tells an operator whose limit it is."""
    return f"{direction}_{public_key.rstrip('=').replace('+', '.')}"


def bytes_per_second(limit: Limit) -> int:
    """Return what nft counts in."""
    return limit.rate // _BITS_PER_BYTE


def declarations(limits: Mapping[str, Limit]) -> str:
    """Return maps and objects, as they are in a table's block."""
    loaded = expected(limits)
    found: dict[str, list[str]] = {}
    for (name, text), target in loaded.elements.items():
        found.setdefault(name, []).append(f'{text} : "{target}"')
    maps = (
        _MAP.format(
            name=name,
            type=_TYPES[version],
            flags=_FLAGS[kind],
            elements=f"\t\telements = {{ {', '.join(found[name])} }}\n" if name in found else "",
        )
        for name, _, version, kind in _maps()
    )
    objects = (
        _OBJECT.format(name=name, rate=rate, burst=BURST_BYTES)
        for name, rate in loaded.objects.items()
    )
    return "".join((*maps, *objects))


def rules(direction: str) -> Iterator[str]:
    """Yield what drops a packet that is too much, without the condition on the interface."""
    for name, of, version, _ in _maps():
        if of == direction:
            yield f"limit name {_PROTOCOL[version]} {_DIRECTIONS[of]} map @{name} drop"


def _maps() -> Iterator[tuple[str, str, int, str]]:
    """Yield name, direction, IP version and kind of each map."""
    for direction in _DIRECTIONS:
        for version in _TYPES:
            for kind in _FLAGS:
                yield f"{direction}{version}_{kind}", direction, version, kind


def _elements(limit: Limit, direction: str) -> Iterator[tuple[str, Range]]:
    """Yield the map of each address or range."""
    for text in limit.ranges:
        found = addresses.parse_range(text, "ip")
        kind = "hosts" if found.first == found.last else "ranges"
        yield f"{direction}{found.version}_{kind}", found


def expected(limits: Mapping[str, Limit]) -> Loaded:
    """Return what the table has when these limits are loaded."""
    loaded = Loaded({}, {})
    for public_key, limit in limits.items():
        for direction in _DIRECTIONS:
            name = object_name(direction, public_key)
            loaded.objects[name] = bytes_per_second(limit)
            for where, found in _elements(limit, direction):
                loaded.elements[where, found.text] = name
    return loaded


def changes(peers: Iterable[tuple[str, Limit | None, Limit | None]]) -> list[Change]:
    """Return what turns limits into others: (public key, before, after) each.

    What goes, goes first: an address may move from one peer to another.
    """
    gone: list[Change] = []
    come: list[Change] = []
    for public_key, before, after in peers:
        for direction in _DIRECTIONS:
            name = object_name(direction, public_key)
            if before is not None:
                gone += (DeleteElement(*each) for each in _elements(before, direction))
                gone.append(DeleteLimit(name))
            if after is not None:
                come.append(AddLimit(name, bytes_per_second(after), BURST_BYTES))
                come += (AddElement(*each, name) for each in _elements(after, direction))
    return [*gone, *come]


def loaded(listing: Iterable[dict[str, Any]]) -> Loaded:
    """Return what a listing of the table says about limits."""
    found = Loaded({}, {})
    names = {name for name, *_ in _maps()}
    for each in listing:
        if (limit := each.get("limit")) is not None:
            found.objects[limit["name"]] = limit["rate"] * _UNIT[limit["rate_unit"]]
        elif (entry := each.get("map")) is not None and entry["name"] in names:
            for address, target in entry.get("elem", ()):
                found.elements[entry["name"], _text(address)] = target
    return found


def _text(address: Any) -> str:
    """Return an address or range as `addresses.Range.text` writes it."""
    if isinstance(address, str):
        return address
    prefix = address["prefix"]
    return f"{prefix['addr']}/{prefix['len']}"


def rest(listing: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return everything in a listing but the limits."""
    names = {name for name, *_ in _maps()}
    kept = []
    for each in listing:
        if "limit" in each:
            continue
        entry = each.get("map")
        if entry is not None and entry["name"] in names:
            entry = {key: value for key, value in entry.items() if key != "elem"}
            kept.append({"map": entry})
        else:
            kept.append(each)
    return kept
