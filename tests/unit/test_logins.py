"""Who is let in."""

import hashlib
from datetime import timedelta

import pytest

from tests.builders import NOON
from wig import logins
from wig.logins import Granted, Login, Refused
from wig.model import Token

SECRET = "right"
DIGEST = hashlib.sha256(SECRET.encode()).hexdigest()


def token(id="gw1", role="gateway", digest=DIGEST):
    return Token(id=id, secret_digest=digest, role=role, created=NOON)


TOKENS = {"gw1": token(), "new": token("new", role="of tomorrow")}
CERTIFICATES = {"paris": "relay"}


@pytest.mark.parametrize(
    ("login", "answer"),
    [
        pytest.param(Login("gw1", SECRET, None), Granted("gw1", "gateway", DIGEST), id="token"),
        pytest.param(
            Login("", "", "paris"), Granted("tls-paris", "relay", "CN=paris"), id="certificate"
        ),
        pytest.param(
            Login("gw1", SECRET, "paris"), Granted("gw1", "gateway", DIGEST), id="both: the token"
        ),
        pytest.param(
            Login("gw1", "wrong", "paris"), Refused("gw1", "the secret is wrong"), id="both, wrong"
        ),
        pytest.param(Login("gw1", "", None), Refused("gw1", "the secret is wrong"), id="empty"),
        pytest.param(
            Login("gw1", DIGEST, None), Refused("gw1", "the secret is wrong"), id="the digest"
        ),
        pytest.param(
            Login("gw2", SECRET, None), Refused("gw2", "there is no such token"), id="unknown"
        ),
        pytest.param(
            Login("tls-paris", "", None),
            Refused("tls-paris", "there is no such token"),
            id="a certificate's identity as a name",
        ),
        pytest.param(
            Login("", "", None), Refused("", "neither a token nor a certificate"), id="nothing"
        ),
        pytest.param(
            Login("", "", "rome"),
            Refused("CN=rome", "its certificate's name is not in --tls-role"),
            id="unlisted certificate",
        ),
        pytest.param(
            Login("new", SECRET, None),
            Refused("new", "its role 'of tomorrow' is not known here: upgrade this node"),
            id="role of a later version",
        ),
    ],
)
def test_a_login_is_judged(login, answer):
    """With a user name the token decides, without one the certificate."""
    assert logins.judge(login, TOKENS, CERTIFICATES) == answer


def test_what_was_granted_holds_until_something_changes():
    """Deleted, made anew, or given another role: each ends it."""
    granted = logins.judge(Login("gw1", SECRET, None), TOKENS, CERTIFICATES)

    assert logins.holds(granted, TOKENS, {})
    assert not logins.holds(granted, {}, {})
    assert not logins.holds(granted, {"gw1": token(digest="1" * 64)}, {})
    assert not logins.holds(granted, {"gw1": token(role="admin")}, {})


def test_a_certificate_holds_while_it_is_listed():
    """With the same role."""
    granted = logins.judge(Login("", "", "paris"), TOKENS, CERTIFICATES)

    assert logins.holds(granted, {}, CERTIFICATES)
    assert not logins.holds(granted, {}, {})
    assert not logins.holds(granted, {}, {"paris": "admin"})


def test_a_connection_older_than_the_token_is_not_its_own():
    """It came with one that was deleted meanwhile."""
    before, after = NOON - timedelta(seconds=1), NOON + timedelta(seconds=1)

    assert logins.adopt("gw1", after, TOKENS) == Granted("gw1", "gateway", DIGEST)
    assert logins.adopt("gw1", before, TOKENS) is None
    assert logins.adopt("gw2", after, TOKENS) is None
    assert logins.adopt("new", after, TOKENS) is None


def test_a_login_does_not_show_its_secret():
    """Not in its `repr`; and names that are too long are cut."""
    assert SECRET not in repr(Login("gw1", SECRET, None))
    assert len(logins.shown("x" * 1000)) <= 40
