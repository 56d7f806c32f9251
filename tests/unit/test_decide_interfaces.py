"""Commands about interfaces: what they do, and what they refuse."""

import base64

import pytest
from msgspec.structs import replace

from tests import builders
from tests.builders import create_interface, create_peer, key, private_key
from tests.refusal import refused
from tests.world import World
from wig import decide, errors, keys, ops, x25519
from wig.commands import CreateInterface, DeleteInterface, UpdateInterface


@pytest.fixture
def world() -> World:
    """Two interfaces with peers, and one without."""
    return World(
        create_interface("wg0"),
        create_interface("wg1", port=51821, addresses=("10.1.0.1/24",)),
        create_interface("idle", port=51822, addresses=()),
        create_peer("ada", name="Ada", ip="10.0.0.200"),
        create_peer("site", ip="192.168.7.0/24", ip6=None, outside_pool=True),
        create_peer("bob", interface="wg1"),
    )


def new(**fields) -> CreateInterface:
    return create_interface(
        **{"name": "new", "port": 40000, "addresses": ("10.9.0.1/24",)} | fields
    )


def update(name: str = "wg0", **fields) -> UpdateInterface:
    return UpdateInterface(name=name, **fields)


def test_an_interface_is_stored_as_it_was_asked_for():
    """Addresses and resolvers are canonical, and the public key belongs to the private one."""
    world = World()

    (op,) = world.run(
        new(addresses=("FD00::0:1/64", "10.9.0.1/8"), mtu=1400, dns=("FD00::53",), description="d")
    )

    assert op == ops.InterfaceCreate(
        interface=builders.interface(
            "new",
            port=40000,
            addresses=("10.9.0.1/8", "fd00::1/64"),
            mtu=1400,
            dns=("fd00::53",),
            description="d",
        )
    )


def test_a_private_key_is_stored_as_a_device_shows_it():
    """Else a gateway would see another key than the one it set, for ever."""
    wild = keys.PrivateKey(base64.b64encode(b"\xff" * 32).decode())
    world = World()

    (op,) = world.run(new(private_key=wild))

    assert op.interface.private_key == x25519.clamped(wild) != wild
    assert world.run(new(private_key=wild)) == []


@pytest.mark.parametrize(
    ("fields", "kind", "field", "text"),
    [
        pytest.param({"name": "my vpn"}, errors.Invalid, "name", "'my vpn'", id="space"),
        pytest.param({"name": "a" * 16}, errors.Invalid, "name", "15 bytes", id="16-bytes"),
        pytest.param({"name": ".."}, errors.Invalid, "name", "'..'", id="dots"),
        pytest.param({"port": 0}, errors.Invalid, "port", "'0'", id="port-0"),
        pytest.param({"port": 70000}, errors.Invalid, "port", "'70000'", id="port-70000"),
        pytest.param(
            {"port": 51820},
            errors.Conflict, "port", "'51820' is the port of interface wg0", id="port",
        ),
        pytest.param({"mtu": 10}, errors.Invalid, "mtu", "'10'", id="mtu"),
        pytest.param(
            {"mtu": 1279, "addresses": ("fd09::1/64",)},
            errors.Invalid, "mtu", "with IPv6", id="mtu-ipv6",
        ),
        pytest.param({"dns": ("vpn.example",)}, errors.Invalid, "dns", "'vpn.example'", id="dns"),
        pytest.param({"description": "\n"}, errors.Invalid, "description", "U+000A", id="text"),
        pytest.param(
            {"addresses": ("10.9.0.1/24", "10.8.0.1/24")},
            errors.Invalid, "addresses", "second IPv4", id="two-ipv4",
        ),
        pytest.param(
            {"addresses": ("10.0.0.1/8",)},
            errors.Conflict, "addresses", "overlaps the pool 10.0.0.0/24 of interface wg0",
            id="pool-around-another",
        ),
        pytest.param(
            {"addresses": ("fd00::5:1/112",)},
            errors.Conflict, "addresses", "overlaps the pool fd00::/64 of interface wg0",
            id="pool-inside-another",
        ),
        pytest.param(
            {"addresses": ("192.168.7.1/30",)},
            errors.Conflict, "addresses", "overlaps 192.168.7.0/24 of peer", id="pool-over-a-peer",
        ),
        pytest.param(
            {"private_key": private_key("wg1")},
            errors.Exists, "private_key", "key of interface wg1 already", id="key-of-another",
        ),
        pytest.param(
            {"name": "wg0"},
            errors.Exists, "name", "'wg0' is already an interface", id="exists",
        ),
    ],
)  # fmt: skip
def test_an_interface_that_breaks_a_rule_is_refused(world, fields, kind, field, text):
    """One clear error that names field, value and rule; nothing changed."""
    refused(world, new(**fields), kind, field, text)


