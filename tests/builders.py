"""Objects for tests: a test names only what matters to it."""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

from wig import keys, x25519
from wig.commands import CreateInterface, CreatePeer, CreateToken, DeletePeer, PeerSpec
from wig.model import Interface, Peer, Token

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def entropy(seed: object, size: int = 32) -> bytes:
    """Return bytes that look random and depend on `seed` only."""
    return hashlib.shake_256(repr(seed).encode()).digest(size)


def private_key(seed: object = 0) -> keys.PrivateKey:
    return x25519.private_key(entropy(("private", seed)))


def key(seed: object = 0) -> str:
    """Return a public key's text."""
    return base64.b64encode(entropy(("public", seed))).decode()


def interface(name: str = "wg0", **fields: Any) -> Interface:
    private = fields.pop("private_key", private_key(name))
    return Interface(
        **{
            "name": name,
            "port": 51820,
            "private_key": private,
            "public_key": x25519.public_key(private),
            "addresses": ("10.0.0.1/24", "fd00::1/64"),
        }
        | fields
    )


def peer(seed: object = 0, **fields: Any) -> Peer:
    return Peer(**{"public_key": key(seed), "interface": "wg0", "created": NOON} | fields)


def token(id: str = "admin", **fields: Any) -> Token:
    digest = hashlib.sha256(id.encode()).hexdigest()
    return Token(**{"id": id, "secret_digest": digest, "role": "admin", "created": NOON} | fields)


def create_interface(name: str = "wg0", **fields: Any) -> CreateInterface:
    return CreateInterface(
        **{
            "name": name,
            "port": 51820,
            "private_key": private_key(name),
            "addresses": ("10.0.0.1/24", "fd00::1/64"),
        }
        | fields
    )


def create_peer(seed: object = 0, **fields: Any) -> CreatePeer:
    return CreatePeer(**{"interface": "wg0", "public_key": key(seed)} | fields)


def spec(seed: object = 0, **fields: Any) -> PeerSpec:
    """Return one peer of an import."""
    return PeerSpec(**{"interface": "wg0", "public_key": key(seed)} | fields)


def create_token(id: str = "admin", **fields: Any) -> CreateToken:
    digest = hashlib.sha256(id.encode()).hexdigest()
    return CreateToken(**{"id": id, "secret_digest": digest, "role": "admin"} | fields)


def delete_peer(seed: object = 0, **fields: Any) -> DeletePeer:
    return DeletePeer(public_key=key(seed), **fields)
