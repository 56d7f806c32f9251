"""The rulesets that nft reads, whole: nft(8) and libnftables-json(5) of nftables 1.0.6.

Sets and maps: "SETS", "MAPS"; limits: "STATEFUL OBJECTS", "LIMIT STATEMENT"; marks: "META
EXPRESSIONS"; what leaves: "NAT STATEMENTS", "REJECT STATEMENT"; hooks and their order: "ADDRESS
FAMILIES", "CHAINS".
"""

import json
import sys
from pathlib import Path

import pytest

from tests.builders import key
from wig import egress
from wig.device import FirewallConfig, Limit, Sources
from wig.linux import firewall, limits, nft_batch

FOLDER = Path(__file__).parent

NOTHING = FirewallConfig(interfaces=())
ONE = FirewallConfig(interfaces=(Sources(name="wg0", ranges=("10.0.0.0/24", "fd00::/64")),))
MANY = FirewallConfig(
    interfaces=(
        Sources(name="a.b-c_d", ranges=("10.0.0.0/24", "192.168.7.0/24", "192.168.8.8")),
        Sources(name="open", ranges=("10.1.0.0/16", "fd01::/64", "fd77::5"), isolated=False),
        Sources(name="fwd", ranges=()),
    )
)
LIMITED = FirewallConfig(
    interfaces=ONE.interfaces,
    limits={
        key("a"): Limit(64_000, ("10.0.0.2", "fd00::2")),
        key("b"): Limit(10_000_000, ("10.0.0.8/29", "fd00::100/120")),
    },
)
UPLINKS = FirewallConfig(
    interfaces=(
        Sources(
            name="wg0",
            ranges=("10.0.0.0/24", "fd00::/64"),
            egress=egress.parse("wg0=device:eth1,table:100,source:203.0.113.7,nat6:none"),
        ),
        Sources(
            name="wg1",
            ranges=("10.1.0.0/24", "fd01::/64", *(f"192.168.{n}.0/24" for n in range(8))),
            egress=egress.parse("wg1=table:200,mark:0x64,nat:none,source6:2001:db8::7"),
        ),
    )
)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        pytest.param(NOTHING, "nothing", id="nothing"),
        pytest.param(ONE, "one", id="one"),
        pytest.param(MANY, "many", id="many"),
        pytest.param(LIMITED, "limited", id="limited"),
        pytest.param(UPLINKS, "uplinks", id="uplinks"),
    ],
)
def test_a_ruleset_is_written(config, name):
    """Byte for byte: a change here is a change of what passes on every gateway."""
    assert firewall.ruleset(config) == (FOLDER / f"{name}.nft").read_text()


def test_a_change_of_limits_is_written():
    """As Linux reads it: nlmsghdr (netlink.h), nfgenmsg (nfnetlink.h), attributes (nf_tables.h).

    What goes, goes first: an address may move from one peer to another. A range is its first
    address and the one after its last.
    """
    before, after = Limit(64_000, ("10.0.0.2", "fd00::2")), Limit(128_000, ("10.0.0.2",))
    taken = Limit(8_000, ("fd00::2/127",))

    changes = limits.changes(
        [(key("a"), before, after), (key("b"), None, taken), (key("c"), taken, None)]
    )

    assert list(messages(nft_batch.encode("wig", changes))) == [
        line for line in (FOLDER / "change.netlink").read_text().splitlines() if line[:1] != "#"
    ]


def messages(raw):
    """Yield each netlink message as hexadecimal digits."""
    while raw:
        size = int.from_bytes(raw[:4], sys.byteorder)
        yield raw[:size].hex()
        raw = raw[size:]


def test_what_nft_lists_is_what_was_loaded():
    """In its own units; whatever else is in the table is kept apart."""
    listing = json.loads((FOLDER / "limited.json").read_text())["nftables"]

    assert limits.loaded(listing) == limits.expected(LIMITED.limits)
    rest = limits.rest(listing)
    assert [each for each in rest if "limit" in each or "elem" in each.get("map", {})] == []
    assert sum("rule" in each for each in rest) == sum("rule" in each for each in listing)
