"""What a gateway wants of its host, from the state."""

import base64

from tests import builders
from wig import egress, keys, ops, wanted
from wig.device import DefaultRoute, Limit, PeerConfig, PolicyRule, Sources
from wig.state import State
from wig.wanted import Wanted

V4, V6 = "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"


def of(*things, **options):
    state = State(allocating=False)
    for thing in things:
        state.add(thing)
    wants = Wanted(state, **options)
    wants.reset()
    return wants


def test_an_empty_state_wants_an_empty_table():
    """And no interface, and no forwarding."""
    host = of().host()

    assert host.interfaces == {}
    assert host.firewall.interfaces == ()
    assert host.sysctls == {}


def test_an_interface_is_wanted_as_it_is():
    """With its peers, those in order that are enabled."""
    host = of(
        builders.interface(mtu=1300),
        builders.peer(1, ip="10.0.0.2", ip6="fd00::2"),
        builders.peer(2, ip="10.0.0.3", enabled=False),
        builders.peer(3),
        builders.peer(4, ip6="fd00::4"),
        builders.peer(5, ip="10.0.0.5"),
    ).host()

    found = host.interfaces["wg0"]
    assert found.link.mtu == 1300
    assert found.link.addresses == ("10.0.0.1/24", "fd00::1/64")
    assert found.device.listen_port == 51820
    assert found.device.peers == {
        builders.key(1): PeerConfig(None, ("10.0.0.2", "fd00::2")),
        builders.key(3): PeerConfig(None, ()),
        builders.key(4): PeerConfig(None, ("fd00::4",)),
        builders.key(5): PeerConfig(None, ("10.0.0.5",)),
    }


def test_forwarding_is_for_the_families_that_there_are():
    """A host is not made a router for what it does not serve."""
    assert of(builders.interface()).host().sysctls == {V4: "1", V6: "1"}
    assert of(builders.interface(addresses=("fd00::1/64",))).host().sysctls == {V6: "1"}
    assert of(builders.interface(addresses=())).host().sysctls == {}


def test_ranges_outside_the_pool_are_routed_and_let_through():
    """Also those of a family that the interface has no pool of."""
    host = of(
        builders.interface(addresses=("10.0.0.1/24",)),
        builders.peer(1, ip="10.0.0.8/29", ip6="fd00::/64"),
        builders.peer(2, ip="192.168.7.0/24"),
        builders.peer(3, ip="192.168.8.0/24", enabled=False),
    ).host()

    assert host.interfaces["wg0"].link.routes == {"192.168.7.0/24", "fd00::/64"}
    ranges = ("10.0.0.0/24", "192.168.7.0/24", "fd00::/64")
    assert host.firewall.interfaces == (Sources(name="wg0", ranges=ranges),)


def test_what_changes_outside_the_pool_is_followed():
    """Peers that come, change and go, and pools that grow over them."""
    state = State(allocating=False)
    wants = Wanted(state)
    first, peer = builders.interface(), builders.peer(1, ip="10.0.1.1")
    state.add(first)
    wants.note_interface("wg0")
    assert wants.routes("wg0") == frozenset()

    state.add(peer)
    wants.note_peer(None, peer)
    assert wants.routes("wg0") == {"10.0.1.1"}

    wants.note_peer(peer, builders.peer(1, ip="10.0.0.2"))
    assert wants.routes("wg0") == frozenset()
    wants.note_peer(builders.peer(1, ip="10.0.0.2"), builders.peer(1, ip="10.0.2.2"))
    assert wants.routes("wg0") == {"10.0.2.2"}
    wants.note_peer(builders.peer(1, ip="10.0.2.2"), None)
    assert wants.routes("wg0") == frozenset()

    for fields in ({"addresses": ("10.9.0.1/24",)}, {"addresses": ("10.9.0.1/24",), "dns": ()}):
        state.apply_op(ops.InterfaceUpdate(interface=builders.interface(**fields)), "e", 1)
        wants.note_interface("wg0")
        assert wants.routes("wg0") == {"10.0.1.1"}
    wants.note_interface("gone")
    wants.note_peer(builders.peer(2, interface="gone"), None)
    assert wants.routes("gone") == frozenset()


def test_a_firewall_is_optional_and_isolation_too():
    """As the operator says; who brings the rules also says whether the host forwards."""
    alone = of(builders.interface(), firewall=False).host()
    assert (alone.firewall, alone.sysctls) == (None, {})
    assert not of(builders.interface(), isolated=False).host().firewall.interfaces[0].isolated


