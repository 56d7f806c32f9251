"""Audits that find something: repaired and counted, or only told."""

import logging

import pytest

from tests import builders
from tests.gateways import Follower
from wig import ops
from wig.linux import drift
from wig.steps import AddAddress, CreateInterface, PeerChange, SetDevice, SetPeers, SetSysctl

A, B, C = (builders.peer(name, ip=f"10.0.0.{n}") for n, name in enumerate("abc", start=2))
HINT = "--audit-only repairs nothing: without it the next audit does, and so does a restart"


@pytest.fixture
def follower(tmp_path):
    """One that only audits."""
    made = Follower(tmp_path, audit_only=True)
    made.load(builders.interface(), A, B)
    return made


def meddle(follower):
    """Do by hand what wig would not: a peer less, another one, an address less, no table."""
    host = follower.host
    device = host.devices["wg0"]
    peers = {
        B.public_key: device.peers[B.public_key],
        builders.key("x"): device.peers[A.public_key],
    }
    host.devices["wg0"] = device._replace(peers=peers)
    host.links["wg0"] = host.links["wg0"]._replace(addresses=frozenset({"10.0.0.1/24"}))
    host.table = None
    host.steps.clear()


COUNTS = {"peer": 2, "address": 1, "firewall": 1}


def told(follower):
    return {each.subject: each.reason for each in follower.sink.quarantine()}


def test_audit_only_reports_and_repairs_nothing(follower):
    """The status shows how much differs, where, and what to do."""
    meddle(follower)

    found = follower.sink.audit()

    assert found.differences == 4
    assert follower.sink.last_audit == found
    assert follower.host.steps == []
    assert told(follower) == {
        "drift of this host": "not as planned: 1 firewall",
        "drift of wg0": "not as planned: 1 address, 2 peer",
    }
    assert all(sentence.endswith(HINT) for sentence in follower.sink.problems())


def test_a_difference_that_stays_is_counted_and_logged_once(follower, caplog):
    """Under its kind; one that goes and comes again is a new one."""
    meddle(follower)
    follower.sink.audit()
    since = {each.since for each in follower.sink.quarantine()}
    said = [record.step for record in caplog.records if record.message == "audit would"]
    assert said == [
        "load firewall",
        "add address fd00::1/64 of wg0",
        "set 1 and remove 1 peers of wg0",
    ]

    follower.sink.audit()

    assert follower.drift == COUNTS
    assert len([record for record in caplog.records if record.message == "audit would"]) == 3
    assert {each.since for each in follower.sink.quarantine()} == since
    follower.load()
    assert follower.sink.audit().differences == 0
    assert told(follower) == {}
    meddle(follower)
    follower.sink.audit()
    assert follower.drift == {kind: 2 * count for kind, count in COUNTS.items()}


def test_audit_only_still_tries_what_the_host_refused(follower):
    """That is no drift: wig itself has not been able to do it yet."""
    follower.host.refused = {C.public_key, "SetDevice"}
    follower.apply(
        ops.PeerCreate(peer=C), ops.InterfaceUpdate(interface=builders.interface(port=4000))
    )
    meddle(follower)
    follower.host.refused = set()

    assert follower.sink.audit().differences == 4

    assert follower.host.devices["wg0"].listen_port == 4000
    assert C.public_key in follower.host.devices["wg0"].peers
    assert A.public_key not in follower.host.devices["wg0"].peers


def test_audit_only_repairs_nothing_after_a_look_that_failed(follower):
    """What somebody changed is not what the host has refused."""
    meddle(follower)
    follower.host.refused.add("observe")
    follower.sink.audit()
    assert told(follower) == {"audit": "rtnetlink: no"}

    follower.host.refused.clear()
    assert follower.sink.audit().differences == sum(COUNTS.values())
    assert follower.host.steps == []
    assert "audit" not in told(follower)


def test_audit_only_makes_what_could_not_be_made(tmp_path):
    """An interface, with all that is on it; a host that could not be read."""
    follower = Follower(tmp_path, audit_only=True)
    follower.host.refused = {"CreateInterface"}
    follower.load(builders.interface(), A)
    follower.host.refused = {"observe"}
    follower.load()
    follower.host.refused = set()

    assert follower.sink.audit().differences == 0
    assert follower.host.devices["wg0"].peers.keys() == {A.public_key}


def test_repairs_are_counted_by_kind(tmp_path):
    """And nothing is left to report."""
    follower = Follower(tmp_path)
    follower.load(builders.interface(), A, B)
    meddle(follower)

    assert follower.sink.audit().differences == 4
    assert follower.drift == COUNTS
    assert follower.sink.quarantine() == ()


def test_kinds_without_differences_are_counted_too(follower):
    """Or the first difference would raise no alert: there must be a 0 to grow from."""
    meddle(follower)
    before = follower.sink.drift
    follower.sink.audit()

    assert set(before) == set(follower.sink.drift)
    assert set(before.values()) == {0}


def test_nothing_secret_is_told(follower, caplog):
    """Neither keys nor where a client is."""
    caplog.set_level(logging.DEBUG)
    meddle(follower)
    device = follower.host.devices["wg0"]
    follower.host.devices["wg0"] = device._replace(private_key=None, listen_port=1)

    follower.sink.audit()

    said = "".join(str(vars(record)) for record in caplog.records) + str(follower.sink.problems())
    assert "set key of wg0" in said
    for secret in (A.public_key, builders.key("x"), builders.private_key("wg0").reveal()):
        assert secret not in said


def test_a_long_plan_is_cut(follower, caplog, monkeypatch):
    """The log says how much there is besides."""
    monkeypatch.setattr(drift, "STEPS_MAX", 1)
    meddle(follower)
    follower.sink.audit()

    assert [record.message for record in caplog.records] == ["audit would", "audit would do more"]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (CreateInterface(name="wg0"), "create interface wg0"),
        (AddAddress(name="wg0", address="10.0.0.1/24"), "add address 10.0.0.1/24 of wg0"),
        (SetDevice(name="wg0", listen_port=5), "set port of wg0"),
        (SetSysctl(key="net/x", value="1"), "set parameter net/x"),
        (
            SetPeers(name="wg0", changes=(PeerChange(public_key="a", remove=True),)),
            "set 0 and remove 1 peers of wg0",
        ),
    ],
)
def test_steps_have_words(step, words):
    """Of an operator."""
    assert drift.describe(step) == words
