"""Commands about one peer: what they do, and what they refuse."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests import builders
from tests.builders import NOON, create_interface, create_peer, key
from tests.refusal import refused
from tests.world import World
from wig import errors, keys, ops
from wig.commands import DeletePeer, DeletePeers

PSK = keys.PresharedKey(key("psk"))


def test_a_new_peer_gets_the_first_free_addresses():
    """An automatic address is the lowest that nobody has, in each family."""
    world = World(create_interface(), create_peer("first"))

    (op,) = world.run(create_peer("second"))

    assert op == ops.PeerCreate(
        peer=builders.peer("second", ip="10.0.0.3", ip6="fd00::3", created=NOON)
    )


def test_a_hole_is_filled_first():
    """A deleted peer's address is the next one given out."""
    world = World(create_interface(), *map(create_peer, "abc"))
    world.run(DeletePeer(public_key=key("b")))

    (op,) = world.run(create_peer("d"))

    assert (op.peer.ip, op.peer.ip6) == ("10.0.0.3", "fd00::3")


def test_a_peer_is_stored_as_it_was_asked_for(world):
    """Every field arrives; addresses are canonical, times are in UTC."""
    later = datetime(2027, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    fields = {
        "name": "Zoë", "description": "phone", "enabled": False, "preshared_key": PSK,
        "rate_limit": 64_000,
    }  # fmt: skip

    (op,) = world.run(create_peer("z", ip="10.0.0.99/32", ip6="FD00::0:99", expire=later, **fields))

    assert op.peer == builders.peer(
        "z", ip="10.0.0.99", ip6="fd00::99", expire=datetime(2027, 1, 1, tzinfo=UTC), **fields
    )


@pytest.mark.parametrize(
    ("fields", "ip", "ip6"),
    [
        pytest.param({"ip": None}, None, "fd00::2", id="no-ipv4"),
        pytest.param({"ip": None, "ip6": None}, None, None, id="no-address"),
        pytest.param({"interface": "wg1"}, "10.1.0.3", None, id="family-that-is-not-there"),
        pytest.param({"interface": "bare"}, None, None, id="interface-without-addresses"),
        pytest.param(
            {"ip": "172.16.0.0/12", "outside_pool": True}, "172.16.0.0/12", "fd00::2", id="outside"
        ),
        pytest.param({"ip": "10.0.0.77", "outside_pool": True}, "10.0.0.77", "fd00::2", id="both"),
    ],
)
def test_addresses_that_are_allowed(world, fields, ip, ip6):
    """None is none; a range outside the pool must be said to be meant."""
    (op,) = world.run(create_peer("new", **fields))

    assert (op.peer.ip, op.peer.ip6) == (ip, ip6)


@pytest.mark.parametrize(
    ("fields", "kind", "field", "text"),
    [
        pytest.param({"public_key": "abc"}, errors.Invalid, "public_key", "'abc'", id="short-key"),
        pytest.param(
            {"public_key": "A" * 43 + "="}, errors.Invalid, "public_key", "zero", id="zero-key"
        ),
        pytest.param(
            {"public_key": key("bob")},
            errors.Exists, "public_key", "already a peer of interface wg1", id="other-interface",
        ),
        pytest.param(
            {"public_key": builders.interface("wg1").public_key},
            errors.Exists, "public_key", "is the key of interface wg1 itself", id="interface-key",
        ),
        pytest.param(
            {"interface": "wg9"}, errors.NotFound, "interface", "'wg9' is not", id="no-interface"
        ),
        pytest.param({"name": "a\nb"}, errors.Invalid, "name", "U+000A", id="name"),
        pytest.param({"description": "\0"}, errors.Invalid, "description", "U+0000", id="text"),
        pytest.param({"expire": NOON}, errors.Invalid, "expire", "not in the future", id="expire"),
        pytest.param({"request": "\n"}, errors.Invalid, "request", "printable", id="request"),
        pytest.param({"ip": "fd00::9"}, errors.Invalid, "ip", "not an IPv4", id="family"),
        pytest.param({"ip6": "10.0.0.9"}, errors.Invalid, "ip6", "not an IPv6", id="family6"),
        pytest.param(
            {"interface": "wg1", "ip6": "fd00::9"},
            errors.Invalid, "ip6", "interface wg1 has none", id="family-that-is-not-there",
        ),
        pytest.param({"ip": "10.0.0.9/24"}, errors.Invalid, "ip", "bits set", id="host-bits"),
        pytest.param(
            {"ip": "10.2.0.9"}, errors.Invalid, "ip", "outside the pool 10.0.0.0/24", id="outside"
        ),
        pytest.param(
            {"ip": "10.0.0.0/16"}, errors.Invalid, "ip", "outside the pool", id="wider-than-pool"
        ),
        pytest.param(
            {"ip": "10.0.0.1"},
            errors.Invalid, "ip", "is the own address of interface wg0", id="own-address",
        ),
        pytest.param(
            {"ip": "10.0.0.0"},
            errors.Invalid, "ip", "is the network address of interface wg0", id="network",
        ),
        pytest.param(
            {"ip": "10.0.0.255"},
            errors.Invalid, "ip", "is the broadcast address of interface wg0", id="broadcast",
        ),
        pytest.param(
            {"ip": "10.0.0.248/29"},
            errors.Invalid, "ip", "contains 10.0.0.255, the broadcast address", id="has-broadcast",
        ),
        pytest.param(
            {"ip6": "fd00::"},
            errors.Invalid, "ip6", "is the subnet-router anycast address", id="anycast",
        ),
        pytest.param(
            {"ip": "10.0.0.25"},
            errors.Conflict, "ip", "overlaps 10.0.0.24/29 of peer 'Ada'", id="host-in-range",
        ),
        pytest.param(
            {"ip": "10.0.0.24/30"},
            errors.Conflict, "ip", "overlaps 10.0.0.24/29 of peer 'Ada'", id="range-in-range",
        ),
        pytest.param(
            {"ip6": "fd00::1:0/112", "ip": None, "public_key": key("ada")},
            errors.Exists, "public_key", "another name, ip, ip6", id="same-key-other-values",
        ),
        pytest.param(
            {"ip6": "fd00::200/121"},
            errors.Conflict, "ip6", "overlaps fd00::200/120 of peer 'Ada'", id="ipv6",
        ),
        pytest.param(
            {"ip": "192.168.0.0/16", "outside_pool": True},
            errors.Conflict, "ip", "overlaps 192.168.7.0/24 of peer", id="wider-than-other",
        ),
        pytest.param(
            {"ip": "192.168.7.9", "outside_pool": True, "interface": "wg1"},
            errors.Conflict, "ip", "of interface wg0", id="peer-of-another-interface",
        ),
        pytest.param(
            {"ip": "10.1.0.128/25", "outside_pool": True},
            errors.Conflict, "ip", "overlaps the pool 10.1.0.0/24 of interface wg1",
            id="pool-of-another-interface",
        ),
        pytest.param(
            {"ip": "10.0.0.0/16", "outside_pool": True},
            errors.Conflict, "ip", "overlaps 10.0.0.24/29 of peer 'Ada'", id="around-the-pool",
        ),
        pytest.param(
            {"ip": "0.0.0.0/0", "outside_pool": True},
            errors.Invalid, "ip", "has addresses of 0.0.0.0/8", id="everything",
        ),
        pytest.param(
            {"ip6": "ff02::/64", "outside_pool": True},
            errors.Invalid, "ip6", "multicast", id="multicast",
        ),
    ],
)  # fmt: skip
def test_a_peer_that_breaks_a_rule_is_refused(world, fields, kind, field, text):
    """One clear error that names field, value and rule; nothing changed."""
    refused(world, create_peer("new", **fields), kind, field, text)


@pytest.mark.parametrize(
    ("addresses", "field", "pool"),
    [
        pytest.param(("10.0.0.1/30",), "ip", "10.0.0.0/30", id="ipv4"),
        pytest.param(("fd00::1/126",), "ip6", "fd00::/126", id="ipv6"),
    ],
)
def test_a_full_pool_is_exhausted(addresses, field, pool):
    """The error names the interface and the pool, and says what to do."""
    world = World(create_interface(addresses=addresses))
    free = 1 if field == "ip" else 2
    for seed in range(free):
        world.run(create_peer(seed))

    error = refused(
        world, create_peer("more"), errors.Exhausted, field, f"pool {pool} of interface wg0"
    )

    assert error.hint == "give the interface a wider pool, or the peer no address of this family"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="auto"),
        pytest.param({"ip": "10.0.0.24/29", "ip6": "FD00::200/120"}, id="same"),
        pytest.param({"expire": None, "enabled": True}, id="defaults"),
    ],
)
def test_a_create_that_already_holds_changes_nothing(world, fields):
    """Whoever repeats a create may also ask for automatic addresses again."""
    assert world.run(create_peer("ada", name="Ada", **fields)) == []


