"""What every `ports.View` must do, whatever it keeps its objects in."""

import pytest

from tests import builders
from tests.builders import (
    create_interface,
    create_peer,
    create_token,
    delete_peer,
    key,
    private_key,
    spec,
)
from tests.contract.views import SUBJECTS, Subject
from wig import addresses, allocation, errors, log, ops
from wig.commands import DeleteInterface, DeleteToken, ImportPeers, UpdateInterface, UpdatePeer
from wig.ports import View


@pytest.fixture(params=SUBJECTS)
def subject(request):
    """Each implementation, empty."""
    with SUBJECTS[request.param]() as subject:
        yield subject


@pytest.fixture
def view(subject: Subject) -> View:
    """Two interfaces; the first has a peer with ranges, a plain one, and one far outside."""
    for command in (
        create_interface("wg0"),
        create_interface("wg1", port=51821, addresses=("10.1.0.1/24",)),
        create_peer("range", ip="10.0.0.8/29", ip6="fd00::100/120"),
        create_peer("plain"),
        create_peer("far", ip="192.168.7.0/24", ip6=None, outside_pool=True),
        create_peer("other", interface="wg1"),
        create_token("admin"),
    ):
        subject.run(command)
    return subject.view


def bounds(text: str) -> tuple[int, int]:
    return addresses.parse_range(text, "test").bounds


def used(view: View, interface: str, version: int) -> list[tuple[int, int]]:
    """Return all islands, found from the top down by `at_or_before` alone."""
    islands, found = view.islands(interface, version), []
    island = islands.at_or_before((1 << addresses.BITS[version]) - 1)
    while island is not None:
        found.append(island)
        island = islands.at_or_before(island[0] - 1) if island[0] else None
    return found[::-1]


def test_nothing_is_found_in_an_empty_view(subject):
    """Absence is None, zero or nothing, never an error."""
    view = subject.view

    assert view.interface("wg0") is None
    assert view.interface_of_key(key()) is None
    assert view.peer(key()) is None
    assert view.token("admin") is None
    assert list(view.interfaces()) == list(view.tokens()) == list(view.peers_of("wg0")) == []
    assert view.peer_count("wg0") == 0


def test_objects_are_found_by_identity_with_their_revision(view):
    """What was created is what is read."""
    assert view.interface("wg0") == builders.interface("wg0", revision="e1:1")
    assert view.peer(key("plain")) == builders.peer(
        "plain", ip="10.0.0.2", ip6="fd00::2", revision="e1:4"
    )
    assert view.token("admin") == builders.token("admin", revision="e1:7")


def test_an_interface_is_found_by_its_key(view):
    """A peer may not have it."""
    assert view.interface_of_key(builders.interface("wg1").public_key).name == "wg1"
    assert view.interface_of_key(key("plain")) is None


def test_lists_are_in_order(view, subject):
    """Interfaces by name, tokens by id, whatever the order they came in."""
    subject.run(create_interface("a0", port=1, addresses=()))
    subject.run(create_token("a"))

    assert [one.name for one in view.interfaces()] == ["a0", "wg0", "wg1"]
    assert [one.id for one in view.tokens()] == ["a", "admin"]


def test_the_peers_of_an_interface_come_by_key(view):
    """Only its own."""
    keys = sorted([key("range"), key("plain"), key("far")])

    assert [peer.public_key for peer in view.peers_of("wg0")] == keys
    assert (view.peer_count("wg0"), view.peer_count("wg1")) == (3, 1)


def test_peers_may_go_while_they_are_listed(view, subject):
    """An interface is deleted with its peers while the list is read."""
    seen = []
    for peer in view.peers_of("wg0"):
        seen.append(peer.public_key)
        subject.apply(ops.PeerDelete(public_key=peer.public_key))

    assert seen == sorted([key("range"), key("plain"), key("far")])
    assert view.peer_count("wg0") == 0


