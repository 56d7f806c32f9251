"""Who may be whom: identities and roles.

Called by `decide` for tokens, and by the bus for the names of nodes. What a role permits on the
bus belongs here too, as one table.
"""

import re

from wig import errors

ROLES = {
    "admin": "everything",
    "follower": "replication, read-only",
    "gateway": "like follower, and its own statistics",
    "relay": "like follower, and serving its own node name to others",
    "observer": "sessions and status only",
}
"""Each role, and what it is for."""

CERTIFICATE_PREFIX = "tls-"
"""Identities from certificates begin with this, so no token's may."""

_IDENTITY = re.compile(r"[A-Za-z0-9_-]{1,32}")


def parse_identity(text: str, field: str) -> str:
    """Return an identity, which is one token of a subject, or raise `Invalid`."""
    if not _IDENTITY.fullmatch(text):
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
