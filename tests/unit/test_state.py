"""The state in memory: it applies what `decide` makes, and refuses what it never would."""

import pytest
from msgspec.structs import replace

from tests import builders
from tests.builders import create_interface, create_peer, create_token
from tests.world import World, replay
from wig import errors, log, ops, snapshot
from wig.model import Peer
from wig.state import State


@pytest.fixture
def world() -> World:
    return World(
        create_interface(),
        create_peer("ada", ip="10.0.0.8/29"),
        create_peer("eve", enabled=False),
        create_token(),
    )


def header(state: State, **fields) -> snapshot.Header:
    return snapshot.Header(
        **{
            "database": "db",
            "position": log.Position(epoch="e1", seq=4, digest="d"),
            "lineage": (),
            "state_digest": state.state_digest,
            "objects": len(state),
        }
        | fields
    )


def test_a_snapshot_replaces_everything(world):
    """Objects, digest and islands are those of the snapshot."""
    other = World(create_interface("old"), create_peer("zed", interface="old")).state

    other.load(header(world.state), world.state.objects())

    assert list(other.objects()) == list(world.state.objects())
    assert other.state_digest == world.state.state_digest
    assert other.islands("wg0", 4).all() == world.state.islands("wg0", 4).all()
    assert other.interface("old") is None
    assert len(other) == 4


@pytest.mark.parametrize("fields", [{"objects": 9}, {"state_digest": "0" * 64}])
def test_a_snapshot_that_is_not_whole_changes_nothing(world, fields):
    """All of it or nothing."""
    other = World(create_interface("old")).state
    before = other.state_digest

    with pytest.raises(errors.Damaged, match="do not match its state digest"):
        other.load(header(world.state, **fields), world.state.objects())

    assert other.state_digest == before
    assert other.interface("old") is not None


def test_objects_come_in_the_order_of_a_snapshot(world):
    """Interfaces, then peers, then tokens, each by identity."""
    world.run(create_interface("a", port=1, addresses=()))

    names = [type(thing).__name__ for thing in world.state.objects()]

    assert names == ["Interface", "Interface", "Peer", "Peer", "Token"]
    assert [one.name for one in world.state.interfaces()] == ["a", "wg0"]


def test_a_gateway_keeps_no_islands(world):
    """It never allocates; the objects and their digest are the same."""
    state = replay(world.log, allocating=False)
    state.apply_op(ops.InterfaceUpdate(interface=builders.interface(port=1)), "e1", 5)

    assert state.state_digest == replay([*world.log, ops.InterfaceUpdate(
        interface=builders.interface(port=1)
    )]).state_digest  # fmt: skip
    with pytest.raises(KeyError):
        state.islands("wg0", 4)
    for thing in (builders.delete_peer("ada"), builders.delete_peer("eve")):
        state.apply_op(ops.PeerDelete(public_key=thing.public_key), "e1", 6)
    state.apply_op(ops.InterfaceDelete(name="wg0"), "e1", 8)
    assert list(state.objects()) == list(world.state.tokens())


PEER, INTERFACE, TOKEN = builders.peer("ada"), builders.interface(), builders.token()


@pytest.mark.parametrize(
    ("op", "rule"),
    [
        pytest.param(ops.PeerCreate(peer=PEER), "peer exists", id="peer-twice"),
        pytest.param(
            ops.PeerCreate(peer=builders.peer("new", interface="wg9")), "no interface", id="orphan"
        ),
        pytest.param(
            ops.PeerCreate(peer=builders.peer("new", ip="10.0.0.9")), "used already", id="overlap"
        ),
        pytest.param(ops.PeerUpdate(peer=builders.peer("new")), "no peer", id="peer-update"),
        pytest.param(ops.PeerDelete(public_key="x"), "no peer x", id="peer-delete"),
        pytest.param(ops.InterfaceCreate(interface=INTERFACE), "interface exists", id="twice"),
        pytest.param(
            ops.InterfaceUpdate(interface=builders.interface("wg9")), "no interface", id="update"
        ),
        pytest.param(ops.InterfaceDelete(name="wg9"), "no interface wg9", id="delete"),
        pytest.param(ops.InterfaceDelete(name="wg0"), "with peers is deleted", id="with-peers"),
        pytest.param(ops.TokenCreate(token=TOKEN), "token exists", id="token-twice"),
        pytest.param(ops.TokenUpdate(token=builders.token("x")), "no token x", id="token-update"),
        pytest.param(ops.TokenDelete(id="x"), "no token x", id="token-delete"),
    ],
)
def test_an_op_that_cannot_be_is_damage(world, op, rule):
    """It is never repaired silently."""
    with pytest.raises(errors.Damaged, match=rule):
        world.state.apply_op(op, "e1", 9)


def test_a_token_can_be_updated(world):
    """The op exists, though no command makes it yet."""
    changed = builders.token(description="root")

    world.state.apply_op(ops.TokenUpdate(token=changed), "e1", 9)

    assert world.state.token("admin") == ops.stamped(changed, "e1", 9)
    assert world.state.state_digest == sum_of_objects(world.state)


def test_all_peers_are_a_list_of_their_own(world):
    """Whoever measures goes through it while ops are applied."""
    peers = world.state.peers()

    assert peers == [it for it in world.state.objects() if isinstance(it, Peer)]
    assert peers is not world.state.peers()


def test_the_enabled_peers_of_an_interface_are_counted(world):
    """Through every op, as a walk over all peers would count them."""
    state, ada = world.state, builders.key("ada")
    assert (state.enabled_count("wg0"), state.enabled_count("wg9")) == (1, 0)

    for op, count in (
        (ops.PeerUpdate(peer=replace(state.peer(ada), enabled=False)), 0),
        (ops.PeerUpdate(peer=replace(state.peer(ada), enabled=True)), 1),
        (ops.PeerDelete(public_key=builders.key("eve")), 1),
        (ops.PeerDelete(public_key=ada), 0),
    ):
        state.apply_op(op, "e1", 9)
        assert state.enabled_count("wg0") == count


def sum_of_objects(state: State) -> str:
    total = 0
    for thing in state.objects():
        total = log.state_digest_add(total, log.object_digest(thing))
    return log.state_digest_text(total)


def test_the_digest_follows_every_op(world):
    """Kept incrementally, it equals the sum over all objects."""
    assert world.state.state_digest == sum_of_objects(world.state)
