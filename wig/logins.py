"""Who is let in: a login is compared with the tokens and with the allow list of certificates.

Called by the auth callout, which tells the server. **Invariant:** the answer depends on the
arguments alone, and the time that it takes does not depend on how much of a secret is right.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from wig import access, errors
from wig.model import Token

_NOBODYS_DIGEST = "0" * 64  # no secret has it, as far as anybody knows


class Login(NamedTuple):
    """What somebody came with."""

    user: str
    """Empty: with a certificate alone."""
    secret: str
    common_name: str | None
    """Of the client certificate that the server has verified; None: there was none."""

    def __repr__(self) -> str:
        """Show the identity only."""
        return f"Login({self.user!r}, …, {self.common_name!r})"


class Granted(NamedTuple):
    """Who it is, and what for."""

    identity: str
    role: str
    proof: str
    """The digest of the token's secret, or `CN=` and the name in the certificate."""


class Refused(NamedTuple):
    """Who it is not, and why; for the log, not for whoever tries."""

    identity: str
    reason: str


Tokens = Mapping[str, Token]
"""By id."""

Certificates = Mapping[str, str]
"""The role of each Common Name (`access.parse_certificates`)."""


def judge(login: Login, tokens: Tokens, certificates: Certificates) -> Granted | Refused:
    """Say whether a login is good. With a user name the token decides, else the certificate."""
    if login.user:
        return _by_token(login, tokens)
    if login.common_name is None:
        return Refused("", "neither a token nor a certificate")
    return _by_certificate(login.common_name, certificates)


def _by_token(login: Login, tokens: Tokens) -> Granted | Refused:
    token = tokens.get(login.user)
    expected = token.secret_digest if token else _NOBODYS_DIGEST
    found = hashlib.sha256(login.secret.encode(errors="surrogatepass")).hexdigest()
    right = hmac.compare_digest(found, expected)
    if token is None:
        return Refused(login.user, "there is no such token")
    if not right:
        return Refused(login.user, "the secret is wrong")
    if token.role not in access.ROLES:
        return Refused(login.user, f"its role {token.role!r} is not known here: upgrade this node")
    return Granted(login.user, token.role, token.secret_digest)


def _by_certificate(name: str, certificates: Certificates) -> Granted | Refused:
    role = certificates.get(name)
    if role is None:
        return Refused(f"CN={name}", "its certificate's name is not in --tls-role")
    return Granted(access.CERTIFICATE_PREFIX + name, role, f"CN={name}")


def holds(granted: Granted, tokens: Tokens, certificates: Certificates) -> bool:
    """Say whether what was granted would be granted again."""
    if granted.proof.startswith("CN="):
        return certificates.get(granted.proof.removeprefix("CN=")) == granted.role
    token = tokens.get(granted.identity)
    return token is not None and (token.secret_digest, token.role) == (granted.proof, granted.role)


def adopt(user: str, since: datetime, tokens: Tokens) -> Granted | None:
    """Return what a connection was granted by an answerer that is gone; None: cannot be known.

    A token of this id that is older than the connection is the one that it came with: tokens are
    made and deleted, and not changed.
    """
    token = tokens.get(user)
    if token is None or token.created > since or token.role not in access.ROLES:
        return None
    return Granted(user, token.role, token.secret_digest)


def shown(identity: str) -> str:
    """Return what somebody called himself, for a log: short, and harmless."""
    return errors.quoted(identity, 40)
