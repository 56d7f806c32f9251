"""What a host refuses, and what a gateway makes of it."""

from msgspec.structs import replace

from tests import builders
from tests.gateways import Follower
from tests.hosts import FakeHost
from tests.sinks import WG0, A, B, changes, create, quarantine, refused, update
from wig import ops, wanted
from wig.steps import (
    CreateInterface,
)


def test_a_refused_peer_holds_up_nobody(follower):
    """It is reported until it is taken, by an op or by an audit, and set whole then."""
    follower.host.refused = {B.public_key}
    follower.apply(create(B), create(builders.peer("c", ip="10.0.0.4")))
    assert quarantine(follower) == {f"peer {B.public_key}": "the device says: no"}
    assert follower.sink.audit().problems == 1

    follower.host.refused = set()
    follower.apply(update(builders.peer("b", ip="10.0.0.5")))

    assert quarantine(follower) == {}
    assert changes(follower)[0].replace_allowed_ips
    assert follower.sink.audit()[:2] == (0, 0)


def test_problems_are_told_in_words(follower):
    """Many peers with one reason in one sentence, which says since when."""
    others = [builders.peer(number) for number in range(3)]
    follower.host.refused = {other.public_key for other in others} | {"SetDevice"}
    follower.apply(*map(create, others), ops.InterfaceUpdate(interface=builders.interface(port=1)))

    said = [text.split(" (since 2")[0] for text in follower.sink.problems()]

    assert sorted(said) == [
        "3 peers of wg0: the device says: no",
        "port of wg0: SetDevice refused",
    ]


def test_a_refused_peer_that_is_deleted_is_forgotten(follower):
    """There is nothing left to be wrong."""
    follower.host.refused = {B.public_key}
    follower.apply(create(B))
    follower.host.refused = set()

    follower.apply(ops.PeerDelete(public_key=B.public_key))

    assert quarantine(follower) == {}


def test_an_interface_that_cannot_be_made_is_tried_again(tmp_path):
    """Its peers are not even tried; the other interface works."""
    follower = Follower(tmp_path)
    follower.host.links["wg0"] = FakeHost().links.get("wg0", None) or _bridge()
    follower.load(WG0, A, builders.interface("wg1", port=1, addresses=()))
    follower.apply(create(B))
    assert quarantine(follower).keys() == {"interface wg0"}
    assert follower.host.steps == []
    assert "wg1" in follower.host.devices

    del follower.host.links["wg0"]
    since = follower.sink.quarantine()[0].since
    follower.host.refused = {"CreateInterface"}
    follower.sink.audit()
    assert quarantine(follower) == {"interface wg0": "CreateInterface refused"}
    assert follower.sink.quarantine()[0].since == since

    follower.host.refused = set()
    assert follower.sink.audit().differences == 0
    assert follower.host.devices["wg0"].peers.keys() == {A.public_key, B.public_key}


def _bridge():
    host = FakeHost()
    host.perform(CreateInterface(name="wg0"))
    return host.links["wg0"]._replace(kind="bridge")


def test_an_interface_that_is_deleted_is_not_reported_any_more(tmp_path):
    """Its quarantine goes with it."""
    follower = Follower(tmp_path)
    follower.host.refused = {"CreateInterface"}
    follower.load(WG0)

    follower.apply(ops.InterfaceDelete(name="wg0"))

    assert quarantine(follower) == {}


def test_a_full_device_is_reported_before_it_is_hit(tmp_path):
    """And the next audit finds the peers a place, when there is one."""
    follower = Follower(tmp_path, FakeHost(peers_max=1))
    follower.load(WG0, A)

    follower.apply(create(B))
    assert refused(follower) == {f"peer {B.public_key}": wanted.full("wg0", B.public_key, 1).reason}
    follower.start()
    follower.load()
    assert refused(follower).keys() == {f"peer {B.public_key}"}
    assert follower.host.steps == []

    follower.apply(ops.PeerDelete(public_key=A.public_key))
    follower.sink.audit()
    assert refused(follower) == {}
    assert follower.host.devices["wg0"].peers.keys() == {B.public_key}


def test_who_is_disabled_takes_no_place(tmp_path):
    """There are three peers, and one of them on the device."""
    follower = Follower(tmp_path, FakeHost(peers_max=1))
    follower.load(WG0, replace(A, enabled=False), builders.peer("c", enabled=False))

    follower.apply(create(B))

    assert refused(follower) == {}
    assert follower.host.devices["wg0"].peers.keys() == {B.public_key}
    follower.apply(ops.PeerDelete(public_key=B.public_key))
    assert quarantine(follower) == {}


def test_a_device_that_is_nearly_full_is_told_in_time(tmp_path, caplog):
    """Once, and until there is room again or the interface is gone."""
    follower = Follower(tmp_path, FakeHost(peers_max=20))
    follower.load(WG0, *(builders.peer(number) for number in range(18)))
    assert quarantine(follower) == {}

    follower.apply(create(A))
    since = follower.sink.quarantine()[0].since
    follower.apply(create(B))

    assert quarantine(follower) == {"capacity of wg0": "20 of at most 20 peers"}
    assert follower.sink.quarantine()[0].since == since
    assert caplog.text.count("nearly full") == 1
    follower.apply(*(ops.PeerDelete(public_key=each.public_key) for each in (A, B)))
    assert quarantine(follower) == {}


def test_rate_limits_that_nothing_enforces_are_told(tmp_path, caplog):
    """As long as somebody has one, and in the log once."""
    follower = Follower(tmp_path, firewall=False)
    follower.load(WG0, A)
    assert quarantine(follower) == {}

    for rate in (64_000, 128_000):
        follower.apply(update(replace(A, rate_limit=rate)))

    (reason,) = quarantine(follower).values()
    assert reason.startswith("1 have a rate limit and get as much")
    assert caplog.text.count("rate limits of peers are not enforced") == 1
    follower.apply(update(A))
    assert quarantine(follower) == {}


def test_a_device_without_a_limit_is_never_nearly_full(tmp_path):
    """As the kernel's."""
    follower = Follower(tmp_path, FakeHost(peers_max=None))
    follower.load(WG0, A, B)

    assert quarantine(follower) == {}


def test_a_device_that_does_not_answer_is_asked_once(follower):
    """Then the next audit sets everything."""
    follower.host.refused = {"SetPeers"}
    follower.apply(create(B))
    follower.host.refused = set()

    follower.apply(create(builders.peer("c")))
    assert quarantine(follower) == {"peers of wg0": "SetPeers refused"}
    assert follower.host.steps == []

    follower.sink.audit()
    assert quarantine(follower) == {}
    assert len(follower.host.devices["wg0"].peers) == 3


def test_a_host_that_cannot_be_read_is_reported(follower):
    """The state goes on."""
    follower.host.refused = {"observe"}
    follower.load(WG0, A, B)
    assert quarantine(follower) == {"host": "rtnetlink: no"}

    follower.host.refused = set()
    follower.sink.audit()
    assert quarantine(follower) == {}
    assert B.public_key in follower.host.devices["wg0"].peers


def test_a_run_directory_that_cannot_be_written_is_reported(follower):
    """The devices are changed all the same."""
    (follower.folder / "gateway.position").unlink()
    (follower.folder / "gateway.position").mkdir()

    follower.apply(create(B))

    assert "run directory" in quarantine(follower)
    assert B.public_key in follower.host.devices["wg0"].peers
