"""What every `steps.HostPort` must do: the fake that tests use, and real Linux hosts."""

import pytest
from msgspec.structs import replace

from tests import builders, hosts
from tests.eventually import eventually_sync
from tests.lab import Internet, need, need_kernel
from tests.lab.remote_host import RemoteHost
from wig import errors, plan
from wig.device import (
    DefaultRoute,
    Endpoint,
    FirewallConfig,
    Limit,
    PeerConfig,
    PolicyRule,
    Sources,
)
from wig.keys import PresharedKey
from wig.samples import Sample
from wig.state import State
from wig.steps import (
    AddAddress,
    AddDefaultRoute,
    AddRoute,
    AddRule,
    CreateInterface,
    LoadFirewall,
    PeerChange,
    RemoveAddress,
    RemoveDefaultRoute,
    RemoveInterface,
    RemoveRoute,
    RemoveRule,
    SetDevice,
    SetLimits,
    SetLink,
    SetPeers,
    SetSysctl,
)
from wig.wanted import Wanted

A, B, C = builders.key("a"), builders.key("b"), builders.key("c")
PSK = PresharedKey(builders.key("psk"))
KEY = builders.private_key("wg0")


@pytest.fixture(scope="module")
def kernel_host():
    """A host with the kernel's WireGuard, for one test after the other: a guest is slow."""
    need_kernel()
    with Internet() as net, RemoteHost(net.host("host"), "kernel") as subject:
        yield subject


@pytest.fixture(params=["fake", "userspace", "kernel"])
def host(request):
    """Each implementation, with nothing on it."""
    match request.param:
        case "fake":
            yield hosts.FakeHost()
        case "userspace":
            need()
            with Internet() as net, RemoteHost(net.host("host"), "userspace") as subject:
                yield subject
        case "kernel":
            subject = request.getfixturevalue("kernel_host")
            yield subject
            assert subject.undo() == ()


@pytest.fixture
def device(host):
    """A host with a device that is up."""
    host.perform(CreateInterface(name="wg0"))
    host.perform(SetLink(name="wg0", mtu=1420, up=True))
    return host


def peers(host):
    """Return each peer's preshared key, allowed IPs and keepalive."""
    found = host.observe(["wg0"]).interfaces["wg0"].device.peers
    return {key: (peer[0], set(peer.allowed_ips), peer.keepalive_s) for key, peer in found.items()}


def change(host, *changes):
    """Do it twice: that must be the same as once."""
    for _ in range(2):
        assert host.perform(SetPeers(name="wg0", changes=changes)) == ()


def test_nothing_is_there_at_first(host):
    """Neither interfaces nor rules of ours."""
    found = host.observe(["wg0"])

    assert found.interfaces == {"wg0": (None, None)}
    assert found.made == frozenset()
    assert found.firewall is None
    assert found.sysctls["net/ipv4/ip_forward"] == "0"


def test_a_new_device_is_empty_and_down(host):
    """It has no key, peer or address, and perhaps a random port; it counts as made by wig."""
    host.perform(CreateInterface(name="wg0"))

    found = host.observe(["wg0"])
    link, device = found.interfaces["wg0"]
    assert (link.up, link.addresses, link.routes) == (False, frozenset(), frozenset())
    assert device._replace(listen_port=0) == plan.NEW_DEVICE
    assert found.made == {"wg0"}


def test_links_are_set(device):
    """MTU, addresses and routes come and go, each step twice."""
    for step in (
        AddAddress(name="wg0", address="10.0.0.1/24"),
        AddAddress(name="wg0", address="10.1.0.1/24"),
        AddAddress(name="wg0", address="fd00::1/64"),
        RemoveAddress(name="wg0", address="10.1.0.1/24"),
        AddRoute(name="wg0", destination="192.168.7.0/24"),
        AddRoute(name="wg0", destination="192.168.8.8"),
        AddRoute(name="wg0", destination="fd07::/64"),
        RemoveRoute(name="wg0", destination="192.168.8.8"),
        SetLink(name="wg0", mtu=1300),
    ):
        device.perform(step)
        device.perform(step)

    link = device.observe(["wg0"]).interfaces["wg0"].link
    assert link.up
    assert link.mtu == 1300
    assert link.addresses == {"10.0.0.1/24", "fd00::1/64"}
    assert link.routes == {"192.168.7.0/24", "fd07::/64"}


