"""Commands about tokens: what they do, and what they refuse."""

from datetime import timedelta

import pytest

from tests import builders
from tests.builders import NOON, create_token
from tests.refusal import refused
from tests.world import World
from wig import errors, ops
from wig.commands import DeleteToken


@pytest.fixture
def world() -> World:
    """An admin and a gateway."""
    return World(create_token("admin"), create_token("gw1", role="gateway"))


def test_a_token_is_stored_without_its_secret(world):
    """The digest is all that the client sent."""
    (op,) = world.run(create_token("obs", role="observer", description="Grafana"))

    assert op == ops.TokenCreate(
        token=builders.token("obs", role="observer", description="Grafana")
    )


@pytest.mark.parametrize(
    ("fields", "kind", "field", "text"),
    [
        pytest.param({"id": "a.b"}, errors.Invalid, "id", "'a.b' is not 1–32", id="dot"),
        pytest.param({"id": "x" * 33}, errors.Invalid, "id", "is not 1–32", id="long"),
        pytest.param({"id": "tls-gw1"}, errors.Invalid, "id", "begins with tls-", id="tls"),
        pytest.param({"role": "root"}, errors.Invalid, "role", "'root' is not a role", id="role"),
        pytest.param(
            {"secret_digest": "hunter2"}, errors.Invalid, "secret_digest", "64", id="digest"
        ),
        pytest.param({"description": "\0"}, errors.Invalid, "description", "U+0000", id="text"),
        pytest.param(
            {"id": "gw1"}, errors.Exists, "id", "'gw1' is already a token", id="exists"
        ),
    ],
)  # fmt: skip
def test_a_token_that_breaks_a_rule_is_refused(world, fields, kind, field, text):
    """One clear error that names field, value and rule; nothing changed."""
    refused(world, create_token(**{"id": "new"} | fields), kind, field, text)


def test_a_create_that_already_holds_changes_nothing(world):
    """Even later: the time of creation is not part of the question."""
    again = create_token("gw1", role="gateway")

    assert world.run(again, now=NOON + timedelta(days=1)) == []


def test_a_deleted_token_is_gone(world):
    """Its holders are disconnected by whoever applies the op."""
    assert world.run(DeleteToken(id="gw1")) == [ops.TokenDelete(id="gw1")]

    assert world.state.token("gw1") is None


@pytest.mark.parametrize(
    ("command", "kind", "field", "text"),
    [
        pytest.param(DeleteToken(id="no"), errors.NotFound, "id", "'no' is not", id="unknown"),
        pytest.param(
            DeleteToken(id="gw1", revision="e1:9"),
            errors.Conflict, "revision", "e1:2", id="revision",
        ),
        pytest.param(
            DeleteToken(id="admin"),
            errors.Conflict, "id", "the last token with role admin", id="last",
        ),
    ],
)  # fmt: skip
def test_a_delete_that_breaks_a_rule_is_refused(world, command, kind, field, text):
    """Nobody locks the door from outside."""
    refused(world, command, kind, field, text)


def test_an_admin_may_go_when_there_is_another(world):
    """The rule is about the last one only."""
    world.run(create_token("root"))

    assert world.run(DeleteToken(id="admin")) == [ops.TokenDelete(id="admin")]
