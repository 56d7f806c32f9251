"""Addresses of idle clients: taken from a host in memory, and from what is remembered of it."""

import logging
import threading

import pytest
from msgspec.structs import replace

from tests import builders
from tests.gateways import Follower
from tests.hosts import FakeHost
from wig import errors, keys, ops
from wig.device import Endpoint
from wig.linux import wiping
from wig.steps import PeerChange, Problem, SetPeers

NOW, WALL, AGE_S = 5000.0, 1_800_000_000.0, 900.0
PSK = keys.PresharedKey(builders.key("psk"))
A = builders.peer("a", ip="10.0.0.2", preshared_key=PSK)
B = builders.peer("b", ip="10.0.0.3")


class Host(FakeHost):
    """A host where a client may come just before its peer is changed."""

    comes = None
    meanwhile = None
    unreadable = frozenset()
    halfway = None
    """It takes the first change of a step only; how it says so, by what is about."""

    def perform(self, step):
        if not self.halfway or not isinstance(step, SetPeers):
            return super().perform(step)
        super().perform(replace(step, changes=step.changes[:1]))
        if self.halfway.startswith("peers"):
            raise errors.Unusable("no answer")
        return (Problem(self.halfway, step.name, "no"),)

    def connect(self, peer, at_s=0.0):
        """A client shakes hands, at a time that counts from `WALL`."""
        device = self.devices["wg0"]
        told = {"endpoint": Endpoint("192.0.2.1:5"), "handshake_s": int(WALL + at_s)}
        found = device.peers[peer.public_key]._replace(**told, received_bytes=7)
        self.devices["wg0"] = device._replace(peers={**device.peers, peer.public_key: found})

    def clients(self, name):
        if name in self.unreadable:
            raise errors.Unusable(f"the device of {name!r} is not understood")
        if self.meanwhile is not None:
            self.meanwhile()
        if self.comes is not None:
            self.connect(*self.comes)
        return super().clients(name)


@pytest.fixture
def follower(tmp_path):
    made = Follower(tmp_path, Host(), endpoint_age_s_max=AGE_S)
    made.load(builders.interface(), A, B)
    made.host.connect(A)
    assert wipe(made, 0.0) == 0
    made.host.steps.clear()
    return made


def wipe(follower, at_s):
    return follower.sink.wipe(NOW + at_s, WALL + at_s)


def test_an_idle_client_is_forgotten_and_its_peer_stays(follower):
    """As it was in all else, in one write; nobody else is touched."""
    before = dict(follower.host.devices["wg0"].peers)
    follower.sink.remember()

    assert wipe(follower, AGE_S) == 1

    after = follower.host.devices["wg0"].peers
    assert after[A.public_key] == before[A.public_key]._replace(
        endpoint=None, handshake_s=0, received_bytes=0
    )
    assert after[B.public_key] == before[B.public_key]
    assert len(follower.host.steps) == 1
    assert follower.host.endpoints == {}
    assert (follower.sink.endpoints_wiped, follower.sink.audit().differences) == (1, 0)
    assert wipe(follower, AGE_S + 30) == 0


def test_a_connected_client_is_not_forgotten(follower):
    """It greets again every two minutes."""
    for at_s in range(0, 3000, 120):
        follower.host.connect(A, at_s)
        assert wipe(follower, at_s + 30.0) == 0

    assert follower.host.steps == []
    assert follower.sink.endpoint_age_s is not None


def test_looking_for_idle_clients_holds_up_nobody(follower):
    """Reading a large device takes long; entries that arrive then are applied."""
    held_up = []

    def arrive():
        other = threading.Thread(target=follower.sink.dead)
        other.start()
        other.join(5.0)
        held_up.append(other.is_alive())

    follower.host.meanwhile = arrive

    assert wipe(follower, 0.0) == 0
    assert held_up == [False]


def test_a_client_that_comes_at_the_last_moment_is_kept(follower):
    """The device is read right before it is changed."""
    follower.host.comes = (A, AGE_S)

    assert wipe(follower, AGE_S) == 0
    assert follower.host.steps == []


def test_many_are_forgotten_bit_by_bit(follower, monkeypatch):
    """And the device is read in between."""
    monkeypatch.setattr(wiping, "PEERS_MAX", 1)
    follower.host.connect(B)
    wipe(follower, 1.0)

    assert wipe(follower, AGE_S + 1) == 2

    taken = [{change.public_key for change in step.changes} for step in follower.host.steps]
    assert sorted(taken, key=str) == sorted([{A.public_key}, {B.public_key}], key=str)


