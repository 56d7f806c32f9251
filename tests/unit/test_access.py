"""Identities and roles."""

import pytest

from tests.subject_match import allowed
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


def test_a_token_cannot_have_the_consumers_of_another():
    """`gw1-store` is the consumer of gw1's follower."""
    with pytest.raises(errors.Invalid, match="ends with -store"):
        access.parse_token_id("gw1-store", "id")


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


STREAM = "WIG_hub_0a1b"
V1 = "$JS.ACK.{stream}.{consumer}.1.7.7.1700000000.0"
V2 = "$JS.ACK.hub.AbCdEfGh.{stream}.{consumer}.1.7.7.1700000000.0"


def acknowledgement(form, consumer, stream=STREAM):
    return form.format(stream=stream, consumer=consumer)


EVERYBODYS_LIMITS = [
    "$SYS.REQ.SERVER.PING", ">", "*", "wig.>", "wig.api.gw2.peer.create", "wig.node.hub.gw2.attach",
    f"wig.log.hub.0a1b.{'0' * 16}", "wig.beacon.hub", "wig.primary", "wig.stats.gw2",
    "_INBOX.gw2.a1",
]  # fmt: skip
"""What nobody called gw1 may send to, whatever the role (but a relay, which answers others)."""

REPLICATION = [
    f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.gw1",
    f"$JS.hub.API.CONSUMER.MSG.NEXT.{STREAM}.gw1-store",
    acknowledgement(V1, "gw1"), acknowledgement(V2, "gw1-store"),
    "wig.node.hub.gw1.attach", "wig.node.hub.gw1.snapshot", "wig.node.hub.gw1.credit",
    "wig.node.hub.gw1.report", "wig.node.hub.gw1.status",
]  # fmt: skip

NOT_REPLICATION = [
    f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.gw2", acknowledgement(V1, "gw2"),
    acknowledgement(V2, "gw2"), acknowledgement(V1, "gw2", stream="gw1"),
    f"$JS.API.STREAM.PURGE.{STREAM}", f"$JS.API.STREAM.DELETE.{STREAM}",
    f"$JS.API.STREAM.CREATE.{STREAM}", f"$JS.API.STREAM.MSG.GET.{STREAM}",
    f"$JS.API.CONSUMER.CREATE.{STREAM}.gw1", f"$JS.hub.API.STREAM.PURGE.{STREAM}",
    "wig.api.gw1.peer.create", "wig.api.gw1.peer.list", "wig.node.hub.gw1.token.list",
]  # fmt: skip


@pytest.mark.parametrize("role", ["follower", "gateway", "relay"])
def test_whoever_follows_may_replicate_and_no_more(role):
    """Its own consumers and its own requests, and nothing of JetStream's management."""
    may = access.permissions(role, "gw1")

    assert [one for one in REPLICATION if not allowed(may.publish, one)] == []
    assert [one for one in NOT_REPLICATION if allowed(may.publish, one)] == []
    assert allowed(may.publish, "wig.stats.gw1") == (role != "follower")


@pytest.mark.parametrize("role", access.ROLES)
def test_nobody_speaks_for_somebody_else(role):
    """Identities are in the subjects, and each has its own only."""
    may = access.permissions(role, "gw1")
    excepted = {"_INBOX.gw2.a1"} if role == "relay" else set()

    assert {one for one in EVERYBODYS_LIMITS if allowed(may.publish, one)} == excepted
    for subject in (">", "$SYS.>", "_INBOX.>", "_INBOX.gw2.>"):
        assert not allowed(may.subscribe, subject)
    assert allowed(may.subscribe, "_INBOX.gw1.>")


@pytest.mark.parametrize("role", [role for role in access.ROLES if role != "admin"])
def test_only_admins_see_the_bus(role):
    """The log, requests of others and their statistics are not for listening to."""
    may = access.permissions(role, "gw1")

    for subject in ("wig.log.>", "wig.api.>", "wig.node.hub.>", "wig.stats.gw2", "wig.>"):
        assert not allowed(may.subscribe, subject)


def test_an_observer_sees_sessions_and_status():
    """It may ask for both and read the sessions' stream, and may not replicate."""
    may = access.permissions("observer", "ob")

    for subject in (
        "wig.api.ob.session.list", "wig.api.ob.node.status", "wig.node.hub.ob.status",
        "$JS.API.CONSUMER.MSG.NEXT.WIG_SESSIONS.ob",
        acknowledgement(V1, "ob", "WIG_SESSIONS"),
    ):  # fmt: skip
        assert allowed(may.publish, subject)
    for subject in ("wig.node.hub.ob.attach", f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.ob"):
        assert not allowed(may.publish, subject)
    assert allowed(may.subscribe, "wig.session.wg0.begin")


def test_a_relay_serves_its_own_name_and_no_other():
    """Requests to other nodes are not for it to hear."""
    may = access.permissions("relay", "paris")

    assert allowed(may.subscribe, "wig.node.paris.*.attach")
    assert allowed(may.subscribe, "$JS.paris.API.>")
    assert allowed(may.publish, "wig.beacon.paris")
    assert not allowed(may.subscribe, "wig.node.hub.*.attach")
    assert not allowed(may.subscribe, "$JS.hub.API.>")
    assert not allowed(may.publish, "wig.beacon.hub")


def test_a_domain_limits_what_can_be_followed():
    """Without one, an identity's consumers may be anywhere."""
    for domain, elsewhere in (("hub", False), (access.ANY_DOMAIN, True)):
        may = access.permissions("gateway", "gw1", domain)
        assert allowed(may.publish, f"$JS.hub.API.CONSUMER.MSG.NEXT.{STREAM}.gw1")
        subject = f"$JS.paris.API.CONSUMER.MSG.NEXT.{STREAM}.gw1"
        assert allowed(may.publish, subject) == elsewhere


@pytest.mark.parametrize(("role", "identity"), [("root", "gw1"), ("admin", "a.b"), ("admin", ">")])
def test_permissions_are_for_roles_and_identities_only(role, identity):
    """A wildcard in an identity would be everybody."""
    with pytest.raises(errors.Invalid):
        access.permissions(role, identity)


def test_certificates_have_roles_by_name():
    """The allow list is CN=role, as often as there are certificates."""
    assert access.parse_certificates(("gw1=gateway", "p=relay", "gw1=gateway")) == {
        "gw1": "gateway", "p": "relay",
    }  # fmt: skip
    assert access.parse_certificates(()) == {}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("gw1",), "is not CN=role"),
        (("gw1=root",), "is not a role"),
        (("gw.1=gateway",), "1–32 characters"),
        (("x" * 29 + "=gateway",), "1–32 characters"),
        (("gw1=gateway", "gw1=admin"), "two roles"),
    ],
)
def test_a_wrong_allow_list_is_refused(texts, message):
    """Before anybody is let in by it."""
    with pytest.raises(errors.Invalid, match=message) as caught:
        access.parse_certificates(texts)

    assert caught.value.field == "tls_role"


@pytest.mark.parametrize("id", access.STATIC_USERS)
def test_the_servers_own_users_are_no_tokens(id):
    """nats-server would never ask about a token of that name."""
    with pytest.raises(errors.Invalid, match="the server's own"):
        access.parse_token_id(id, "id")


@pytest.mark.parametrize("id", access.ACTORS)
def test_who_acts_without_a_token_is_no_token(id):
    """The log says who did what."""
    with pytest.raises(errors.Invalid, match="a part of wig"):
        access.parse_token_id(id, "id")
