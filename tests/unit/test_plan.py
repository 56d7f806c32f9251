"""Single decisions of the plan; `tests/property/test_plan.py` has the rule."""

import pytest
from msgspec import UNSET

from tests import builders
from tests.hosts import NEW_PEER
from wig import plan
from wig.device import (
    Device,
    DeviceConfig,
    DevicePeer,
    FirewallConfig,
    Host,
    HostConfig,
    InterfaceConfig,
    Link,
    LinkConfig,
    Observed,
    PeerConfig,
)
from wig.keys import PresharedKey
from wig.steps import (
    AddAddress,
    AddRoute,
    CreateInterface,
    LoadFirewall,
    PeerChange,
    Problem,
    RemoveAddress,
    RemoveInterface,
    RemoveRoute,
    SetDevice,
    SetLink,
    SetPeers,
    SetSysctl,
)

A, B = builders.key("a"), builders.key("b")
PSK = PresharedKey(builders.key("psk"))
KEY = builders.private_key("wg0")
V4, V6 = "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"
RA = "net/ipv6/conf/eth0/accept_ra"


def config(peers=None, **link):
    return InterfaceConfig(
        link=LinkConfig(**{"mtu": 1420, "addresses": ("10.0.0.1/24",)} | link),
        device=DeviceConfig(private_key=KEY, listen_port=51820, peers=peers or {}),
    )


def observed(peers=None, **device):
    return Observed(
        link=Link("tun", 1420, True, frozenset({"10.0.0.1/24"}), frozenset()),
        device=Device(KEY, 51820, 0, peers or {})._replace(**device),
    )


def steps(wanted, found):
    return list(plan.interface_steps("wg0", wanted, found))


def test_an_interface_that_is_right_needs_nothing():
    """Not even an unchanged port, whose setting loses packets."""
    peers = {A: PeerConfig(PSK, ("10.0.0.2",))}

    assert (
        steps(config(peers), observed({A: DevicePeer(PSK, ("10.0.0.2",), 0, None, 9, 9, 9)})) == []
    )


def test_a_new_interface_is_up_before_it_gets_its_port():
    """Only then does the device try to bind it."""
    wanted = config({A: PeerConfig(None, ("10.0.0.2",))}, routes=frozenset({"10.9.0.0/24"}))

    assert steps(wanted, Observed(None, None)) == [
        CreateInterface(name="wg0"),
        SetLink(name="wg0", mtu=1420, up=True),
        AddAddress(name="wg0", address="10.0.0.1/24"),
        AddRoute(name="wg0", destination="10.9.0.0/24"),
        SetDevice(name="wg0", private_key=KEY, fwmark=None),
        SetDevice(name="wg0", listen_port=51820),
        SetPeers(name="wg0", changes=(PeerChange(public_key=A, allowed_ips=("10.0.0.2",)),)),
    ]


def test_a_link_is_changed_where_it_differs():
    """One whose prefix length is another goes first, and an interface that is up stays up."""
    found = Observed(
        link=Link("tun", 1300, True, frozenset({"10.0.0.1/16"}), frozenset({"10.9.0.0/24"})),
        device=Device(KEY, 51820, 0, {}),
    )

    assert steps(config(), found) == [
        RemoveAddress(name="wg0", address="10.0.0.1/16"),
        SetLink(name="wg0", mtu=1420),
        AddAddress(name="wg0", address="10.0.0.1/24"),
        RemoveRoute(name="wg0", destination="10.9.0.0/24"),
    ]