def test_who_waits_is_let_in_between_two_rounds(follower, monkeypatch):
    """An entry, say: a thousand clients at a time are forgotten, and there may be many times."""
    let_in = []

    def pause():
        other = threading.Thread(target=follower.sink.dead)
        other.start()
        other.join(5.0)
        let_in.append(not other.is_alive())

    monkeypatch.setattr(wiping, "PEERS_MAX", 1)
    monkeypatch.setattr(wiping, "_pause", pause)
    follower.host.connect(B)
    wipe(follower, 1.0)

    assert wipe(follower, AGE_S + 1) == 2
    assert let_in == [True, True]


def test_a_device_that_keeps_changing_is_looked_at_in_peace(follower):
    """While entries arrive, a reading of a large one may not be coherent: then they wait."""
    follower.host.meanwhile = lambda: keeps_changing(follower)

    assert wipe(follower, AGE_S) == 1


def keeps_changing(follower):
    """Fail unless entries are kept out."""
    let_in = []
    other = threading.Thread(target=lambda: let_in.append(follower.sink.dead()))
    other.start()
    other.join(0.3)
    if let_in:
        raise errors.Unusable("somebody keeps changing the device of 'wg0'")


def test_an_interface_in_trouble_keeps_no_other_from_its_turn(follower, caplog):
    """It is told of, and tried again the next time."""
    follower.apply(ops.InterfaceCreate(interface=builders.interface("wg-1", port=1, addresses=())))
    assert follower.host.interfaces() == ("wg-1", "wg0")
    follower.host.unreadable = {"wg-1"}

    assert wipe(follower, AGE_S) == 1
    assert "not understood" in str([vars(record) for record in caplog.records])


def test_it_needs_no_state(follower):
    """A gateway that cannot reach its upstream forgets as well, also after a restart."""
    follower.start()
    wipe(follower, 0.0)

    assert wipe(follower, AGE_S) == 1
    assert follower.host.steps == [
        SetPeers(
            name="wg0",
            changes=(
                PeerChange(public_key=A.public_key, remove=True),
                PeerChange(
                    public_key=A.public_key,
                    preshared_key=PSK,
                    allowed_ips=("10.0.0.2",),
                    keepalive_s=0,
                ),
            ),
        )
    ]


def test_a_device_that_does_not_answer_is_tried_again(follower, caplog):
    """The next time."""
    follower.host.refused = {"SetPeers"}
    assert wipe(follower, AGE_S) == 0
    assert "stay" in caplog.text

    follower.host.refused = set()
    assert wipe(follower, AGE_S + 30) == 1


def test_a_peer_that_the_device_does_not_take_is_tried_again(follower, caplog):
    """The next time, not at once."""
    follower.host.refused = {A.public_key}
    assert wipe(follower, AGE_S) == 0
    assert "the device says: no" in str([vars(record) for record in caplog.records])

    follower.host.refused = set()
    assert wipe(follower, AGE_S + 30) == 1


@pytest.mark.parametrize("audit_only", [False, True])
@pytest.mark.parametrize("subject", [f"peer {A.public_key}", "peers of wg0"])
def test_a_peer_that_does_not_come_back_is_set_aside(tmp_path, audit_only, subject):
    """So the next audit brings it back, even one that leaves what others did."""
    follower = Follower(tmp_path, Host(), endpoint_age_s_max=AGE_S, audit_only=audit_only)
    follower.load(builders.interface(), A, B)
    follower.host.connect(A)
    wipe(follower, 0.0)
    follower.host.halfway = subject

    wipe(follower, AGE_S)
    assert {each.subject for each in follower.sink.quarantine()} == {subject}
    follower.host.halfway = None
    assert follower.sink.audit().differences == 0

    assert follower.host.devices["wg0"].peers.keys() == {A.public_key, B.public_key}
    assert follower.sink.quarantine() == ()


def test_an_interface_that_is_gone_has_no_clients(follower):
    """Its oldest client is nobody's any more."""
    follower.apply(
        *(ops.PeerDelete(public_key=each.public_key) for each in (A, B)),
        ops.InterfaceDelete(name="wg0"),
    )
    wipe(follower, 0.0)

    assert follower.sink.endpoint_age_s == 0.0


def test_it_can_be_turned_off(tmp_path):
    """Then nobody looks, and there is no age to tell."""
    follower = Follower(tmp_path, Host())
    follower.load(builders.interface(), A)
    follower.host.connect(A)

    assert wipe(follower, 1e9) == 0
    assert follower.sink.endpoint_age_s is None
    assert follower.host.devices["wg0"].peers[A.public_key].endpoint is not None


def test_nothing_is_logged_of_who_was_where(follower, caplog):
    """Only how many."""
    caplog.set_level(logging.DEBUG)
    follower.host.steps.clear()
    wipe(follower, AGE_S)

    told = "".join(str(vars(record)) for record in caplog.records)
    assert "'count': 1" in told
    assert A.public_key not in told
    assert "192.0.2" not in told