def test_the_key_of_a_peer_is_no_key_of_an_interface():
    """A key is one identity, and the private key is never in the error."""
    private = private_key("thief")
    world = World(create_interface(), create_peer(public_key=x25519.public_key(private)))

    error = refused(
        world, new(private_key=private), errors.Exists, "private_key", "is the key of peer"
    )

    assert private.reveal() not in error.message


def test_a_create_that_already_holds_changes_nothing(world):
    """Configuration management repeats its commands."""
    assert world.run(create_interface("wg0")) == []
    assert world.run(create_interface("wg0", addresses=("fd00::0:1/64", "10.0.0.1/24"))) == []


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"port": 1194}, id="port"),
        pytest.param({"mtu": 1280}, id="mtu"),
        pytest.param({"dns": ("1.1.1.1",)}, id="dns"),
        pytest.param({"description": "office"}, id="description"),
        pytest.param({"addresses": ("10.0.0.1/16", "fd00::1/48")}, id="wider-pools"),
        pytest.param({"addresses": ("10.0.0.199/25", "fd00::1/64")}, id="narrower-pool"),
        pytest.param({"addresses": ("10.0.0.254/24", "fd00::ffff/64")}, id="other-own-address"),
    ],
)
def test_an_update_changes_what_it_names(world, fields):
    """Everything else stays, the private key too."""
    before = world.state.interface("wg0")

    (op,) = world.run(update(**fields))

    assert op == ops.InterfaceUpdate(interface=replace(before, revision="", **fields))


def test_a_new_private_key_brings_its_public_key(world):
    """The two never part."""
    (op,) = world.run(update(private_key=private_key("fresh")))

    assert op.interface.public_key == x25519.public_key(private_key("fresh"))


def test_an_update_to_the_same_changes_nothing(world):
    """No op, no new revision."""
    assert world.run(update()) == []
    assert world.run(update(port=51820, private_key=private_key("wg0"), description="")) == []
    assert world.run(update(addresses=("fd00::1/64", "10.0.0.1/24"))) == []


def test_a_family_can_be_added_and_removed(world):
    """While no peer depends on it."""
    world.run(update("wg1", addresses=("10.1.0.1/24", "fd01::1/64")))
    world.run(create_peer("eve", interface="wg1", ip=None, ip6="fd01::5"))
    refused(
        world,
        update("wg1", addresses=("10.1.0.1/24",)),
        errors.Conflict,
        "addresses",
        "has no IPv6 address, which is needed by fd01::5 of peer",
    )
    world.run(builders.delete_peer("eve"))

    (op,) = world.run(update("wg1", addresses=("10.1.0.1/24",)))

    assert op.interface.addresses == ("10.1.0.1/24",)


def test_the_next_address_comes_from_the_new_pool(world):
    """The addresses that were reserved in the old pool are free in the new one."""
    world.run(update(addresses=("10.0.0.130/25", "fd00::1/64")))

    given = [world.run(create_peer(seed))[0].peer.ip for seed in range(3)]

    assert given == ["10.0.0.129", "10.0.0.131", "10.0.0.132"]