def test_another_address_is_there_before_the_old_one_goes():
    """So are the routes, but for one that the old address's network has in its place."""
    found = Observed(
        link=Link("tun", 1420, True, frozenset({"10.9.0.1/24"}), frozenset({"10.8.0.0/24"})),
        device=Device(KEY, 51820, 0, {}),
    )

    assert steps(config(routes=frozenset({"10.7.0.0/24", "10.9.0.0/24"})), found) == [
        AddAddress(name="wg0", address="10.0.0.1/24"),
        AddRoute(name="wg0", destination="10.7.0.0/24"),
        RemoveAddress(name="wg0", address="10.9.0.1/24"),
        RemoveRoute(name="wg0", destination="10.8.0.0/24"),
        AddRoute(name="wg0", destination="10.9.0.0/24"),
    ]


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        pytest.param({"listen_port": 1}, SetDevice(name="wg0", listen_port=51820), id="port"),
        pytest.param({"fwmark": 7}, SetDevice(name="wg0", fwmark=0), id="mark"),
        pytest.param(
            {"private_key": None}, SetDevice(name="wg0", private_key=KEY), id="private key"
        ),
    ],
)
def test_a_device_is_changed_where_it_differs(device, expected):
    """Nothing else is repeated along with it."""
    assert steps(config(), observed(**device)) == [expected]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(None, None, None, id="never"),
        pytest.param(NEW_PEER, None, {"remove": True}, id="gone"),
        pytest.param(
            None,
            PeerConfig(PSK, ("10.0.0.2",), 25),
            {"preshared_key": PSK, "allowed_ips": ("10.0.0.2",), "keepalive_s": 25},
            id="new",
        ),
        pytest.param(None, PeerConfig(None, ()), {}, id="new, without anything"),
        pytest.param(NEW_PEER, PeerConfig(None, ()), None, id="the same"),
        pytest.param(
            NEW_PEER._replace(allowed_ips=("fd00::2", "10.0.0.2")),
            PeerConfig(None, ("10.0.0.2", "fd00::2")),
            None,
            id="the same in another order",
        ),
        pytest.param(
            NEW_PEER._replace(preshared_key=PSK), PeerConfig(None, ()), {"preshared_key": None},
            id="no preshared key any more",
        ),
        pytest.param(
            NEW_PEER, PeerConfig(PSK, ()), {"preshared_key": PSK}, id="another preshared key"
        ),
        pytest.param(
            NEW_PEER._replace(keepalive_s=25), PeerConfig(None, ()), {"keepalive_s": 0},
            id="keepalive",
        ),
        pytest.param(
            NEW_PEER._replace(allowed_ips=("10.0.0.2",)),
            PeerConfig(None, ("10.0.0.2", "fd00::2")),
            {"allowed_ips": ("fd00::2",)},
            id="one more address: the one it has is not touched",
        ),
        pytest.param(
            NEW_PEER._replace(allowed_ips=("10.0.0.2", "fd00::2")),
            PeerConfig(None, ("10.0.0.3", "fd00::2")),
            {"replace_allowed_ips": True, "allowed_ips": ("10.0.0.3", "fd00::2")},
            id="another address: all are set again",
        ),
    ],
)  # fmt: skip
def test_a_peer_is_changed_where_it_differs(before, after, expected):
    """From what the device has to what is wanted."""
    change = plan.peer_change(A, before, after)

    assert change == (None if expected is None else PeerChange(public_key=A, **expected))


def test_room_is_made_before_it_is_taken():
    """Removed peers first, then those that give up addresses, then the others."""
    before = {"gone": NEW_PEER, A: NEW_PEER._replace(allowed_ips=("10.0.0.2", "10.0.0.3"))}
    wanted = {B: PeerConfig(None, ("10.0.0.3",)), A: PeerConfig(None, ("10.0.0.2",))}

    order = [change.public_key for change in plan.peer_changes(wanted, before)]

    assert order == ["gone", A, B]


def test_a_peer_can_be_set_whole():
    """For one of which nothing is known."""
    change = plan.whole(A, PeerConfig(None, ("10.0.0.2",)))

    assert change.preshared_key is None
    assert change.preshared_key is not UNSET
    assert change.replace_allowed_ips
    assert change.keepalive_s == 0


