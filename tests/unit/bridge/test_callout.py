"""What the callout understands of a server's question, and how much it says of refusals."""

import time

import pytest

from bridge import callout, jwt
from wig import errors, nkeys
from wig.logins import Login

SERVER = nkeys.KeyPair(nkeys.SERVER, bytes(range(32)))
USER = nkeys.KeyPair(nkeys.USER, bytes(range(1, 33)))


def question(key=SERVER, aud=callout.AUDIENCE, exp=None, **nats):
    """Return a question as nats-server 2.15.1 asks it."""
    body = {
        "server_id": {"name": "hub", "id": SERVER.public_key},
        "user_nkey": USER.public_key,
        "client_info": {"id": 9, "kind": "Client"},
        "connect_opts": {"user": "gw1", "pass": "x", "protocol": 1},
    } | nats
    exp = time.time() + 3 if exp is None else exp
    return jwt.sign(key, {"aud": aud, "exp": exp, "nats": body}, int(time.time())).encode()


def test_a_question_is_understood():
    """Who asks about which connection, and what it came with."""
    found = callout._read(question())

    assert (found.server, found.connection, found.kind) == (SERVER.public_key, 9, "Client")
    assert found.user_key == USER.public_key
    assert found.login == Login("gw1", "x", None)


@pytest.mark.parametrize(
    "options",
    [{}, {"user": None, "pass": None}, {"auth_token": "x"}],
    ids=["none", "null", "token"],
)
def test_a_connection_without_user_and_password_has_none(options):
    """A bare token is no login here: it would not say whose it is."""
    assert callout._read(question(connect_opts=options)).login == Login("", "", None)


def test_a_certificate_counts_only_if_the_server_has_verified_it():
    """What somebody shows besides is no proof."""
    for shown in (None, {}, {"certs": ["x"]}, {"verified_chains": []}, {"verified_chains": [[]]}):
        assert callout._read(question(client_tls=shown)).login.common_name is None


def test_the_servers_clock_may_be_another():
    """An hour's difference between two hosts must not keep everybody out."""
    assert callout._read(question(exp=time.time() - 3600)).login == callout._read(question()).login


OTHER = nkeys.KeyPair(nkeys.SERVER, bytes(range(2, 34)))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff", id="no text"),
        pytest.param(question(key=OTHER), id="signed by somebody else"),
        pytest.param(question(aud="x"), id="for somebody else"),
        pytest.param(question(connect_opts=None), id="no options"),
        pytest.param(question(client_info={"id": "x", "kind": "Client"}), id="no number"),
        pytest.param(question(client_info={}), id="no client"),
        pytest.param(question(client_tls={"verified_chains": [["x"]]}), id="no certificate"),
    ],
)
def test_what_is_no_question_is_refused(raw):
    """With one kind of error, whatever it is."""
    with pytest.raises(errors.Invalid):
        callout._read(raw)


async def test_many_refusals_are_counted_and_not_all_told(caplog):
    """An attack must not fill the disk."""
    refusals = callout._Refusals()

    for number in range(1000):
        refusals.note(f"n{number}", "the secret is wrong")
    told = len(caplog.records)
    refusals._second -= 2  # the next second
    refusals.note("next", "the secret is wrong")

    assert told == callout.LINES_PER_S_MAX
    assert caplog.records[-2].count == 1000 - callout.LINES_PER_S_MAX
    assert caplog.records[-1].identity == "'next'"
