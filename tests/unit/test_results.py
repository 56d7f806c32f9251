"""Answers: what a client is told, and never is."""

import pytest

from tests import builders
from tests.builders import create_interface, create_peer, create_token, key, spec
from tests.world import World
from wig import codec, keys, results
from wig.commands import (
    DECODE,
    DeleteInterface,
    DeletePeers,
    DeleteToken,
    ImportPeers,
    UpdateInterface,
    UpdatePeer,
)

PSK = keys.PresharedKey(key("psk"))


@pytest.fixture
def world() -> World:
    return World(
        create_interface(),
        create_peer("ada", preshared_key=PSK),
        create_token(),
        create_token("gw1", role="gateway"),
    )


def test_the_answer_has_the_object_and_its_revision(world):
    """What a client needs for its next compare and set."""
    answer = world.ask(create_peer("new"))

    assert answer == results.PeerResult(
        peer=results.public(builders.peer("new", ip="10.0.0.3", ip6="fd00::3", revision="e1:5"))
    )


def test_a_given_revision_spares_the_read(world):
    """The object comes from its op."""
    made = world.run(create_peer("new"))

    quick = results.result(create_peer("new"), made, world.state, "e1:5")

    assert quick == results.result(create_peer("new"), made, world.state)


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        pytest.param(create_peer("ada", preshared_key=PSK), "e1:2", id="peer.create"),
        pytest.param(UpdatePeer(public_key=key("ada")), "e1:2", id="peer.update"),
        pytest.param(create_interface(), "e1:1", id="interface.create"),
        pytest.param(UpdateInterface(name="wg0"), "e1:1", id="interface.update"),
        pytest.param(create_token(), "e1:3", id="token.create"),
    ],
)
def test_unchanged_answers_with_what_is_there(world, command, answer):
    """A create that already holds is a success."""
    got = world.ask(command)

    assert got.unchanged
    thing = next(value for name, value in _members(got) if name != "unchanged")
    assert thing.revision == answer
    assert results.result(command, [], world.state, "e1:99") == got


def _members(value: object) -> list[tuple[str, object]]:
    return [(name, getattr(value, name)) for name in value.__struct_fields__]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        pytest.param(
            ImportPeers(peers=(spec("a"), spec("ada", preshared_key=PSK), spec("b"))),
            results.ImportResult(created=2, unchanged=1),
            id="peer.import",
        ),
        pytest.param(
            builders.delete_peer("ada"),
            results.DeleteResult(deleted=results.Deleted(peers=1)),
            id="peer.delete",
        ),
        pytest.param(
            DeletePeers(public_keys=(builders.key("ada"), builders.key("nobody"))),
            results.DeleteResult(deleted=results.Deleted(peers=1)),
            id="peer.purge",
        ),
        pytest.param(
            DeleteInterface(name="wg0", with_peers=True),
            results.DeleteResult(deleted=results.Deleted(interfaces=1, peers=1)),
            id="interface.delete",
        ),
        pytest.param(
            DeleteToken(id="gw1"),
            results.DeleteResult(deleted=results.Deleted(tokens=1)),
            id="token.delete",
        ),
    ],
)
def test_many_objects_are_counted(world, command, expected):
    """An import or a delete answers with numbers."""
    assert world.ask(command) == expected


def test_a_new_interface_and_a_new_token_are_shown(world):
    """Created is not `unchanged`."""
    interface = world.ask(create_interface("wg1", port=1, addresses=()))
    token = world.ask(create_token("obs", role="observer"))

    assert (interface.interface.revision, interface.unchanged) == ("e1:5", False)
    assert (token.token.revision, token.unchanged) == ("e1:6", False)


def test_no_answer_contains_a_secret(world):
    """Neither private keys, nor preshared keys, nor digests of secrets."""
    secrets = [
        builders.private_key("wg0").reveal(),
        PSK.reveal(),
        builders.token().secret_digest,
    ]

    raw = codec.encode_lines([results.public(thing) for thing in world.state.objects()])

    assert not [secret for secret in secrets if secret.encode() in raw]
    assert b'"has_preshared_key":true' in raw


def test_public_objects_lose_nothing_else(world):
    """Every other field is there, so that a new one is not forgotten."""
    hidden = {"private_key", "preshared_key", "secret_digest"}
    for thing in world.state.objects():
        shown = results.public(thing)

        assert set(shown.__struct_fields__) - {"has_preshared_key"} == (
            set(thing.__struct_fields__) - hidden
        )
        for name in set(shown.__struct_fields__) & set(thing.__struct_fields__):
            assert getattr(shown, name) == getattr(thing, name)


def test_every_command_has_a_decoder_of_its_answer(world):
    """What is answered on the wire is understood by the client."""
    assert set(results.DECODE) == set(DECODE)

    answer = world.ask(create_peer("new", name="Zoë"))

    assert results.DECODE["peer.create"](codec.encode(answer)) == answer