def host(interfaces=None, made=(), table=None, **sysctls):
    return Host(interfaces or {}, frozenset(made), table, sysctls)


def test_the_firewall_is_loaded_before_forwarding():
    """And what is not wanted any more goes first of all."""
    table = FirewallConfig(interfaces=())
    wanted = HostConfig(interfaces={"wg0": config()}, firewall=table, sysctls={V4: "1"})

    found = host({"wg0": observed()}, made={"wg0", "old"}, **{V4: "0"})

    assert plan.plan(wanted, found) == (
        RemoveInterface(name="old"),
        LoadFirewall(config=table),
        SetSysctl(key=V4, value="1"),
    )


def test_a_host_that_learns_its_route_goes_on_learning():
    """Forwarding would make it deaf for router advertisements; who asked for that is left alone."""
    wanted = HostConfig(interfaces={}, firewall=None, sysctls={V4: "1", V6: "1"})
    deaf = "net/ipv6/conf/eth1/accept_ra"

    steps = plan.plan(wanted, host(**{V4: "0", V6: "0", RA: "1", deaf: "0"}))

    assert steps == (
        SetSysctl(key=V4, value="1"),
        SetSysctl(key=RA, value="2"),
        SetSysctl(key=V6, value="1"),
    )
    assert plan.plan(wanted, host(**{V4: "1", V6: "1", RA: "1"})) == ()


def test_a_parameter_that_the_kernel_lacks_needs_nothing():
    """A kernel without IPv6 forwards none."""
    wanted = HostConfig(interfaces={}, firewall=None, sysctls={V6: "1"})

    assert plan.plan(wanted, host()) == ()


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        pytest.param(
            Observed(Link("bridge", 1500, True, frozenset(), frozenset()), None),
            "the host has a bridge interface of this name, which is not a WireGuard device",
            id="another kind",
        ),
        pytest.param(
            Observed(Link("", 1500, True, frozenset(), frozenset()), None),
            "the host has a network interface of this name, which is not a WireGuard device",
            id="no kind",
        ),
        pytest.param(
            Observed(Link("wireguard", 1500, True, frozenset(), frozenset()), None),
            "the kernel has a wireguard interface of this name; this gateway's are in userspace",
            id="the kernel's",
        ),
        pytest.param(
            Observed(Link("tun", 1500, True, frozenset(), frozenset()), None),
            "the host has a tun interface of this name, which this gateway cannot reach",
            id="userspace's",
        ),
        pytest.param(
            Observed(None, Device(None, 0, 0, {})),
            "a WireGuard device of this name is in another network namespace of this host",
            id="elsewhere",
        ),
    ],
)
def test_what_is_not_ours_is_left_alone(found, reason):
    """It is reported, and no step touches it."""
    wanted = HostConfig(interfaces={"wg0": config()}, firewall=None, sysctls={})

    assert plan.conflicts(wanted, host({"wg0": found})) == (
        Problem("interface wg0", "wg0", reason, plan.FOREIGN_HINT),
    )
    assert plan.plan(wanted, host({"wg0": found})) == ()
    assert plan.conflicts(wanted, host({"wg0": observed()})) == ()


def test_a_full_device_keeps_the_peers_it_has():
    """A new peer does not cost a connected one its place; who has none is told why."""
    peers = {key: PeerConfig(None, ()) for key in ("new", "newer", A, B)}
    wanted = HostConfig(interfaces={"wg0": config(peers)}, firewall=None, sysctls={})

    fitting, problems = plan.fitting(wanted, host({"wg0": observed({A: NEW_PEER, B: NEW_PEER})}), 3)

    assert fitting.interfaces["wg0"].device.peers.keys() == {A, B, "new"}
    reason = "the device is full: one interface has at most 3 peers"
    hint = "create a second interface for further peers"
    assert problems == (Problem("peer newer", "wg0", reason, hint),)
    assert plan.fitting(wanted, host({"wg0": Observed(None, None)}), None) == (wanted, ())
