"""Credentials: the identity and secret with which a program comes to the bus.

Called by the embedded server (which makes one for its own host) and by programs. A file holds
`{"id": …, "secret": …}`, as `wig init` and `wig token create` print it, and is for its owner only.
"""

import os
import secrets
from pathlib import Path

from wig import codec, errors
from wig.codec import Value

SECRET_BYTES = 32  # 256 random bits: nothing is gained by slowing down who guesses


class Credentials(Value, frozen=True, kw_only=True):
    """Who one is, and the proof of it."""

    id: str
    secret: str

    def __repr__(self) -> str:
        """Show the identity only."""
        return f"Credentials({self.id}, …)"


_decode = codec.decoder(Credentials)


def read(path: Path) -> Credentials:
    """Return the credentials in a file; raise `Unusable` if there are none."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise errors.Unusable(
            f"token file: '{path}' cannot be read: {error.strerror}",
            field="token_file",
            hint="name the file that `wig token create` or `wig up` wrote",
        ) from error
    try:
        return _decode(raw)
    except errors.Invalid:
        raise errors.Unusable(
            f"token file: '{path}' is not a token",
            field="token_file",
            hint='it is JSON: {"id": …, "secret": …}',
        ) from None


def make(id: str) -> Credentials:
    """Return new credentials with a random secret."""
    return Credentials(id=id, secret=secrets.token_urlsafe(SECRET_BYTES))


def write(path: Path, credentials: Credentials) -> None:
    """Write a file that only its owner can read; an old one is replaced in one step."""
    write_private(path, codec.encode(credentials) + b"\n")


def write_private(path: Path, content: bytes) -> None:
    """Write any file with mode 0600, in one step, never readable by others in between."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    new.replace(path)
