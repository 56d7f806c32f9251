"""Random states on random hosts: a plan settles everything, and touches nothing else."""

import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import given
from msgspec import UNSET

from tests import builders, world
from tests.gateways import Follower
from tests.hosts import FakeHost
from tests.property.strategies import histories
from wig import egress, errors, keys, ops, plan
from wig.device import Device, DevicePeer, FirewallConfig, HostConfig, Link, PeerConfig
from wig.egress import Egress
from wig.state import State
from wig.steps import SetPeers
from wig.wanted import Wanted, peer_config, peer_limit

_some_keys = st.sampled_from([builders.key(seed) for seed in range(6)] + [builders.key("other")])
_some_ips = st.lists(
    st.sampled_from(["10.0.0.2", "10.0.0.3", "10.0.0.8/30", "fd00::2"]), max_size=2, unique=True
)
_peers = st.builds(
    DevicePeer,
    preshared_key=st.sampled_from([None, keys.PresharedKey(builders.key("psk"))]),
    allowed_ips=_some_ips.map(tuple),
    keepalive_s=st.sampled_from([0, 25]),
    endpoint=st.none(),
    handshake_s=st.just(0),
    received_bytes=st.just(0),
    sent_bytes=st.just(0),
)
_devices = st.builds(
    Device,
    private_key=st.sampled_from([None, builders.private_key("wg0"), builders.private_key("x")]),
    listen_port=st.integers(0, 3),
    fwmark=st.sampled_from([0, 7]),
    peers=st.dictionaries(_some_keys, _peers, max_size=4),
)
_links = st.builds(
    Link,
    kind=st.just("tun"),
    mtu=st.sampled_from([1300, 1420]),
    up=st.booleans(),
    addresses=st.frozensets(st.sampled_from(["10.0.0.1/28", "10.9.0.1/24", "fd00::1/124"])),
    routes=st.frozensets(st.sampled_from(["10.0.0.32/29", "10.77.0.0/24"])),
)

_ways = st.sampled_from(
    [
        [],
        ["wg0=device:eth0,table:100,via:192.0.2.1"],
        ["wg0=device:eth1,table:100,via:192.0.2.1,via6:fe80::1,fwmark:7", "wg1=table:5,mark:9"],
    ]
).map(egress.parse_all)


def refused(follower):
    """Return what is in quarantine; warnings are not."""
    found = [each.subject for each in follower.sink.quarantine()]
    return [about for about in found if not about.startswith(("capacity", "rates"))]


@st.composite
def hosts(draw):
    """Return a host on which anything may have happened to anything."""
    host = FakeHost(peers_max=None)
    for name in draw(st.sets(st.sampled_from(["wg0", "wg1", "wg9"]))):
        host.links[name], host.devices[name] = draw(_links), draw(_devices)
        if draw(st.booleans()):
            host.made.add(name)
    host.table = draw(st.sampled_from([None, UNSET]))
    before = Wanted(State(allocating=False), egress=draw(_ways)).host()
    host.rules, host.routes = set(before.rules), set(before.routes)
    for key in host.sysctls:
        host.sysctls[key] = draw(st.sampled_from(["0", "1"]))
    return host


def after(history) -> tuple[State, list[ops.Op]]:
    """Return the state of a history, and its ops."""
    known = world.World()
    for command in history:
        try:
            known.run(command)
        except errors.WigError:
            continue
    return known.state, known.log


def wanted_of(state: State, ways: dict[str, Egress] | None = None) -> HostConfig:
    wants = Wanted(state, egress=ways)
    wants.reset()
    return wants.host()


def assert_settled(state: State, host: FakeHost, ways: dict[str, Egress] | None = None) -> None:
    """The host is what the state says, and a plan agrees."""
    wanted = wanted_of(state, ways)
    assert plan.plan(wanted, host.observe(wanted.interfaces)) == ()
    for name, config in wanted.interfaces.items():
        device = host.devices[name]
        expected = {
            peer.public_key: peer_config(peer) for peer in state.peers_of(name) if peer.enabled
        }
        assert {
            key: (peer.preshared_key, set(peer.allowed_ips)) for key, peer in device.peers.items()
        } == {key: (peer.preshared_key, set(peer.allowed_ips)) for key, peer in expected.items()}
        assert device.listen_port == config.device.listen_port
        assert host.links[name].addresses == set(config.link.addresses)
        assert host.links[name].up
    assert host.made <= wanted.interfaces.keys()
    assert isinstance(host.table, FirewallConfig)
    assert host.table.limits == {
        peer.public_key: limit
        for name in wanted.interfaces
        for peer in state.peers_of(name)
        if (limit := peer_limit(peer)) is not None
    }


