"""Making keys: the only part of the core that needs the `cryptography` library.

Called by `decide` (an interface's public key must belong to its private key) and by clients that
make keys. The caller supplies the randomness. **Invariant:** nothing here reads a random source.
"""

import base64

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from wig import keys


def private_key(entropy: bytes) -> keys.PrivateKey:
    """Return a clamped Curve25519 private key from 32 random bytes (RFC 7748, section 5)."""
    return _clamp(_exactly_32(entropy))


def clamped(private: keys.PrivateKey) -> keys.PrivateKey:
    """Return the same key as WireGuard shows it: the bits that it ignores are fixed.

    Without this, a device would for ever report another key than the one it was given.
    """
    return _clamp(base64.b64decode(private.reveal()))


def preshared_key(entropy: bytes) -> keys.PresharedKey:
    """Return a preshared key: 32 random bytes as they are."""
    return keys.PresharedKey(base64.b64encode(_exactly_32(entropy)).decode())


def public_key(private: keys.PrivateKey) -> keys.PublicKey:
    """Return the public key of a private key."""
    raw = X25519PrivateKey.from_private_bytes(base64.b64decode(private.reveal()))
    return keys.PublicKey(base64.b64encode(raw.public_key().public_bytes_raw()).decode())


def _clamp(raw: bytes) -> keys.PrivateKey:
    low, high = raw[0] & 248, raw[31] & 127 | 64
    return keys.PrivateKey(base64.b64encode(bytes([low, *raw[1:31], high])).decode())


def _exactly_32(entropy: bytes) -> bytes:
    if len(entropy) != keys.KEY_BYTES:
        raise ValueError(f"needs {keys.KEY_BYTES} bytes of entropy, got {len(entropy)}")
    return entropy
