"""The gateway's Sink on a host in memory: what it writes, sets aside, repairs and brings back."""

import logging

import pytest

from tests import builders
from tests.gateways import Follower
from tests.sinks import WG0, A, B, changes, create, update
from wig import errors, ops
from wig.device import Endpoint
from wig.steps import (
    AddRoute,
    LoadFirewall,
    PeerChange,
    RemoveInterface,
    RemoveRoute,
    SetDevice,
    SetPeers,
)

# Writes.


def test_one_op_is_one_small_write(follower):
    """Whatever else is on the device."""
    follower.apply(create(B))

    change = PeerChange(public_key=B.public_key, allowed_ips=("10.0.0.3",))
    assert follower.host.steps == [SetPeers(name="wg0", changes=(change,))]


def test_a_batch_is_one_write(follower):
    """What it undoes of itself is not written at all."""
    follower.apply(
        create(B),
        update(builders.peer("b", ip="10.0.0.4")),
        ops.PeerDelete(public_key=A.public_key),
    )
    assert len(follower.host.steps) == 1
    assert [each.public_key for each in changes(follower)] == [A.public_key, B.public_key]

    follower.apply(create(builders.peer("c")), ops.PeerDelete(public_key=builders.key("c")))
    assert follower.host.steps == []


def test_what_the_device_does_not_know_is_not_written(follower):
    """Names, descriptions, resolvers, tokens."""
    follower.apply(
        update(builders.peer("a", ip="10.0.0.2", name="Ada")),
        ops.InterfaceUpdate(interface=builders.interface(description="x", dns=("9.9.9.9",))),
        ops.TokenCreate(token=builders.token()),
        ops.TokenUpdate(token=builders.token(description="x")),
        ops.TokenDelete(id="admin"),
    )

    assert follower.host.steps == []


def test_a_disabled_peer_is_removed(follower):
    """And it is new when it is enabled again."""
    follower.apply(update(builders.peer("a", ip="10.0.0.2", enabled=False)))
    assert changes(follower) == [PeerChange(public_key=A.public_key, remove=True)]

    follower.apply(update(A))
    assert changes(follower) == [PeerChange(public_key=A.public_key, allowed_ips=("10.0.0.2",))]


def test_a_peer_may_move_to_another_interface_within_a_batch(follower):
    """Deleted here, created there: each device hears its part."""
    other = builders.interface("wg1", port=51821, addresses=())
    follower.apply(ops.InterfaceCreate(interface=other))

    follower.apply(
        ops.PeerDelete(public_key=A.public_key), create(builders.peer("a", interface="wg1"))
    )

    assert [step.name for step in follower.host.steps] == ["wg0", "wg1"]
    assert follower.sink.audit().differences == 0


def test_an_address_moves_from_peer_to_peer(follower):
    """In one batch, whichever way round."""
    follower.apply(create(B))

    follower.apply(
        update(builders.peer("a", ip="10.0.0.9")),
        update(builders.peer("b", ip="10.0.0.2")),
        update(builders.peer("a", ip="10.0.0.3")),
    )

    peers = follower.host.devices["wg0"].peers
    assert peers[A.public_key].allowed_ips == ("10.0.0.3",)
    assert peers[B.public_key].allowed_ips == ("10.0.0.2",)


def test_an_interface_is_changed_in_place(follower):
    """Its peers are not touched."""
    follower.apply(ops.InterfaceUpdate(interface=builders.interface(port=4000)))

    assert follower.host.steps == [SetDevice(name="wg0", listen_port=4000)]


def test_an_interface_comes_and_goes(follower):
    """With its firewall; a stranger's interfaces stay."""
    follower.host.links["eth0"] = follower.host.links["wg0"]
    follower.apply(ops.InterfaceCreate(interface=builders.interface("wg1", port=1, addresses=())))
    assert follower.host.table.interfaces[1].name == "wg1"

    follower.apply(ops.InterfaceDelete(name="wg1"))

    assert follower.host.steps[0] == RemoveInterface(name="wg1")
    assert [each.name for each in follower.host.table.interfaces] == ["wg0"]
    assert follower.host.links.keys() == {"wg0", "eth0"}


def test_a_range_outside_the_pool_is_routed(follower):
    """One route and one table, without looking at the other peers."""
    table = follower.host.table
    follower.apply(create(builders.peer("c", ip="192.168.7.0/24")))

    assert [type(step) for step in follower.host.steps] == [LoadFirewall, AddRoute, SetPeers]
    follower.apply(ops.PeerDelete(public_key=builders.key("c")))
    assert [type(step) for step in follower.host.steps] == [LoadFirewall, RemoveRoute, SetPeers]
    assert follower.host.table == table


# Positions.


def test_the_position_is_kept_for_the_next_process(follower):
    """The state is not: it comes again as a snapshot."""
    follower.apply(create(B))
    position = follower.sink.position()
    assert follower.sink.device_position() == position
    assert follower.sink.database() == "db"

    follower.start()

    assert follower.sink.position() is None
    assert follower.sink.device_position() == position
    assert follower.sink.database() == "db"