@given(histories, hosts(), _ways)
def test_nothing_is_left_to_do_after_a_plan(history, host, ways):
    """Whatever the host was like, one plan makes it what the state says."""
    state, _ = after(history)
    wanted = wanted_of(state, ways)
    observed = host.observe(wanted.interfaces)
    unchanged = {
        (name, key)
        for name, config in wanted.interfaces.items()
        for key, peer in (observed.interfaces[name].device or plan.NEW_DEVICE).peers.items()
        if key in config.device.peers
        and (peer.preshared_key, set(peer.allowed_ips), peer.keepalive_s)
        == (config.device.peers[key].preshared_key, set(config.device.peers[key].allowed_ips), 0)
    }

    steps = plan.plan(wanted, observed)

    for step in steps:
        host.perform(step)
        if isinstance(step, SetPeers):
            assert not unchanged & {(step.name, change.public_key) for change in step.changes}
    assert_settled(state, host, ways)
    assert (host.rules, host.routes) == (wanted.rules, wanted.routes)


@given(histories, st.data())
def test_ops_lead_where_a_plan_would(history, data):
    """In batches of any size, and whatever a batch undoes of itself."""
    state, changes = after(history)
    with tempfile.TemporaryDirectory() as folder:
        follower = Follower(Path(folder), FakeHost(peers_max=None))
        while changes:
            size = data.draw(st.integers(1, 5))
            follower.apply(*changes[:size])
            del changes[:size]
            assert_settled(follower.state, follower.host)

    assert follower.sink.state_digest() == state.state_digest
    assert refused(follower) == []


@given(histories, st.data())
def test_no_op_stops_a_gateway(history, data):
    """Whatever the host refuses: in the end an audit, with nothing refused, settles all."""
    state, changes = after(history)
    kinds = st.sampled_from(["SetDevice", "SetPeers", "CreateInterface", "SetLink", "LoadFirewall"])
    with tempfile.TemporaryDirectory() as folder:
        follower = Follower(Path(folder), FakeHost(peers_max=2))
        while changes:
            size = data.draw(st.integers(1, 5))
            follower.host.refused = data.draw(
                st.sets(_some_keys, max_size=2) | st.sets(kinds, max_size=2)
            )
            follower.apply(*changes[:size])
            del changes[:size]
        follower.host.refused = set()
        follower.host.peers_max = None
        follower.sink.audit()

        assert refused(follower) == []
        assert_settled(state, follower.host)
        assert follower.sink.audit().differences == 0


@given(st.dictionaries(_some_keys, _peers), st.dictionaries(_some_keys, _peers))
def test_any_set_of_peers_turns_into_any_other(before, wanted_peers):
    """Unless it wants one address twice: then no device could have it."""
    wanted, taken = {}, set()
    for key, peer in wanted_peers.items():
        free = tuple(text for text in peer.allowed_ips if text not in taken)
        taken.update(free)
        wanted[key] = peer._replace(allowed_ips=free)
    host = FakeHost(peers_max=max(len(before), len(wanted)))
    host.links["wg0"] = Link("tun", 1420, True, frozenset(), frozenset())
    host.devices["wg0"] = Device(None, 0, 0, dict(before))
    configs = {
        key: PeerConfig(peer.preshared_key, peer.allowed_ips, peer.keepalive_s)
        for key, peer in wanted.items()
    }

    changes = tuple(plan.peer_changes(configs, before))
    host.perform(SetPeers(name="wg0", changes=changes))

    found = host.devices["wg0"].peers
    assert found.keys() == configs.keys()
    for key, config in configs.items():
        assert set(found[key].allowed_ips) == set(config.allowed_ips)
        assert found[key].preshared_key == config.preshared_key
        assert found[key].keepalive_s == config.keepalive_s
    assert tuple(plan.peer_changes(configs, found)) == ()
