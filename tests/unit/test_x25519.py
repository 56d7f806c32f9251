"""Making keys, against the vectors of RFC 7748."""

import base64

import pytest

from tests import builders
from wig import keys, x25519

# RFC 7748, section 6.1: Bob's private and public key.
BOB_PRIVATE = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
BOB_PUBLIC = bytes.fromhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def test_the_public_key_is_derived_as_the_rfc_says():
    """The published pair comes out."""
    private = keys.PrivateKey(_text(BOB_PRIVATE))

    assert x25519.public_key(private) == _text(BOB_PUBLIC)


@pytest.mark.parametrize("seed", range(5))
def test_a_made_private_key_is_clamped(seed):
    """The bits that the curve ignores are fixed, as `wg genkey` does."""
    raw = base64.b64decode(builders.private_key(seed).reveal())

    assert raw[0] & 7 == 0
    assert raw[31] & 0xC0 == 0x40


def test_clamping_changes_the_text_and_not_the_key():
    """A key that was never clamped has the same public key afterwards."""
    wild = keys.PrivateKey(_text(bytes(range(1, 32)) + b"\xff"))

    tame = x25519.clamped(wild)

    assert tame != wild
    assert x25519.clamped(tame) == tame
    assert x25519.public_key(tame) == x25519.public_key(wild)


def test_a_preshared_key_is_the_entropy_itself():
    """It is a symmetric key: nothing is clamped."""
    assert x25519.preshared_key(b"\xff" * 32).reveal() == _text(b"\xff" * 32)


@pytest.mark.parametrize("make", [x25519.private_key, x25519.preshared_key])
def test_too_little_entropy_is_refused(make):
    """A short key would be a weak key."""
    with pytest.raises(ValueError, match="needs 32 bytes of entropy, got 16"):
        make(bytes(16))
