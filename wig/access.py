"""Who may be whom, and who may do what: identities, roles, and what a role means on the bus.

Called by `decide` for tokens, and by the auth callout, which has the server enforce it. Subjects
are those of `bridge/subjects.py`.
"""

import re
from typing import NamedTuple

from wig import errors

ANY_DOMAIN = "*"
"""Every JetStream domain: an identity's consumers have its name wherever they are."""


STORE_SUFFIX = "-store"
"""The consumer of a host's follower is its identity with this; that of its gateway without."""


class Permissions(NamedTuple):
    """The subjects that a connection may use; all others are refused."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


class Role(NamedTuple):
    """What a role is for, and its subjects with `{id}` and `{domain}` left open."""

    purpose: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def _pull(stream: str, consumer: str) -> tuple[str, ...]:
    """Return what reading a consumer needs: asking for messages, and acknowledging them.

    Acknowledgements are spelt out to their last token. With `>` at the end, either of their two
    formats (nats-server, ADR-15) would match the other one for somebody else's consumer.
    """
    rest = ".*" * 5
    return (
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}",
        f"$JS.{{domain}}.API.CONSUMER.MSG.NEXT.{stream}.{consumer}",
        # Asks nothing. With it, nats-server (2.15.1) tells a leaf node that a domain elsewhere is
        # interested in `$JS.<domain>.API.CONSUMER.>`; the wildcard inside the line above hides it.
        f"$JS.{{domain}}.API.CONSUMER.{consumer}",
        f"$JS.ACK.{stream}.{consumer}{rest}",
        f"$JS.ACK.*.*.{stream}.{consumer}{rest}",
    )


_OWN_INBOX = "_INBOX.{id}.>"
_OWN_STATUS = ("wig.api.{id}.node.status", "wig.node.*.{id}.status")

# Verb by verb: reads of objects are not among them. And nats-server (2.15.1) does not tell a leaf
# node of the datastore's interest in `wig.node.hub.*.attach` if the pattern here ends with `*`.
_VERBS = ("attach", "snapshot", "credit", "report", "status")
_REPLICATE = (
    *_pull("*", "{id}"),
    *_pull("*", "{id}" + STORE_SUFFIX),
    *(f"wig.node.*.{{id}}.{verb}" for verb in _VERBS),
)
_FOLLOW = (_OWN_INBOX, "wig.beacon.*")
_STATISTICS = "wig.stats.{id}"

_SERVE = (
    "wig.node.{id}.>",
    # A relay's JetStream domain has its name. These are asked by whoever follows it, and
    # acknowledged to it; acknowledgements cannot be told apart by stream: they say nothing secret.
    "$JS.{id}.API.>",
    "$JS.ACK.*.*.*.*.*.*.*",
    "$JS.ACK.*.*.*.*.*.*.*.*.*",
)

ROLES = {
    "admin": Role(
        "everything",
        publish=("wig.api.{id}.>", "wig.node.*.{id}.>", "$SRV.>", "$JS.API.>", "$JS.*.API.>",
                 "$JS.ACK.>"),
        subscribe=(_OWN_INBOX, "wig.>", "$JS.EVENT.>"),
    ),
    "follower": Role("replication, read-only", publish=_REPLICATE, subscribe=_FOLLOW),
    "gateway": Role(
        "like follower, and its own statistics",
        publish=(*_REPLICATE, _STATISTICS),
        subscribe=_FOLLOW,
    ),
    "relay": Role(
        "like gateway, and serving its own node name to others",
        # Any inbox: snapshots and entries go to inboxes of their own, not to the reply of a
        # request. They are random, so only who was asked knows where to send.
        publish=(*_REPLICATE, _STATISTICS, "wig.beacon.{id}", "_INBOX.>"),
        subscribe=(*_FOLLOW, *_SERVE),
    ),
    "observer": Role(
        "sessions and status only",
        publish=("wig.api.{id}.session.>", *_OWN_STATUS, *_pull("WIG_SESSIONS", "{id}")),
        subscribe=(*_FOLLOW, "wig.session.>"),
    ),
}  # fmt: skip
"""Each role: the one table of who may do what. Nobody's own `{id}` can be used by another."""

CERTIFICATE_PREFIX = "tls-"
"""Identities from certificates begin with this, so no token's may."""

STATIC_USERS = ("wig", "wig-callout", "wig-system")
"""The datastore's own users in a server's configuration: its bus, and what answers logins."""

ACTORS = ("init", "expiry", "sessions")
"""What parts of wig are called, in the log and on the bus: no token may look like them."""

IDENTITY = re.compile(r"[A-Za-z0-9_-]{1,32}")
"""What identities, and names of nodes, look like: one token of a subject."""


def permissions(role: str, identity: str, domain: str = ANY_DOMAIN) -> Permissions:
    """Return what `identity` may do in this role; raise `Invalid` if there is no such role.

    `domain` is the JetStream domain of what it follows.
    """
    found = ROLES[parse_role(role)]
    parse_identity(identity, "id")

    def compiled(subjects: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(one.format(id=identity, domain=domain) for one in subjects)

    return Permissions(compiled(found.publish), compiled(found.subscribe))


def parse_identity(text: str, field: str) -> str:
    """Return an identity, or the name of a node, or raise `Invalid`."""
    if not IDENTITY.fullmatch(text):
        raise errors.Invalid(
            f"{field}: {errors.quoted(text)} is not 1–32 characters of A–Z a–z 0–9 _ -",
            field=field,
        )
    return text


def parse_token_id(text: str, field: str) -> str:
    """Return an identity that a token may have, or raise `Invalid`."""
    if parse_identity(text, field).startswith(CERTIFICATE_PREFIX):
        raise errors.Invalid(
            f"{field}: {errors.quoted(text)} begins with {CERTIFICATE_PREFIX}, which is kept for "
            "identities from certificates",
            field=field,
        )
    if text.endswith(STORE_SUFFIX):
        raise errors.Invalid(
            f"{field}: {errors.quoted(text)} ends with {STORE_SUFFIX}, which is kept for the "
            "consumers of followers",
            field=field,
        )
    if text in STATIC_USERS:
        raise errors.Invalid(
            f"{field}: {errors.quoted(text)} is one of the server's own users", field=field
        )
    if text in ACTORS:
        raise errors.Invalid(
            f"{field}: {errors.quoted(text)} is what a part of wig is called", field=field
        )
    return text


def parse_role(text: str, field: str = "role") -> str:
    """Return the name of a role, or raise `Invalid`."""
    if text not in ROLES:
        raise errors.Invalid(
            f"{field}: {errors.quoted(text)} is not a role",
            field=field,
            hint=f"roles are {', '.join(ROLES)}",
        )
    return text


def parse_certificates(texts: tuple[str, ...], field: str = "tls_role") -> dict[str, str]:
    """Return the role of each Common Name in an allow list of `CN=role`, or raise `Invalid`."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, role = text.partition("=")
        if not equals:
            raise errors.Invalid(f"{field}: {errors.quoted(text)} is not CN=role", field=field)
        parse_identity(CERTIFICATE_PREFIX + name, field)
        if found.setdefault(name, parse_role(role, field)) != role:
            raise errors.Invalid(f"{field}: {errors.quoted(name)} has two roles", field=field)
    return found
