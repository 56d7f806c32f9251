"""What the nats-server of a datastore needs to ask it who may log in. Called where one is set up.

One directory, made once, with two files (0600):

    credentials.json    the static user that the datastore itself comes with
    auth.json           the key that signs logins, and the two users that answer them

Whoever has them owns the bus, so they never leave their host: each server has its own.
"""

import base64
import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import bcrypt

from bridge import credentials
from bridge.credentials import Credentials
from wig import access, codec, errors, nkeys
from wig.codec import Value

BUS_FILE = "credentials.json"
AUTH_FILE = "auth.json"
BUS, CALLOUT, SYSTEM = access.STATIC_USERS

BCRYPT_ROUNDS = 4  # the least: a secret of 256 random bits needs no slowness, logins do not either
_SALT_BYTES = 16
_STANDARD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BCRYPT = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class _Auth(Value, frozen=True, kw_only=True):
    """The content of `auth.json`."""

    issuer: str
    callout: str
    system: str

    def __repr__(self) -> str:
        """Show nothing."""
        return "_Auth(…)"


_decode = codec.decoder(_Auth)


@dataclass(frozen=True, kw_only=True)
class ServerKeys:
    """The secrets of one server; its `repr` has none."""

    bus: Credentials
    """Of the datastore itself: everything in the account."""
    callout: Credentials
    """Of what answers logins; an account of its own, because questions contain passwords."""
    system: Credentials
    """Of what disconnects."""
    issuer: nkeys.KeyPair
    """What signs logins."""


def read(directory: Path) -> ServerKeys:
    """Return the secrets in a directory; raise `Unusable` if they are not there."""
    path = directory / AUTH_FILE
    bus = credentials.read(directory / BUS_FILE)
    try:
        auth = _decode(path.read_bytes())
        issuer = nkeys.parse_seed(auth.issuer)
    except OSError as error:
        raise errors.Unusable(
            f"server keys: '{path}' cannot be read: {error.strerror}",
            field="server_keys",
            hint="name the directory that `wig nats-config hub` wrote",
        ) from error
    except errors.Invalid:
        raise errors.Unusable(f"server keys: '{path}' is damaged", field="server_keys") from None
    return ServerKeys(
        bus=bus,
        callout=Credentials(id=CALLOUT, secret=auth.callout),
        system=Credentials(id=SYSTEM, secret=auth.system),
        issuer=issuer,
    )


def open_or_make(directory: Path) -> ServerKeys:
    """Return the secrets in a directory; what is missing is made."""
    bus = directory / BUS_FILE
    if not bus.exists():
        credentials.write(bus, credentials.make(BUS))
    auth = directory / AUTH_FILE
    if not auth.exists():
        made = _Auth(
            issuer=nkeys.KeyPair(nkeys.ACCOUNT, os.urandom(nkeys.KEY_BYTES)).reveal(),
            callout=secrets.token_urlsafe(credentials.SECRET_BYTES),
            system=secrets.token_urlsafe(credentials.SECRET_BYTES),
        )
        credentials.write_private(auth, codec.encode(made) + b"\n")
    return read(directory)


def hashed(secret: str) -> str:
    """Return the bcrypt hash of a random secret, always the same one.

    The salt comes from the secret: nobody else has the same 256 bits, and the same
    configuration should be the same bytes.
    """
    raw = hashlib.blake2b(
        secret.encode(), digest_size=_SALT_BYTES, person=b"wig bcrypt salt"
    ).digest()
    salt = base64.b64encode(raw).rstrip(b"=").translate(bytes.maketrans(_STANDARD, _BCRYPT))
    return bcrypt.hashpw(secret.encode(), b"$2b$%02d$" % BCRYPT_ROUNDS + salt).decode()
