"""Keys made on this host, from the system's randomness. Called where a command needs a new one."""

import os

from wig import keys, x25519


def private_key() -> keys.PrivateKey:
    """Make a private key."""
    return x25519.private_key(os.urandom(keys.KEY_BYTES))


def preshared_key() -> keys.PresharedKey:
    """Make a preshared key."""
    return x25519.preshared_key(os.urandom(keys.KEY_BYTES))