def test_a_create_holds_without_the_family_too(world):
    """Automatic means: an address, if the interface has that family."""
    assert world.run(create_peer("bob", interface="wg1")) == []
    assert world.run(create_peer("bob", interface="wg1", ip="10.1.0.2", ip6=None)) == []


def test_a_create_holds_after_its_expiry(world):
    """A retry that comes late is still the same command."""
    soon = NOON + timedelta(minutes=1)
    world.run(create_peer("new", expire=soon))

    assert world.run(create_peer("new", expire=soon), now=soon) == []


@pytest.mark.parametrize(
    ("fields", "different"),
    [
        pytest.param({"ip": "10.0.0.25"}, "ip", id="address"),
        pytest.param({"ip": None}, "ip", id="no-address"),
        pytest.param({"name": "Eve"}, "name", id="name"),
        pytest.param({"preshared_key": PSK}, "preshared_key", id="secret"),
        pytest.param({"rate_limit": 64_000}, "rate_limit", id="rate"),
        pytest.param({"enabled": False, "ip6": None}, "enabled, ip6", id="two"),
    ],
)
def test_a_create_with_other_values_is_refused(world, fields, different):
    """It names what differs, never a value that may be secret, and hints at update."""
    command = create_peer("ada", **{"name": "Ada"} | fields)

    error = refused(world, command, errors.Exists, "public_key", f"another {different}")

    assert error.hint == "change it with `wig peer update`"


def test_an_automatic_address_does_not_hold_when_there_is_none(world):
    """A peer that was made without IPv4 has not what is asked for."""
    world.run(create_peer("new", ip=None))

    refused(world, create_peer("new"), errors.Exists, "public_key", "another ip")


def test_many_peers_go_in_one_command():
    """Each with an op of its own; one that is gone already, or is named twice, is no error."""
    world = World(create_interface(), create_peer("a"), create_peer("b"), create_peer("c"))
    wanted = (key("a"), key("nobody"), key("b"), key("a"))

    made = world.run(DeletePeers(public_keys=wanted))

    assert made == [ops.PeerDelete(public_key=key(one)) for one in ("a", "b")]
    assert world.run(DeletePeers(public_keys=wanted)) == []


def test_one_key_that_is_none_stops_all():
    """Before anything is deleted."""
    world = World(create_interface(), create_peer("a"))

    refused(
        world, DeletePeers(public_keys=(key("a"), "?")), errors.Invalid, "public_keys", "'?' is not"
    )