def test_a_peer_that_has_gone_is_not_listed_later(view, subject):
    """The list is never of the past for long: it has what was there, or nothing."""
    first, *rest = sorted([key("range"), key("plain"), key("far")])
    listing = view.peers_of("wg0")

    assert next(listing).public_key == first
    for gone in rest:
        subject.apply(ops.PeerDelete(public_key=gone))

    assert {peer.public_key for peer in listing} <= set(rest)


@pytest.mark.parametrize(
    ("where", "whose"),
    [
        pytest.param("10.0.0.2", "plain", id="host"),
        pytest.param("10.0.0.8", "range", id="first-of-a-range"),
        pytest.param("10.0.0.15", "range", id="last-of-a-range"),
        pytest.param("10.0.0.12/30", "range", id="inside-a-range"),
        pytest.param("10.0.0.8/30", "range", id="head-of-a-range"),
        pytest.param("192.168.0.0/16", "far", id="around-a-range"),
        pytest.param("10.0.0.0/31", None, id="reserved"),
        pytest.param("10.0.0.7", None, id="just-before"),
        pytest.param("10.0.0.16", None, id="just-after"),
        pytest.param("9.0.0.0/8", None, id="before-all"),
        pytest.param("200.0.0.0/8", None, id="after-all"),
        pytest.param("10.1.0.2", None, id="of-another-interface"),
        pytest.param("fd00::1ff", "range", id="ipv6"),
        pytest.param("fd00::200", None, id="ipv6-just-after"),
    ],
)
def test_the_owner_of_addresses_is_found(view, where, whose):
    """Any address in common counts."""
    found = addresses.parse_range(where, "test")

    owner = view.peer_at("wg0", found.version, found.bounds)

    assert (owner and owner.public_key) == (whose and key(whose))


def test_any_owner_among_several_is_good(view):
    """Whoever is in the way can be named."""
    owner = view.peer_at("wg0", 4, bounds("10.0.0.0/24"))

    assert owner.public_key in {key("plain"), key("range")}


def test_islands_are_what_peers_have_and_what_none_may_have(view):
    """They never touch, in either family."""
    assert used(view, "wg0", 4) == [
        (bounds("10.0.0.0")[0], bounds("10.0.0.2")[1]),
        bounds("10.0.0.8/29"),
        bounds("10.0.0.255"),
        bounds("192.168.7.0/24"),
    ]
    assert used(view, "wg0", 6) == [
        (bounds("fd00::")[0], bounds("fd00::2")[1]),
        bounds("fd00::100/120"),
    ]
    assert used(view, "wg1", 6) == []


def test_islands_split_and_join_as_peers_come_and_go(view, subject):
    """A released range is free, what was around it stays used."""
    subject.run(ImportPeers(peers=tuple(spec(n, ip=f"10.0.0.{n}") for n in range(3, 8))))
    assert used(view, "wg0", 4)[0] == (bounds("10.0.0.0")[0], bounds("10.0.0.15")[1])

    subject.run(delete_peer("range"))
    subject.run(delete_peer(5))

    assert used(view, "wg0", 4)[:2] == [
        (bounds("10.0.0.0")[0], bounds("10.0.0.4")[1]),
        (bounds("10.0.0.6")[0], bounds("10.0.0.7")[1]),
    ]
    assert (
        allocation.first_free(view.islands("wg0", 4), bounds("10.0.0.0/24"))
        == (bounds("10.0.0.5")[0])
    )


def test_a_peer_that_moves_leaves_nothing_behind(view, subject):
    """Its old addresses are free, its new ones are its own."""
    subject.run(UpdatePeer(public_key=key("range"), ip="10.0.0.64/28", ip6=None))

    assert view.peer_at("wg0", 4, bounds("10.0.0.8/29")) is None
    assert view.peer_at("wg0", 4, bounds("10.0.0.79")).public_key == key("range")
    assert bounds("10.0.0.64/28") in used(view, "wg0", 4)
    assert used(view, "wg0", 6) == [(bounds("fd00::")[0], bounds("fd00::2")[1])]