def test_a_gateway_without_a_position_changes_nothing(tmp_path):
    """Neither by an audit nor when a device dies."""
    follower = Follower(tmp_path)
    follower.sink.audit()
    follower.sink.revive("wg0")

    assert follower.host.steps == []
    assert follower.sink.device_position() is None
    assert follower.sink.database() is None


def test_a_restart_changes_nothing(follower):
    """The devices are as they were left."""
    follower.start()
    follower.load()

    assert follower.host.steps == []


def test_an_entry_from_a_newer_wig_stops_after_those_before_it(follower):
    """The peers before it are on the device."""
    known, strange = follower.record(create(B)), follower.record_of(b'{"seq":2}')

    with pytest.raises(errors.Unsupported, match="entry 2 is not understood"):
        follower.sink.apply("e1", [known, strange])

    assert B.public_key in follower.host.devices["wg0"].peers
    assert follower.sink.position().seq == known.seq


def test_an_entry_that_cannot_be_gives_the_state_up(follower):
    """A snapshot must replace it; the devices go on."""
    record = follower.record(create(B))
    follower.sink.apply("e1", [record])

    with pytest.raises(errors.Damaged):
        follower.sink.apply("e1", [record])

    assert follower.sink.position() is None
    assert B.public_key in follower.host.devices["wg0"].peers


# Audits.


def test_drift_is_counted_once(follower):
    """Each peer is one; what is in quarantine already is none."""
    follower.host.devices["wg0"] = follower.host.devices["wg0"]._replace(peers={}, listen_port=1)
    follower.host.refused = {"SetDevice"}
    follower.sink.audit()
    follower.host.refused = set()

    assert follower.drift == {"peer": 1}
    assert follower.sink.audit().differences == 0
    assert follower.sink.audit().differences == 0
    assert follower.host.devices["wg0"].listen_port == 51820


# Devices that die.


def test_connected_peers_come_back_first(follower, caplog):
    """With their endpoints, and greeted before the others are even set."""
    caplog.set_level(logging.INFO)
    follower.apply(create(B))
    peers = dict(follower.host.devices["wg0"].peers)
    peers[B.public_key] = peers[B.public_key]._replace(endpoint=Endpoint("192.0.2.1:5"))
    follower.host.devices["wg0"] = follower.host.devices["wg0"]._replace(peers=peers)
    follower.sink.remember()
    follower.host.die("wg0")
    follower.host.steps.clear()
    follower.host.awake.clear()

    for name in follower.sink.dead():
        follower.sink.revive(name)

    assert [each.public_key for each in changes(follower)] == [B.public_key, A.public_key]
    assert changes(follower)[0].endpoint == Endpoint("192.0.2.1:5")
    assert follower.host.awake == [B.public_key]
    assert "device is back" in caplog.text
    assert follower.sink.audit().differences == 0


def test_a_device_that_dies_while_it_is_revived_is_reported(follower):
    """The caretaker hears of it again."""
    follower.host.endpoints = {A.public_key: Endpoint("192.0.2.1:5")}
    follower.host.refused = {"wake"}
    follower.host.die("wg0")

    follower.sink.revive("wg0")

    assert A.public_key in follower.host.devices["wg0"].peers


def test_who_was_connected_is_known_until_the_host_can_be_read(follower):
    """The next try has their endpoints still."""
    follower.host.endpoints = {A.public_key: Endpoint("192.0.2.1:5")}
    follower.host.die("wg0")
    follower.host.refused = {"observe"}
    with pytest.raises(errors.Unusable):
        follower.sink.revive("wg0")

    follower.host.refused = set()
    follower.sink.revive("wg0")

    assert follower.host.awake == [A.public_key]


def test_a_device_that_nobody_wants_stays_dead(follower, caplog):
    """It was deleted meanwhile."""
    caplog.set_level(logging.INFO)
    follower.host.steps.clear()

    follower.sink.revive("wg7")

    assert follower.host.steps == []
    assert "device is back" not in caplog.text


# The end.


def test_closing_leaves_the_devices(follower):
    """Unless they are to go."""
    follower.sink.close()
    assert "wg0" in follower.host.devices

    follower.sink.close(down=True)
    assert follower.host.devices == {}


def test_what_does_not_go_down_is_told(follower, caplog):
    """An operator has to look after it."""
    follower.host.refused = {"undo"}

    follower.sink.close(down=True)

    assert "not removed" in caplog.text
    assert caplog.records[-1].reason == "stays"


def test_nothing_secret_is_logged(follower, caplog):
    """Neither keys of any kind, nor where a client is."""
    caplog.set_level(logging.DEBUG)
    follower.host.endpoints = {A.public_key: Endpoint("192.0.2.1:5")}
    follower.host.refused = {B.public_key, "SetDevice"}
    follower.apply(create(B), ops.InterfaceUpdate(interface=builders.interface(port=1)))
    follower.sink.audit()
    follower.host.die("wg0")
    follower.sink.revive("wg0")

    told = "".join(str(vars(record)) for record in caplog.records)
    assert "in quarantine" in told
    for secret in (A.public_key, B.public_key, WG0.private_key.reveal(), "192.0.2.1"):
        assert secret not in told
