"""The text of one nftables table, `inet wig`, that replaces it as a whole in one transaction.

Called by `table`. Nothing outside the table is touched; a drop in another table still drops,
because an accept in nftables ends only its own table.

What it does: packets leaving a tunnel for anything but a tunnel get the gateway's own address, or
the one of their egress; only addresses that peers can have come out of a tunnel, and leave by the
device they may; packets between peers never leave by an uplink; peers do not reach each other
unless they may; from outside only answers go in; the segment size
of TCP fits the narrower side; a peer with a limit gets no more than that.
"""

from collections.abc import Iterator

from wig import addresses
from wig.device import FirewallConfig, Sources
from wig.egress import Egress
from wig.linux import limits

TABLE = "inet wig"
DIRECT_MAX = 8  # ranges that cost a comparison each; the rest is one look-up

_FRAME = """\
table inet wig
delete table inet wig
table inet wig {{
	set tunnels {{
		type ifname
{elements}\
	}}
{sets}\
{limits}\
{marks}\

	chain upload {{
		type filter hook prerouting priority filter; policy accept;
{upload}\
	}}

	chain download {{
		type filter hook postrouting priority filter; policy accept;
{download}\
	}}

	chain clamp {{
		type filter hook forward priority mangle; policy accept;
		iifname @tunnels tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
		oifname @tunnels tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
	}}

	chain forward {{
		type filter hook forward priority filter; policy accept;
{spoofed}\
{together}\
		iifname @tunnels oifname @tunnels drop
{inside}\
{elsewhere}\
		oifname @tunnels ct state established,related accept
		oifname @tunnels drop
	}}

	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
{translated}\
		iifname @tunnels oifname != @tunnels masquerade
	}}
}}
"""

_SET = """\

	set {name} {{
		type {type}
		flags interval
		auto-merge
{elements}\
	}}
"""

_MARKS = """\

	chain marks {{
		type filter hook prerouting priority mangle; policy accept;
		iifname != @tunnels return
{inner}\
{marks}\
	}}
"""

_SET_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}
_SOURCE = {4: "ip saddr", 6: "ip6 saddr"}
_DESTINATION = {4: "ip daddr", 6: "ip6 daddr"}
_SNAT = {4: "snat ip", 6: "snat ip6"}
_PROTOCOL = {4: "ipv4", 6: "ipv6"}


def ruleset(config: FirewallConfig | None) -> str:
    """Return the text that makes the table, or removes it, whether or not there is one already."""
    if config is None:
        return f"table {TABLE}\ndelete table {TABLE}\n"
    names = [f'"{each.name}"' for each in config.interfaces]
    return _FRAME.format(
        elements=_elements(names),
        sets="".join(
            _SET.format(
                name=_set_name(each, version),
                type=_SET_TYPES[version],
                elements=_elements(_of_version(each, version)),
            )
            for each in config.interfaces
            for version in (4, 6)
        ),
        limits=limits.declarations(config.limits),
        marks=_marks(config),
        upload=_limited("iifname", "up"),
        download=_limited("oifname", "down"),
        spoofed="".join(_spoofed(config)),
        inside="".join(_inside(config)),
        elsewhere="".join(_elsewhere(config)),
        translated="".join(_translated(config)),
        together="".join(
            f'\t\tiifname "{each.name}" oifname "{each.name}" accept\n'
            for each in config.interfaces
            if not each.isolated
        ),
    )


def _spoofed(config: FirewallConfig) -> Iterator[str]:
    """Yield what drops a source that no peer has.

    The pools, which come first, and a few other ranges are compared without the set: a set of
    intervals that has just been replaced seems empty for some microseconds, and one packet in ten
    thousand was lost that way.
    """
    for each in config.interfaces:
        for version in (4, 6):
            direct = _of_version(each, version)[:DIRECT_MAX]
            sources = (*direct, f"@{_set_name(each, version)}")
            conditions = " ".join(f"{_SOURCE[version]} != {source}" for source in sources)
            yield f'\t\tiifname "{each.name}" {conditions} drop\n'


def _limited(interface: str, direction: str) -> str:
    return "".join(f"\t\t{interface} @tunnels {rule}\n" for rule in limits.rules(direction))


def _egresses(config: FirewallConfig) -> Iterator[tuple[str, Egress]]:
    for each in config.interfaces:
        if each.egress is not None:
            yield each.name, each.egress


def _marks(config: FirewallConfig) -> str:
    """Return the chain that marks packets before they are routed, but for those between peers."""
    rules = [
        f'\t\tiifname "{name}" meta mark set {egress.mark:#x}\n'
        for name, egress in _egresses(config)
        if egress.mark
    ]
    inner = "".join(f"\t\t{destination} return\n" for destination in _inner(config))
    return _MARKS.format(inner=inner, marks="".join(rules)) if rules else ""


def _inner(config: FirewallConfig) -> Iterator[str]:
    """Yield conditions for packets to peers; a set only if it must be, as for their sources."""
    for each in config.interfaces:
        for version in (4, 6):
            ranges = _of_version(each, version)
            for text in ranges[:DIRECT_MAX]:
                yield f"{_DESTINATION[version]} {text}"
            if len(ranges) > DIRECT_MAX:
                yield f"{_DESTINATION[version]} @{_set_name(each, version)}"


def _inside(config: FirewallConfig) -> Iterator[str]:
    """Yield what keeps packets to peers inside, when the tunnel that they go to is not there."""
    names = ", ".join(f'"{name}"' for name, _ in _egresses(config))
    if names:
        for destination in _inner(config):
            yield f"\t\tiifname {{ {names} }} oifname != @tunnels {destination} drop\n"


def _elsewhere(config: FirewallConfig) -> Iterator[str]:
    """Yield what refuses packets that would leave by another device, when the right one is gone.

    Clients are told at once: they try their other IP version without waiting.
    """
    for name, egress in _egresses(config):
        if egress.device is not None:
            leaves = f'iifname "{name}" oifname != "{egress.device}"'
            yield f"\t\t{leaves} reject with icmpx admin-prohibited\n"


def _translated(config: FirewallConfig) -> Iterator[str]:
    """Yield the exceptions from masquerading."""
    for name, egress in _egresses(config):
        for version, source, nat in (
            (4, egress.source, egress.nat),
            (6, egress.source6, egress.nat6),
        ):
            leaves = f'iifname "{name}" oifname != @tunnels meta nfproto {_PROTOCOL[version]}'
            if source is not None:
                yield f"\t\t{leaves} {_SNAT[version]} to {source}\n"
            elif not nat:
                yield f"\t\t{leaves} accept\n"


def _set_name(sources: Sources, version: int) -> str:
    """Return a name that is no keyword of nft, whatever the interface is called."""
    return f"sources{version}_{sources.name}"


def _of_version(sources: Sources, version: int) -> list[str]:
    return [text for text in sources.ranges if addresses.parse_range(text, "ip").version == version]


def _elements(texts: list[str]) -> str:
    return f"\t\telements = {{ {', '.join(texts)} }}\n" if texts else ""