@pytest.mark.parametrize("other", ["10.5.0.1/24", "10.0.0.9/24", "fd00::1/64"])
def test_an_address_goes_alone(device, other):
    """Also the last one of its version, or the first of a network: routes and the others stay."""
    for step in (
        AddAddress(name="wg0", address="10.0.0.1/24"),
        AddAddress(name="wg0", address=other),
        AddRoute(name="wg0", destination="192.168.7.0/24"),
        AddRoute(name="wg0", destination="fd07::/64"),
        RemoveAddress(name="wg0", address="10.0.0.1/24"),
    ):
        device.perform(step)

    link = device.observe(["wg0"]).interfaces["wg0"].link
    assert link.addresses == {other}
    assert link.routes == {"192.168.7.0/24", "fd07::/64"}


def test_a_device_keeps_what_is_not_set(device):
    """Key, port and mark, each by itself."""
    device.perform(SetDevice(name="wg0", private_key=KEY))
    device.perform(SetDevice(name="wg0", listen_port=4000))
    device.perform(SetDevice(name="wg0", fwmark=7))

    found = device.observe(["wg0"]).interfaces["wg0"].device
    assert (found.private_key, found.listen_port, found.fwmark) == (KEY, 4000, 7)


def test_peers_are_set(device):
    """Made with what is given, changed by what is given, removed."""
    change(device, PeerChange(public_key=A, allowed_ips=("10.0.0.2", "fd00::2")))
    change(device, PeerChange(public_key=B, preshared_key=PSK, keepalive_s=9))
    assert peers(device) == {A: (None, {"10.0.0.2", "fd00::2"}, 0), B: (PSK, set(), 9)}

    change(device, PeerChange(public_key=A, preshared_key=PSK))
    change(device, PeerChange(public_key=B, preshared_key=None, allowed_ips=("10.0.0.8/29",)))
    assert peers(device) == {A: (PSK, {"10.0.0.2", "fd00::2"}, 0), B: (None, {"10.0.0.8/29"}, 9)}

    change(device, PeerChange(public_key=B, remove=True), PeerChange(public_key=C, remove=True))
    assert peers(device).keys() == {A}


def test_a_peer_with_thousands_of_ranges_is_whole(device):
    """It is larger than a message; replaced, it has none of the old ones."""
    ranges = tuple(f"10.{n >> 8}.{n & 255}.0/24" for n in range(3000))

    change(device, PeerChange(public_key=A, allowed_ips=ranges), PeerChange(public_key=B))
    assert peers(device) == {A: (None, set(ranges), 0), B: (None, set(), 0)}

    change(device, PeerChange(public_key=A, replace_allowed_ips=True, allowed_ips=ranges[1000:]))
    assert peers(device)[A] == (None, set(ranges[1000:]), 0)


def test_an_allowed_ip_belongs_to_the_last_peer_that_got_it(device):
    """The other keeps the rest; replacing forgets."""
    change(device, PeerChange(public_key=A, allowed_ips=("10.0.0.2", "10.0.0.3")))
    change(device, PeerChange(public_key=B, allowed_ips=("10.0.0.3",)))
    assert peers(device) == {A: (None, {"10.0.0.2"}, 0), B: (None, {"10.0.0.3"}, 0)}

    swapped = PeerConfig(None, ("10.0.0.3",)), PeerConfig(None, ("10.0.0.2",))
    change(device, plan.whole(A, swapped[0]), plan.whole(B, swapped[1]))
    assert peers(device) == {A: (None, {"10.0.0.3"}, 0), B: (None, {"10.0.0.2"}, 0)}


def test_an_endpoint_is_set(device):
    """That is how a peer comes back after its device died."""
    endpoint = Endpoint("192.0.2.1:5555")

    change(device, PeerChange(public_key=A, endpoint=endpoint))
    device.wake("wg0", [A])

    assert device.observe(["wg0"]).interfaces["wg0"].device.peers[A].endpoint == endpoint
    assert device.interfaces() == ("wg0",)
    assert peers(device)[A] == (None, set(), 0)


def test_removing_and_adding_in_one_go_forgets_the_endpoint(device):
    """The peer is what it was in all else; only peers with an endpoint are clients."""
    peer = PeerChange(public_key=A, preshared_key=PSK, allowed_ips=("10.0.0.2",), keepalive_s=9)
    change(device, replace(peer, endpoint=Endpoint("192.0.2.1:5555")), PeerChange(public_key=B))
    before = peers(device)
    (client,) = device.clients("wg0").items()
    assert client == (A, device.observe(["wg0"]).interfaces["wg0"].device.peers[A])

    change(device, PeerChange(public_key=A, remove=True), peer)

    assert device.clients("wg0") == {}
    assert peers(device) == before
    assert device.clients("wg7") == {}


def test_samples_are_of_all_peers(device):
    """With where they are, and nothing that was not counted yet."""
    change(device, PeerChange(public_key=A, endpoint=Endpoint("192.0.2.1:5555")))
    change(device, PeerChange(public_key=B))

    (batch,) = device.samples()

    assert batch.interface == "wg0"
    assert sorted(batch.peers) == sorted(
        [Sample(A, 0, 0, 0, Endpoint("192.0.2.1:5555")), Sample(B, 0, 0, 0, None)]
    )


