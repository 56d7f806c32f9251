"""The tokens that nats-server and the callout send each other."""

import base64
import json

import pytest

from bridge import jwt
from wig import errors, nkeys

KEY = nkeys.KeyPair(nkeys.ACCOUNT, bytes(range(32)))


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_what_is_signed_can_be_read():
    """Claims come back, with who signed them, and when."""
    claims = jwt.read(jwt.sign(KEY, {"sub": "UX", "nats": {"a": [1]}}, 1700000000), nkeys.ACCOUNT)

    assert claims["sub"] == "UX"
    assert claims["nats"] == {"a": [1]}
    assert (claims["iss"], claims["iat"]) == (KEY.public_key, 1700000000)
    assert len(claims["jti"]) == 52  # 32 bytes in base32


def test_the_same_claims_are_the_same_token():
    """There is nothing random in it."""
    assert jwt.sign(KEY, {"sub": "a"}, 1) == jwt.sign(KEY, {"sub": "a"}, 1)
    assert jwt.sign(KEY, {"sub": "a"}, 1) != jwt.sign(KEY, {"sub": "a"}, 2)


def test_a_changed_token_is_refused():
    """Each part is covered."""
    head, body, signature = jwt.sign(KEY, {"sub": "a"}, 1).split(".")
    forged = part({"sub": "b", "iss": KEY.public_key})

    for token in (f"{head}.{forged}.{signature}", f"{head}.{body}.{signature[:-8]}AAAAAAAA"):
        with pytest.raises(errors.Invalid, match="signature is wrong"):
            jwt.read(token, nkeys.ACCOUNT)


def test_the_kind_of_the_signer_matters():
    """An account cannot sign as a server."""
    with pytest.raises(errors.Invalid, match="kind"):
        jwt.read(jwt.sign(KEY, {}, 1), nkeys.SERVER)


NATS = {"typ": "JWT", "alg": "ed25519-nkey"}


@pytest.mark.parametrize(
    "token",
    [
        "", ".", "..", "a.b.c", "é.é.é", "x" * 1000, f"{part(NATS)}.{part([])}.",
        f"{part(NATS)}.{part({})}.", f"{part({'typ': 'JWT', 'alg': 'none'})}.{part({})}.",
        f"{part(NATS)}.{part({'iss': 7})}.AAAA", f"{part(NATS)}..AAAA",
        f"{part(NATS)}.{part({'iss': KEY.public_key})}.",
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused(token):
    """Whatever is sent, the answer is the same kind of error."""
    with pytest.raises(errors.Invalid):
        jwt.read(token, nkeys.ACCOUNT)
