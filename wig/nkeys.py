"""NATS keys: Ed25519 with a text form of their own. Called by the auth callout.

    base32 without padding of   prefix ‖ 32 bytes ‖ CRC-16/XMODEM, little-endian

The first letter of the text says what the key is for, and a seed begins with `S` and then that
letter. Source: nats-io/nkeys, "strkey.go". **Invariant:** the caller supplies the randomness.
"""

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from wig import errors

ACCOUNT = 0
"""Keys that sign for an account begin with `A`."""
SERVER = 13 << 3
"""Of servers: `N`."""
USER = 20 << 3
"""Of users: `U`."""
_SEED = 18 << 3
_KINDS = (ACCOUNT, SERVER, USER)

KEY_BYTES = 32
_CRC_BYTES = 2


def public(kind: int, raw: bytes) -> str:
    """Return the text of a public key of 32 bytes."""
    return _encode(bytes([kind]) + _exactly_32(raw))


def parse_public(kind: int, text: str) -> bytes:
    """Return the 32 bytes of a public key of this kind; raise `Invalid` for anything else."""
    raw = _decode(text, "nkey")
    if len(raw) != 1 + KEY_BYTES or raw[0] != kind:
        raise errors.Invalid(f"nkey: {errors.quoted(text)} is not a public key of this kind")
    return raw[1:]


def verify(public_key: bytes, signed: bytes, signature: bytes) -> bool:
    """Say whether `signature` of `signed` was made with the key's seed."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed)
    except InvalidSignature:
        return False
    return True


class KeyPair:
    """A key that signs. Its seed is a secret, and not in its `repr`."""

    def __init__(self, kind: int, entropy: bytes) -> None:
        """Make a key from 32 random bytes."""
        if kind not in _KINDS:
            raise ValueError(f"no kind of key: {kind}")
        self._kind = kind
        self._raw = _exactly_32(entropy)
        self._key = Ed25519PrivateKey.from_private_bytes(entropy)

    @property
    def public_key(self) -> str:
        """The text that others know it by."""
        return public(self._kind, self._key.public_key().public_bytes_raw())

    def reveal(self) -> str:
        """Return the seed's text: a secret."""
        head = bytes([_SEED | self._kind >> 5, (self._kind & 31) << 3])
        return _encode(head + self._raw)

    def sign(self, text: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        return self._key.sign(text)

    def __repr__(self) -> str:
        """Show the public key only."""
        return f"KeyPair({self.public_key})"


def parse_seed(text: str) -> KeyPair:
    """Return the key of a seed; raise `Invalid`, which does not repeat the text."""
    raw = _decode(text, "seed", secret=True)
    kind = (raw[0] & 7) << 5 | raw[1] >> 3 if len(raw) == 2 + KEY_BYTES else -1
    if kind not in _KINDS or raw[0] & 0xF8 != _SEED:
        raise errors.Invalid("seed: it is not a seed", field="seed")
    return KeyPair(kind, raw[2:])


def _encode(raw: bytes) -> str:
    return base64.b32encode(raw + _crc(raw)).decode().rstrip("=")


def _decode(text: str, what: str, *, secret: bool = False) -> bytes:
    """Return what the text holds, without the check sum, which is right."""
    shown = "it" if secret else errors.quoted(text)
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        raise errors.Invalid(f"{what}: {shown} is not base32", field=what) from None
    body, check = raw[:-_CRC_BYTES], raw[-_CRC_BYTES:]
    if not body or check != _crc(body):
        raise errors.Invalid(f"{what}: {shown} has a wrong check sum", field=what)
    return body


def _crc(raw: bytes) -> bytes:
    return binascii.crc_hqx(raw, 0).to_bytes(_CRC_BYTES, "little")  # CRC-16/XMODEM


def _exactly_32(raw: bytes) -> bytes:
    if len(raw) != KEY_BYTES:
        raise ValueError(f"needs {KEY_BYTES} bytes, got {len(raw)}")
    return raw