def test_a_device_without_peers_has_samples_of_none(device):
    """Or nobody would know that it is there."""
    (batch,) = device.samples()

    assert (batch.interface, list(batch.peers)) == ("wg0", [])


def test_a_removed_interface_is_gone(device):
    """One that was never there is no error."""
    device.perform(RemoveInterface(name="wg0"))
    device.perform(RemoveInterface(name="wg0"))

    found = device.observe(["wg0"])
    assert found.interfaces == {"wg0": (None, None)}
    assert found.made == frozenset()
    assert device.dead() == ()


def test_a_plan_makes_the_host_as_wanted_and_undo_takes_it_back(host):
    """Two interfaces, every kind of peer, firewall and forwarding."""
    state = State(allocating=False)
    for thing in (
        builders.interface(),
        builders.interface("wg1", port=51821, addresses=("fd09::1/64",), mtu=1300),
        builders.interface("wg2", port=51822, addresses=()),
        builders.peer(1, ip="10.0.0.2", ip6="fd00::2", preshared_key=PSK),
        builders.peer(2, ip="192.168.7.0/24", ip6="fd77::/64"),
        builders.peer(3, ip="10.0.0.3", enabled=False),
        builders.peer(4, interface="wg1", ip6="fd09::102:304"),
        builders.peer(5, interface="wg2"),
    ):
        state.add(thing)
    wants = Wanted(state)
    wants.reset()
    wanted = wants.host()

    for step in plan.plan(wanted, host.observe(wanted.interfaces)):
        assert host.perform(step) == ()

    observed = host.observe(wanted.interfaces)
    assert plan.plan(wanted, observed) == ()
    assert plan.conflicts(wanted, observed) == ()
    assert observed.made == {"wg0", "wg1", "wg2"}
    assert host.undo() == ()
    observed = host.observe(wanted.interfaces)
    assert set(observed.interfaces.values()) == {(None, None)}
    assert observed.firewall is None


def test_a_firewall_can_be_removed_and_a_parameter_set(host):
    """Twice is once."""
    wants = Wanted(State(allocating=False))
    for config in (wants.firewall(), wants.firewall(), None, None):
        host.perform(LoadFirewall(config=config))
        assert host.observe([]).firewall == config
    host.perform(SetSysctl(key="net/ipv4/ip_forward", value="1"))

    assert host.observe([]).sysctls["net/ipv4/ip_forward"] == "1"


def test_a_death_is_told_once(device):
    """Whether or not anything was remembered of it."""
    device.remember()
    device.die("wg0")

    assert eventually_sync(device.dead, "the death to be told") == ("wg0",)
    assert device.dead() == ()
    assert device.revive("wg0") == {}


def test_ways_out_come_and_go(device):
    """Rules and default routes of a table of their own, each step twice."""
    for address in ("10.0.0.1/24", "fd00::1/64"):
        device.perform(AddAddress(name="wg0", address=address))
    rules = PolicyRule(4, 100, 100), PolicyRule(6, 100, 100), PolicyRule(4, 7, 0xFFFFFFFF)
    ways = DefaultRoute(4, 100, "wg0", "10.0.0.9"), DefaultRoute(6, 100, "wg0", "fd00::9")
    steps = (
        *(AddRule(rule=rule) for rule in rules),
        *(AddDefaultRoute(route=way) for way in ways),
        RemoveRule(rule=rules[0]),
        RemoveDefaultRoute(route=ways[0]),
    )

    for step in steps:
        assert device.perform(step) == ()
        assert device.perform(step) == ()

    found = device.observe([])
    assert (found.rules, found.routes) == (set(rules[1:]), {ways[1]})
    assert device.undo() == ()
    found = device.observe([])
    assert (found.rules, found.routes) == (frozenset(), frozenset())


def test_limits_change_in_a_table_that_is_loaded(host):
    """An address moves from one peer to the other; each step twice."""
    first, second = Limit(64_000, ("10.0.0.2", "fd00::/64")), Limit(10_000_000, ("10.0.0.2",))
    config = FirewallConfig(interfaces=(Sources(name="wg0", ranges=()),), limits={A: first})
    with pytest.raises(errors.Unusable, match="the table is not loaded"):
        host.perform(SetLimits(limits={A: first}))

    for step in (LoadFirewall(config=config), SetLimits(limits={A: None, B: second, C: None})):
        host.perform(step)
        host.perform(step)

    assert host.observe([]).firewall == replace(config, limits={B: second})