def test_limits_that_nothing_enforces_are_counted():
    """Without the table they are kept in mind, and that is all."""
    limited = builders.peer(1, ip="10.0.0.2", rate_limit=64_000)

    assert of(builders.interface(), limited).unlimited() == 0
    assert of(builders.interface(), limited, firewall=False).unlimited() == 1


def test_limits_are_of_peers_that_are_there():
    """With all of their addresses; one without any needs none."""
    host = of(
        builders.interface(),
        builders.peer(1, ip="10.0.0.2", ip6="fd00::2", rate_limit=64_000),
        builders.peer(2, ip="10.0.0.3"),
        builders.peer(3, ip="10.0.0.4", rate_limit=64_000, enabled=False),
        builders.peer(4, rate_limit=64_000),
    ).host()

    assert host.firewall.limits == {builders.key(1): Limit(64_000, ("10.0.0.2", "fd00::2"))}


def test_limits_that_change_are_followed():
    """A peer comes, gets another rate, another address, and goes."""
    state = State(allocating=False)
    wants = Wanted(state)
    state.add(builders.interface())
    before, limited = builders.peer(1, ip="10.0.0.2"), Limit(64_000, ("10.0.0.3",))
    after = builders.peer(1, ip="10.0.0.3", rate_limit=64_000)

    wants.note_peer(None, before)
    assert wants.limit(builders.key(1)) is None
    wants.note_peer(before, after)
    assert wants.limit(builders.key(1)) == limited
    assert wants.firewall().limits == {builders.key(1): limited}
    wants.note_peer(after, None)

    assert wants.firewall().limits == {}


def test_an_uplink_has_rules_and_a_route():
    """For both IP versions; the operator fills a table for which there is no gateway."""
    ways = egress.parse_all(
        [
            "wg0=device:eth1,table:100,via:192.0.2.1,fwmark:7",
            "wg1=table:200",
            "wg2=source:192.0.2.9",
        ]
    )

    host = of(builders.interface(), builders.interface("wg2"), egress=ways).host()

    assert host.rules == {
        *(PolicyRule(version, 100, 100) for version in (4, 6)),
        *(PolicyRule(version, 200, 200) for version in (4, 6)),
    }
    assert host.routes == {DefaultRoute(4, 100, "eth1", "192.0.2.1")}
    assert host.sysctls == {V4: "1", V6: "1", "net/ipv4/conf/eth1/rp_filter": "2"}
    assert [each.egress for each in host.firewall.interfaces] == [ways["wg0"], ways["wg2"]]
    assert [each.device.fwmark for each in host.interfaces.values()] == [7, 0]


def test_an_egress_of_no_interface_is_told():
    """It may be misspelt, and the right one's clients leave as all others."""
    ways = egress.parse_all(["wg0=table:100", "wgO=table:100"])

    (problem,) = of(builders.interface(), egress=ways).problems()

    assert (problem.subject, problem.interface) == ("egress of wgO", "")
    assert problem.hint == "create it, or take it off --egress"


def test_without_the_firewall_there_is_no_policy_routing():
    """Nothing would carry a mark, or keep a limit."""
    ways = egress.parse_all(["wg0=device:eth1,table:100,via:192.0.2.1"])
    peer = builders.peer(1, ip="10.0.0.2", rate_limit=64_000)

    wants = of(builders.interface(), peer, egress=ways, firewall=False)

    host = wants.host()
    assert (host.rules, host.routes, host.sysctls) == (frozenset(), frozenset(), {})
    assert wants.limit(peer.public_key) is None


def test_some_interfaces_can_be_asked_for():
    """The firewall is always about all of them."""
    host = of(builders.interface(), builders.interface("wg1")).host({"wg1"})

    assert host.interfaces.keys() == {"wg1"}
    assert [each.name for each in host.firewall.interfaces] == ["wg0", "wg1"]


def test_a_private_key_is_as_the_device_will_report_it():
    """Or it would differ for ever."""
    raw = bytes([255]) * 32
    key = keys.PrivateKey(base64.b64encode(raw).decode())

    found = base64.b64decode(wanted.clamped(key).reveal())

    assert (found[0], found[31], found[1:31]) == (248, 127, raw[1:31])
    assert wanted.clamped(wanted.clamped(key)) == wanted.clamped(key)


def test_no_peer_is_absent_and_a_disabled_one_too():
    """The device cannot tell them apart."""
    assert wanted.peer_config(None) is None
    assert wanted.peer_config(builders.peer(1, enabled=False)) is None