def test_a_disabled_peer_keeps_its_addresses(view, subject):
    """It is absent from devices only."""
    before = used(view, "wg0", 4)

    subject.run(UpdatePeer(public_key=key("range"), enabled=False))

    assert used(view, "wg0", 4) == before
    assert not view.peer(key("range")).enabled


def test_an_interface_that_changes_takes_its_reserved_addresses_along(view, subject):
    """The old ones are free in the new pool."""
    subject.run(UpdateInterface(name="wg1", addresses=("10.1.0.9/23", "fd01::1/64"), port=7))

    assert used(view, "wg1", 4) == [
        bounds("10.1.0.0"),
        bounds("10.1.0.2"),
        bounds("10.1.0.9"),
        bounds("10.1.1.255"),
    ]
    assert used(view, "wg1", 6) == [bounds("fd01::/127")]
    assert view.interface("wg1").port == 7


def test_a_new_key_of_an_interface_replaces_the_old_one(view, subject):
    """The old key means nothing any more."""
    old = view.interface("wg0").public_key

    subject.run(UpdateInterface(name="wg0", private_key=private_key("new")))

    assert view.interface_of_key(old) is None
    assert view.interface_of_key(view.interface("wg0").public_key).name == "wg0"


def test_an_interface_that_is_deleted_leaves_nothing(view, subject):
    """A new one of the same name begins with a free pool."""
    made = subject.run(DeleteInterface(name="wg0", with_peers=True))

    assert [type(op) for op in made] == [ops.PeerDelete] * 3 + [ops.InterfaceDelete]
    assert view.interface("wg0") is None
    assert view.peer(key("plain")) is None
    subject.run(create_interface("wg0"))
    (op,) = subject.run(create_peer("new", ip="10.0.0.8/29"))
    assert (op.peer.ip, op.peer.ip6) == ("10.0.0.8/29", "fd00::2")


def test_tokens_come_change_and_go(view, subject):
    """By id."""
    subject.run(create_token("root"))
    subject.apply(ops.TokenUpdate(token=builders.token("root", description="changed")))
    assert view.token("root").description == "changed"

    subject.run(DeleteToken(id="root"))

    assert view.token("root") is None


def test_the_state_digest_is_the_sum_over_all_objects(view, subject):
    """It is kept with every op, of every kind."""
    for command in (
        UpdatePeer(public_key=key("range"), name="new"),
        UpdateInterface(name="wg1", port=7),
        delete_peer("plain"),
        create_token("root"),
        DeleteToken(id="admin"),
    ):
        subject.run(command)
    subject.apply(ops.TokenUpdate(token=builders.token("root", description="changed")))

    total = 0
    for thing in (
        *view.interfaces(),
        *view.peers_of("wg0"),
        *view.peers_of("wg1"),
        *view.tokens(),
    ):
        total = log.state_digest_add(total, log.object_digest(thing))
    assert subject.digest() == log.state_digest_text(total)


@pytest.mark.parametrize(
    "op",
    [
        pytest.param(ops.PeerUpdate(peer=builders.peer("new")), id="peer-update"),
        pytest.param(ops.PeerDelete(public_key=key("new")), id="peer-delete"),
        pytest.param(
            ops.PeerCreate(peer=builders.peer("new", ip="10.0.0.9")), id="peer-on-another"
        ),
        pytest.param(
            ops.InterfaceUpdate(interface=builders.interface("wg9")), id="interface-update"
        ),
        pytest.param(ops.InterfaceDelete(name="wg9"), id="interface-delete"),
        pytest.param(ops.TokenUpdate(token=builders.token("x")), id="token-update"),
        pytest.param(ops.TokenDelete(id="x"), id="token-delete"),
    ],
)
def test_an_op_that_cannot_be_is_damage(view, subject, op):
    """It is never repaired silently."""
    assert view.interface("wg0")

    with pytest.raises(errors.Damaged):
        subject.apply(op)
