"""The thread that looks after a host, on a host in memory."""

import os
import time

import pytest

from tests import builders
from tests.eventually import eventually_sync
from tests.gateways import Follower
from tests.hosts import FakeHost
from wig import errors
from wig.device import Endpoint
from wig.linux import caretaker
from wig.linux.caretaker import Caretaker


class Watched(FakeHost):
    """A host that wakes whoever waits when a device dies."""

    def __init__(self):
        super().__init__()
        self.fd = os.eventfd(0, os.EFD_NONBLOCK)
        self.fault = None

    def wait_fds(self):
        return (self.fd,)

    def die(self, name):
        super().die(name)
        os.eventfd_write(self.fd, 1)

    def dead(self):
        if self.fault is not None:
            raise self.fault
        if died := super().dead():
            os.eventfd_read(self.fd)
        return died


@pytest.fixture
def follower(tmp_path):
    made = Follower(tmp_path, Watched(), endpoint_age_s_max=900.0)
    made.load(builders.interface(), builders.peer(1))
    yield made
    os.close(made.host.fd)


@pytest.fixture
def start(follower):
    """Return how to start a caretaker; it is stopped at the end."""
    started = []

    def begin(audit_interval_s=60.0):
        started.append(Caretaker(follower.sink, audit_interval_s))
        started[0].start()
        return started[0]

    yield begin
    started[0].stop()


def is_back(follower):
    device = follower.host.devices.get("wg0")
    return device is not None and builders.key(1) in device.peers


def test_a_dead_device_comes_back(follower, start):
    """Nobody has to call for it."""
    start()
    follower.host.die("wg0")

    eventually_sync(lambda: is_back(follower), "the device to be back")


def test_drift_is_repaired(follower, start):
    """Every now and then."""
    start(audit_interval_s=0.01)
    follower.host.devices["wg0"] = follower.host.devices["wg0"]._replace(peers={})

    eventually_sync(lambda: is_back(follower), "the peer to be back")
    assert follower.drift == {"peer": 1}


def test_where_clients_are_is_remembered(follower, start, monkeypatch):
    """Or a device that dies would take it along."""
    remembered = []
    monkeypatch.setattr(caretaker, "REMEMBER_INTERVAL_S", 0.01)
    monkeypatch.setattr(follower.host, "remember", lambda: remembered.append(1))
    start()

    eventually_sync(lambda: len(remembered) > 1, "two looks")


def test_idle_clients_are_looked_at(follower, start):
    """From the start."""
    device = follower.host.devices["wg0"]
    client = {"endpoint": Endpoint("192.0.2.1:5"), "handshake_s": int(time.time()) - 100}
    peers = {builders.key(1): device.peers[builders.key(1)]._replace(**client)}
    follower.host.devices["wg0"] = device._replace(peers=peers)
    start()

    eventually_sync(lambda: follower.sink.endpoint_age_s >= 100, "the client's age to be known")


def test_interfaces_that_died_long_ago_are_forgotten(follower, start, monkeypatch):
    """Their names would pile up."""
    looks_after = start()
    monkeypatch.setattr(caretaker, "STEADY_S", 0.0)
    for name in ("wg7", "wg8", "wg0"):
        follower.host.died.append(name)
        os.eventfd_write(follower.host.fd, 1)
        eventually_sync(lambda: not follower.host.died, "the death to be heard of")

    eventually_sync(lambda: set(looks_after._revivals) <= {"wg0"}, "the others to be forgotten")


def test_a_look_that_fails_is_followed_by_another(follower, start, caplog):
    """The host may be out of memory for a moment, say."""
    follower.host.fault = errors.Unusable("no memory")
    looks_after = start(audit_interval_s=0.01)
    eventually_sync(lambda: "host not readable" in caplog.text, "the look to fail")
    follower.host.fault = None
    follower.host.die("wg0")

    eventually_sync(lambda: is_back(follower), "the device to be back")
    assert looks_after.fault is None


@pytest.mark.parametrize("duty", ["remember", "audit", "wipe"])
def test_what_fails_is_tried_again_only_when_it_is_due(follower, start, monkeypatch, duty):
    """A host that cannot be read must not cost a processor."""
    tries = []

    def fail(*_):
        tries.append(1)
        raise errors.Unusable("somebody keeps changing the device")

    monkeypatch.setattr(follower.sink, duty, fail)
    monkeypatch.setattr(caretaker, "REMEMBER_INTERVAL_S", 0.01)
    looks_after = start(audit_interval_s=0.01)
    eventually_sync(lambda: tries, "the first try")
    begin, before = time.monotonic(), len(tries)
    eventually_sync(lambda: time.monotonic() - begin > 0.1, "some time to pass")

    assert len(tries) - before <= (time.monotonic() - begin) / 0.01
    assert looks_after.fault is None


def test_a_device_that_could_not_be_revived_is_tried_again(follower, start, caplog):
    """Its death is told once, and the next audit is far away."""
    follower.host.refused.add("observe")
    start()
    follower.host.die("wg0")
    eventually_sync(lambda: "host not readable" in caplog.text, "the first try to fail")
    follower.host.refused.clear()

    eventually_sync(lambda: is_back(follower), "the device to be back")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_is_there_to_see(follower, start):
    """A thread that ended looks after nothing: the program must notice."""
    follower.host.fault = ZeroDivisionError()
    looks_after = start()

    eventually_sync(lambda: looks_after.fault, "the fault")


def test_a_device_that_keeps_dying_waits_longer_each_time():
    """1, 2, 4 … seconds, and none once it was steady."""
    revival, now, waits = caretaker._Revival(), 1000.0, []
    for _ in range(8):
        waits.append(revival.due(now) - now)
        revival.last = now = now + waits[-1] + 1

    assert waits[:5] == [0, 1, 2, 4, 8]
    assert waits[7] == caretaker.REVIVE_WAIT_S_MAX
    assert revival.due(now + caretaker.STEADY_S + 1) == now + caretaker.STEADY_S + 1
