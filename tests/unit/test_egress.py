"""How clients leave, as an operator writes it."""

import pytest

from wig import egress, errors
from wig.egress import Egress


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("wg0=device:eth1", Egress(interface="wg0", device="eth1"), id="device"),
        pytest.param(
            "wg0=table:100", Egress(interface="wg0", table=100, mark=100), id="the mark of a table"
        ),
        pytest.param(
            "wg0=table:100,mark:0x64,fwmark:0x64",
            Egress(interface="wg0", table=100, mark=100, fwmark=100),
            id="marks",
        ),
        pytest.param(
            "wg0=source:203.0.113.7,source6:2001:DB8::7",
            Egress(interface="wg0", source="203.0.113.7", source6="2001:db8::7"),
            id="sources",
        ),
        pytest.param("wg0=nat6:none", Egress(interface="wg0", nat6=False), id="routed"),
        pytest.param("wg0=nat:masquerade", Egress(interface="wg0"), id="as it is"),
        pytest.param(
            "wg-1=device:eth0.7, table:4294967295, via:192.0.2.1, via6:fe80::1",
            Egress(
                interface="wg-1",
                device="eth0.7",
                table=4294967295,
                mark=4294967295,
                via="192.0.2.1",
                via6="fe80::1",
            ),
            id="gateways",
        ),
    ],
)
def test_an_egress_is_read(text, expected):
    """Keys in any order; a table alone is its own mark."""
    assert egress.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        pytest.param("wg0", "'wg0' is not NAME=KEY:VALUE", id="no equals"),
        pytest.param("wg0=", "'wg0=' is not NAME=KEY:VALUE", id="nothing"),
        pytest.param("0wg=table:1", "name: '0wg' is not a letter", id="name"),
        pytest.param("wg0=devise:eth1", "key: 'devise' is not one of device, via", id="key"),
        pytest.param("wg0=table:1,table:2", "table: '2' is given a second time", id="twice"),
        pytest.param("wg0=device:a b", "device: 'a b' is not the name", id="device"),
        pytest.param("wg0=device:..", "device: '..' is not the name", id="dots"),
        pytest.param("wg0=device:wg0", "device: 'wg0' is the tunnel itself", id="itself"),
        pytest.param("wg0=table:main", "table: 'main' is not a number from 1", id="no number"),
        pytest.param("wg0=table:0", "table: '0' is not a number from 1", id="zero"),
        pytest.param("wg0=table:00", "table: '00' is not a number", id="octal"),
        pytest.param("wg0=table:4294967296", "not a number from 1 to 4294967295", id="large"),
        pytest.param("wg0=table:254", "'254' is the host's own table `main`", id="main"),
        pytest.param("wg0=mark:1", "mark: '0x1' needs table", id="mark"),
        pytest.param("wg0=via:192.0.2.1,table:1", "via: '192.0.2.1' needs device", id="via"),
        pytest.param("wg0=via6:fe80::1,device:e", "via6: 'fe80::1' needs table", id="via6"),
        pytest.param("wg0=source:192.0.2.0/24", "is not one IPv4 address", id="range"),
        pytest.param("wg0=source:2001:db8::1", "is not one IPv4 address", id="family"),
        pytest.param("wg0=source6:192.0.2.1", "is not one IPv6 address", id="family 6"),
        pytest.param("wg0=source:0.0.0.0", "this host on this network", id="unusable"),
        pytest.param("wg0=source:me", "source: 'me' is not an IP address", id="no address"),
        pytest.param("wg0=nat:off", "nat: 'off' is not one of masquerade, none", id="nat"),
        pytest.param("wg0=nat:none,source:192.0.2.1", "nat: 'none' contradicts source", id="both"),
        pytest.param("wg0=nat6:none,source6:fd00::1", "nat6: 'none' contradicts", id="both 6"),
    ],
)
def test_a_mistake_is_named(text, rule):
    """Key, value and rule."""
    with pytest.raises(errors.Invalid, match=r"^egress") as caught:
        egress.parse(text)

    assert rule in caught.value.message
    assert caught.value.field == "egress"


def test_interfaces_may_share_an_uplink():
    """Or have one each, or say nothing of tables."""
    shared = "device:eth1,via:192.0.2.1,table:100"

    found = egress.parse_all(
        [f"wg0={shared}", f"wg1={shared},source:192.0.2.9", "wg2=table:5", "wg3=device:eth2"]
    )

    assert list(found) == ["wg0", "wg1", "wg2", "wg3"]
    assert found["wg1"].source == "192.0.2.9"


@pytest.mark.parametrize(
    ("texts", "rule"),
    [
        pytest.param(["wg0=table:1", "wg0=table:2"], "'wg0' is there twice", id="interface"),
        pytest.param(
            ["wg0=table:1,mark:7", "wg1=table:2,mark:7"],
            "wg1: mark: '0x7' selects table 1 for wg0 already",
            id="mark",
        ),
        pytest.param(
            ["wg0=table:1,device:a,via:192.0.2.1", "wg1=table:1,device:b,via:192.0.2.1"],
            "wg1: table: '1' has another device or gateway for wg0",
            id="table",
        ),
        pytest.param(
            ["wg0=table:1,device:a", "wg1=table:1,device:a,via6:fd00::1"],
            "wg1: table: '1' has another device or gateway for wg0",
            id="half",
        ),
    ],
)
def test_contradictions_are_refused(texts, rule):
    """One mark leads to one table, and that to one gateway."""
    with pytest.raises(errors.Invalid, match=r"^egress") as caught:
        egress.parse_all(texts)

    assert rule in caught.value.message