@pytest.mark.parametrize(
    ("command", "kind", "field", "text"),
    [
        pytest.param(update("wg9"), errors.NotFound, "name", "'wg9'", id="unknown"),
        pytest.param(update(port=0), errors.Invalid, "port", "'0'", id="port-0"),
        pytest.param(update(port=51821), errors.Conflict, "port", "wg1", id="port-in-use"),
        pytest.param(update(mtu=1000), errors.Invalid, "mtu", "with IPv6", id="mtu"),
        pytest.param(
            update("idle", mtu=576, addresses=("fd05::1/64",)),
            errors.Invalid, "mtu", "'576'", id="mtu-and-ipv6-together",
        ),
        pytest.param(
            update(private_key=private_key("wg1")),
            errors.Exists, "private_key", "interface wg1", id="key-of-another",
        ),
        pytest.param(
            update(addresses=("10.0.0.1/25", "fd00::1/64")),
            errors.Conflict, "addresses",
            "'10.0.0.1/25, fd00::1/64' has no room for 10.0.0.200 of peer 'Ada'", id="too-narrow",
        ),
        pytest.param(
            update(addresses=("10.5.0.1/24", "fd00::1/64")),
            errors.Conflict, "addresses", "has no room for 10.0.0.200", id="elsewhere",
        ),
        pytest.param(
            update(addresses=("10.0.0.200/24", "fd00::1/64")),
            errors.Conflict, "addresses", "puts its own address into 10.0.0.200", id="own-address",
        ),
        pytest.param(
            update(addresses=("192.168.7.5/24", "fd00::1/64")),
            errors.Conflict, "addresses", "has no room for 10.0.0.200", id="onto-an-outside-peer",
        ),
        pytest.param(
            update("wg1", addresses=("10.1.0.1/24", "fd00::1:1/112")),
            errors.Conflict, "addresses", "overlaps the pool fd00::/64 of interface wg0",
            id="over-another-pool",
        ),
        pytest.param(
            update(addresses=()),
            errors.Conflict, "addresses", "has no IPv4 address, which is needed by", id="none",
        ),
        pytest.param(
            update(port=1194, revision="e1:9"),
            errors.Conflict, "revision", "'e1:9' is expected, and the object's is 'e1:1'",
            id="revision",
        ),
        pytest.param(
            DeleteInterface(name="wg9"), errors.NotFound, "name", "'wg9'", id="delete-unknown"
        ),
        pytest.param(
            DeleteInterface(name="wg0", revision="e1:9"),
            errors.Conflict, "revision", "'e1:9'", id="delete-revision",
        ),
    ],
)  # fmt: skip
def test_an_update_or_delete_that_breaks_a_rule_is_refused(world, command, kind, field, text):
    """One clear error that names field, value and rule; nothing changed."""
    refused(world, command, kind, field, text)


def test_a_peer_may_not_come_to_lie_on_a_reserved_address():
    """A peer outside the old pool would be on the network address of the new one."""
    world = World(
        create_interface(addresses=("10.0.0.1/24",)),
        create_peer("edge", ip="10.0.1.255", outside_pool=True),
    )

    refused(
        world,
        update(addresses=("10.0.0.1/23",)),
        errors.Conflict,
        "addresses",
        "puts its broadcast address into 10.0.1.255",
    )


def test_an_interface_with_peers_stays(world):
    """The error says how many they are, and what to do."""
    error = refused(
        world, DeleteInterface(name="wg0"), errors.Conflict, "name", "still has 2 peers"
    )

    assert "--with-peers" in error.hint


def test_an_interface_goes_with_its_peers_one_op_each(world):
    """Every peer's end is in the log, before the interface's."""
    made = world.run(DeleteInterface(name="wg0", with_peers=True))

    assert made == [
        *(ops.PeerDelete(public_key=one) for one in sorted([key("ada"), key("site")])),
        ops.InterfaceDelete(name="wg0"),
    ]
    assert world.state.peer(key("ada")) is None


def test_an_interface_with_too_many_peers_for_one_command_stays(world, monkeypatch):
    """Deleting them all would hold up everybody else; peers can be deleted in parts."""
    monkeypatch.setattr(decide, "OBJECTS_MAX", 1)

    error = refused(
        world, DeleteInterface(name="wg0", with_peers=True), errors.TooLarge, "name", "has 2 peers"
    )

    assert "first" in error.hint


def test_an_interface_without_peers_just_goes(world):
    """Its port, key and pool are free again."""
    assert world.run(DeleteInterface(name="idle")) == [ops.InterfaceDelete(name="idle")]

    assert world.run(new(port=51822, private_key=private_key("idle")))
