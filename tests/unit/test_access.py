"""Identities and roles."""

import pytest

from wig import access, errors


@pytest.mark.parametrize("text", ["a", "gw-1", "GW_1", "x" * 32, "tls", "0"])
def test_an_identity_is_one_token_of_a_subject(text):
    """Letters, digits, `_` and `-`, at most 32."""
    assert access.parse_identity(text, "id") == text
    assert access.parse_token_id(text, "id") == text


@pytest.mark.parametrize("text", ["", "x" * 33, "a b", "a.b", "*", ">", "a\n", "ä", "a/b", "$SYS"])
def test_other_characters_are_refused(text):
    """A dot or a wildcard in an identity would be another subject."""
    with pytest.raises(errors.Invalid, match="1–32 characters") as caught:
        access.parse_identity(text, "name")

    assert caught.value.field == "name"


def test_a_token_cannot_pass_for_a_certificate():
    """The prefix is kept for identities from certificates."""
    with pytest.raises(errors.Invalid, match="begins with tls-"):
        access.parse_token_id("tls-gw1", "id")

    assert access.parse_identity("tls-gw1", "id") == "tls-gw1"


@pytest.mark.parametrize("role", access.ROLES)
def test_every_role_is_one(role):
    """The table is the list of roles."""
    assert access.parse_role(role) == role


@pytest.mark.parametrize("role", ["", "root", "Admin"])
def test_an_unknown_role_is_refused(role):
    """The hint lists those that exist."""
    with pytest.raises(errors.Invalid, match="is not a role") as caught:
        access.parse_role(role)

    assert caught.value.field == "role"
    assert "observer" in caught.value.hint
