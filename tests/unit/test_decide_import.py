"""Imports: many peers, all or none."""

import pytest

from tests.builders import create_interface, create_peer, key, spec
from tests.refusal import refused
from tests.world import World
from wig import errors
from wig.commands import OBJECTS_MAX, DeleteInterface, DeletePeers, ImportPeers, objects


@pytest.fixture
def world() -> World:
    return World(create_interface(), create_peer("ada", name="Ada", ip="10.0.0.9"))


def test_the_peers_of_an_import_see_each_other(world):
    """Automatic addresses are given one after the other, around what is taken."""
    made = world.run(ImportPeers(peers=(spec("a"), spec("b", ip="10.0.0.3"), spec("c"))))

    assert [op.peer.ip for op in made] == ["10.0.0.2", "10.0.0.3", "10.0.0.4"]
    assert [op.peer.ip6 for op in made] == ["fd00::3", "fd00::4", "fd00::5"]


def test_what_is_there_already_stays(world):
    """A file can be imported again."""
    peers = (spec("a"), spec("ada", name="Ada"), spec("b"))
    world.run(ImportPeers(peers=peers[:2]))

    made = world.run(ImportPeers(peers=peers))

    assert [op.peer.public_key for op in made] == [key("b")]


def test_an_empty_import_changes_nothing(world):
    """It is not worth an error."""
    assert world.run(ImportPeers(peers=())) == []


@pytest.mark.parametrize(
    ("bad", "kind", "field", "text"),
    [
        pytest.param({"public_key": "?"}, errors.Invalid, "public_key", "'?' is not", id="key"),
        pytest.param({"interface": "wg9"}, errors.NotFound, "interface", "'wg9'", id="interface"),
        pytest.param({"ip": "10.0.0.9"}, errors.Conflict, "ip", "of peer 'Ada'", id="taken"),
        pytest.param({"ip": "10.0.0.2"}, errors.Conflict, "ip", "overlaps 10.0.0.2", id="inside"),
        pytest.param({"name": "\n"}, errors.Invalid, "name", "U+000A", id="name"),
        pytest.param(
            {"public_key": key("b")}, errors.Exists, "public_key", "is also in peers[1]", id="twice"
        ),
        pytest.param(
            {"public_key": key("ada")}, errors.Exists, "public_key", "another name", id="exists"
        ),
    ],
)  # fmt: skip
def test_one_bad_element_stops_all(world, bad, kind, field, text):
    """The error says which one; none of the others stays."""
    peers = (spec("a"), spec("b"), spec("c"), spec("bad", **bad), spec("d"))

    refused(world, ImportPeers(peers=peers), kind, f"peers[3].{field}", text)


def test_a_hint_survives_the_import(world):
    """It is the same error as for a single peer."""
    command = ImportPeers(peers=(spec("a", ip="10.0.0.5/24"),))

    error = refused(world, command, errors.Invalid, "peers[0].ip", "bits set")

    assert error.hint.startswith("the range is")


def test_a_pool_that_runs_out_stops_all():
    """Not the first half of an import."""
    world = World(create_interface(addresses=("10.0.0.1/29",)))
    peers = tuple(spec(seed) for seed in range(6))

    refused(world, ImportPeers(peers=peers), errors.Exhausted, "peers[5].ip", "10.0.0.0/29")


def test_a_command_says_how_many_objects_it_names():
    """So that a group of commands does not hold the writer for long."""
    assert objects(ImportPeers(peers=(spec("a"), spec("b")))) == 2
    assert objects(DeletePeers(public_keys=(key("a"), key("b"), key("c")))) == 3
    assert objects(create_peer("a")) == 1
    assert objects(DeleteInterface(name="wg0")) == 1
    assert objects(DeleteInterface(name="wg0", with_peers=True)) == OBJECTS_MAX
