"""The JSON Web Tokens of NATS: signed and read. Called by the auth callout.

Only what the callout needs: algorithm `ed25519-nkey`, and claims as dictionaries (nats-io/jwt,
version 2). No general library knows this algorithm.
"""

import base64
import binascii
import json
from typing import Any

from cryptography.hazmat.primitives import hashes

from wig import errors, nkeys

_HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}


def sign(key: nkeys.KeyPair, claims: dict[str, Any], issued: int) -> str:
    """Return claims as a token; `issued` is in seconds since 1970.

    `iat`, `iss` and `jti` are added: when, by whom, and a number that the claims determine.
    """
    body = claims | {"iat": issued, "iss": key.public_key}
    digest = hashes.Hash(hashes.SHA512_256())
    digest.update(_json(body))
    body["jti"] = base64.b32encode(digest.finalize()).decode().rstrip("=")
    signed = f"{_base64(_json(_HEADER))}.{_base64(_json(body))}"
    return f"{signed}.{_base64(key.sign(signed.encode()))}"


def read(token: str, kind: int) -> dict[str, Any]:
    """Return the claims of a token, signed by the key of `kind` that it names.

    The caller decides whether it trusts that key. Raises `Invalid`.
    """
    signed, _, signature = token.rpartition(".")
    head, _, body = signed.partition(".")
    try:
        header, claims = json.loads(_raw(head)), json.loads(_raw(body))
        if header != _HEADER or not isinstance(claims, dict):
            raise errors.Invalid("token: it is not signed as NATS does")
        issuer = nkeys.parse_public(kind, str(claims.get("iss")))
        right = nkeys.verify(issuer, signed.encode(), _raw(signature))
    except (binascii.Error, ValueError):
        raise errors.Invalid("token: it is not a JSON Web Token") from None
    if not right:
        raise errors.Invalid("token: its signature is wrong")
    return claims


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
