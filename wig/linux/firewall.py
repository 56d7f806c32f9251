"""One nftables table, `inet wig`, replaced as a whole in one transaction.

Called by `host`. `ruleset` is the text, `load` gives it to `nft -f -` without a shell. Nothing
outside the table is touched; a drop in another table still drops, because an accept in nftables
ends only its own table.

What it does: packets leaving a tunnel for anything but a tunnel get the gateway's own address;
only addresses that peers can have come out of a tunnel; peers do not reach each other; from
outside only answers go in; the segment size of TCP fits the narrower side.
"""

import shutil
import subprocess
from collections.abc import Iterator

from wig import addresses, errors
from wig.device import FirewallConfig, Sources

PROGRAM = "nft"
TABLE = "inet wig"
TIMEOUT_S = 20.0

_FRAME = """\
table inet wig
delete table inet wig
table inet wig {{
	set tunnels {{
		type ifname
{elements}\
	}}
{sets}\

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
		oifname @tunnels ct state established,related accept
		oifname @tunnels drop
	}}

	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
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

_SET_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}
_SOURCE = {4: "ip saddr", 6: "ip6 saddr"}


def ruleset(config: FirewallConfig) -> str:
    """Return the text that makes the table, whether or not there is one already."""
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
        spoofed="".join(_spoofed(config)),
        together="".join(
            f'\t\tiifname "{each.name}" oifname "{each.name}" accept\n'
            for each in config.interfaces
            if not each.isolated
        ),
    )


def _spoofed(config: FirewallConfig) -> Iterator[str]:
    for each in config.interfaces:
        for version in (4, 6):
            source = f"{_SOURCE[version]} != @{_set_name(each, version)}"
            yield f'\t\tiifname "{each.name}" {source} drop\n'


def _set_name(sources: Sources, version: int) -> str:
    """Return a name that is no keyword of nft, whatever the interface is called."""
    return f"sources{version}_{sources.name}"


def _of_version(sources: Sources, version: int) -> list[str]:
    return [text for text in sources.ranges if addresses.parse_range(text, "ip").version == version]


def _elements(texts: list[str]) -> str:
    return f"\t\telements = {{ {', '.join(texts)} }}\n" if texts else ""


def load(config: FirewallConfig | None) -> None:
    """Replace the table, in one transaction, or remove it."""
    _nft("-f", "-", text=ruleset(config) if config else f"table {TABLE}\ndelete table {TABLE}\n")


def listing() -> str | None:
    """Return the table as the kernel has it; None: there is none."""
    try:
        return _nft("list", "table", *TABLE.split())
    except errors.Unusable:
        return None


def require() -> None:
    """Raise `Unusable` unless the program is there."""
    if shutil.which(PROGRAM) is None:
        raise errors.Unusable(
            "nft is not installed",
            hint="install Debian's package nftables, or bring your own rules: --no-firewall",
        )


def _nft(*arguments: str, text: str = "") -> str:
    try:
        done = subprocess.run(  # noqa: S603  # no shell; the text comes from checked values
            [PROGRAM, *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise errors.Unusable(f"nft cannot be run: {type(error).__name__}") from error
    if done.returncode != 0:
        reason = (done.stderr.strip() or "no reason given").splitlines()[0]
        raise errors.Unusable(f"nft refused the rules: {reason}")
    return done.stdout
