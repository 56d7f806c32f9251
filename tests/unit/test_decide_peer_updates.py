"""What may become of a peer: updates and deletions."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.builders import NOON, create_interface, create_peer, key
from tests.refusal import refused
from tests.world import World
from wig import errors, keys, ops
from wig.commands import AUTO, DeletePeer, UpdatePeer

PSK = keys.PresharedKey(key("psk"))


def update(seed: object = "ada", **fields) -> UpdatePeer:
    return UpdatePeer(public_key=key(seed), **fields)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"name": "Eve"}, id="name"),
        pytest.param({"description": "laptop"}, id="description"),
        pytest.param({"preshared_key": PSK}, id="secret"),
        pytest.param({"enabled": False}, id="enabled"),
        pytest.param({"rate_limit": 10_000_000}, id="rate"),
        pytest.param({"expire": NOON + timedelta(days=1)}, id="expire"),
        pytest.param({"ip": None}, id="no-address"),
        pytest.param({"ip": "10.0.0.200"}, id="elsewhere"),
        pytest.param({"ip": "10.0.0.24/30"}, id="narrower"),
        pytest.param({"ip": "10.0.0.28/30"}, id="narrower-tail"),
        pytest.param({"ip": "10.0.0.16/28"}, id="wider-below"),
        pytest.param({"ip6": "fd00::200/119"}, id="wider-above"),
        pytest.param({"ip": "172.16.0.0/16", "outside_pool": True}, id="outside"),
    ],
)
def test_an_update_changes_what_it_names(world, fields):
    """Everything else stays, the preshared key too."""
    before = world.state.peer(key("ada"))

    (op,) = world.run(update(**fields))

    expected = {name: value for name, value in fields.items() if name != "outside_pool"}
    assert op == ops.PeerUpdate(peer=replace(before, revision="", **expected))


def test_a_preshared_key_survives_updates():
    """What an update does not name, it does not touch."""
    world = World(create_interface(), create_peer("ada", preshared_key=PSK))

    world.run(update(name="Ada"))

    assert world.state.peer(key("ada")).preshared_key == PSK


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"name": "Ada", "enabled": True, "expire": None}, id="same"),
        pytest.param({"ip": "10.0.0.24/29", "ip6": "FD00::200/120"}, id="same-address"),
        pytest.param({"ip": AUTO, "ip6": AUTO}, id="automatic-address"),
    ],
)
def test_an_update_to_the_same_changes_nothing(world, fields):
    """No op, no new revision."""
    assert world.run(update(**fields)) == []


def test_an_outside_address_may_be_said_again(world):
    """It was meant when it was given."""
    assert world.run(update("site", ip="192.168.7.0/24")) == []


def test_an_automatic_address_can_be_asked_for_later(world):
    """A peer without IPv6 gets the first free one."""
    (op,) = world.run(update("site", ip6=AUTO))

    assert (op.peer.ip, op.peer.ip6) == ("192.168.7.0/24", "fd00::2")


def test_an_expiry_that_has_passed_may_stay(world):
    """Changing a name is no reason to complain about another field."""
    soon = NOON + timedelta(minutes=1)
    world.run(create_peer("new", expire=soon))

    (op,) = world.run(update("new", name="late", expire=soon), now=soon)

    assert op.peer.name == "late"


@pytest.mark.parametrize(
    ("command", "kind", "field", "text"),
    [
        pytest.param(update("nobody"), errors.NotFound, "public_key", "not a peer", id="unknown"),
        pytest.param(
            UpdatePeer(public_key="?"), errors.Invalid, "public_key", "'?' is not a key", id="key"
        ),
        pytest.param(update(name="\x1b"), errors.Invalid, "name", "U+001B", id="name"),
        pytest.param(
            update(description="x" * 1001), errors.Invalid, "description", "1000", id="text"
        ),
        pytest.param(update(expire=NOON), errors.Invalid, "expire", "future", id="expire"),
        pytest.param(update(ip="10.0.0.9/29"), errors.Invalid, "ip", "bits set", id="host-bits"),
        pytest.param(update(ip="10.9.0.0/29"), errors.Invalid, "ip", "outside", id="outside"),
        pytest.param(update(ip="10.0.0.0/27"), errors.Invalid, "ip", "contains", id="wider"),
        pytest.param(
            update("bob", ip="10.1.0.1"),
            errors.Invalid, "ip", "own address of interface wg1", id="own-address",
        ),
        pytest.param(
            update("site", ip="10.0.0.24/30"),
            errors.Conflict, "ip", "of peer 'Ada'", id="another-peer",
        ),
        pytest.param(
            update(revision="e1:1", name="Eve"),
            errors.Conflict, "revision", "'e1:1' is expected, and the object's is 'e1:4'",
            id="revision",
        ),
        pytest.param(
            DeletePeer(public_key=key("nobody")),
            errors.NotFound, "public_key", "not a peer", id="delete-unknown",
        ),
        pytest.param(
            DeletePeer(public_key=key("ada"), revision="e0:4"),
            errors.Conflict, "revision", "'e0:4'", id="delete-revision",
        ),
    ],
)  # fmt: skip
def test_an_update_or_delete_that_breaks_a_rule_is_refused(world, command, kind, field, text):
    """One clear error that names field, value and rule; nothing changed."""
    refused(world, command, kind, field, text)


def test_the_expected_revision_is_the_one_that_was_shown(world):
    """Compare and set succeeds once."""
    shown = world.state.peer(key("ada")).revision

    world.run(update(revision=shown, name="Eve"))

    refused(world, update(revision=shown, name="Mallory"), errors.Conflict, "revision", shown)


def test_a_deleted_peer_leaves_nothing(world):
    """Its key and its addresses are free again."""
    assert world.run(DeletePeer(public_key=key("ada"))) == [ops.PeerDelete(public_key=key("ada"))]

    (op,) = world.run(create_peer("new", ip="10.0.0.24/29", ip6="fd00::200/120"))

    assert op.peer.ip == "10.0.0.24/29"


def test_a_rate_limit_goes_when_it_is_told_to(world):
    """Not by an update that does not speak of it."""
    world.run(update(rate_limit=64_000))
    world.run(update(name="Eve"))
    assert world.state.peer(key("ada")).rate_limit == 64_000

    (op,) = world.run(update(rate_limit=None))

    assert op.peer.rate_limit is None
    refused(world, update(rate_limit=999), errors.Invalid, "rate_limit", "'999' is not between")
