"""WireGuard keys as text: parse at the border, trust inside.

Called by whoever accepts a key from outside. A key is 32 bytes, written as 44 characters of
standard base64 (`wg(8)`). Public keys are plain `str` inside wig, because there are millions of
them; secrets are objects that no `repr`, `str` or log line can show.
"""

import binascii
from typing import NewType, Self

from wig import errors

KEY_BYTES = 32  # NOISE_PUBLIC_KEY_LEN, WireGuard paper, section 5.4
KEY_CHARACTERS = 44

PublicKey = NewType("PublicKey", str)
"""The canonical base64 text of a public key; its owner's identity."""


class Secret:
    """A key that only `reveal` shows."""

    __slots__ = ("_text",)

    field = "secret"

    def __init__(self, text: str) -> None:
        """Trust `text`; use `parse` for text from outside."""
        self._text = text

    @classmethod
    def parse(cls, text: object, field: str | None = None) -> Self:
        """Return the secret, or raise `Invalid` without repeating the text."""
        name = field or cls.field
        if problem := _problem(text):
            raise errors.Invalid(f"{name}: {problem}", field=name)
        return cls(str(text))

    def reveal(self) -> str:
        """Return the base64 text."""
        return self._text

    def __eq__(self, other: object) -> bool:
        """Compare kind and text."""
        return type(other) is type(self) and other._text == self._text

    def __hash__(self) -> int:
        """Hash like the text."""
        return hash(self._text)

    def __repr__(self) -> str:
        """Show the kind only."""
        return f"{type(self).__name__}(…)"


class PrivateKey(Secret):
    """The private key of an interface."""

    __slots__ = ()
    field = "private_key"


class PresharedKey(Secret):
    """The symmetric key that one peer and its interface may share."""

    __slots__ = ()
    field = "preshared_key"


def parse_public(text: object, field: str = "public_key") -> PublicKey:
    """Return a canonical public key, or raise `Invalid`."""
    if problem := _problem(text):
        raise errors.Invalid(f"{field}: {errors.quoted(text)} {problem}", field=field)
    return PublicKey(str(text))


def _problem(text: object) -> str | None:
    """Return the rule that `text` breaks as a key."""
    if not isinstance(text, str) or len(text) != KEY_CHARACTERS:
        return f"is not a key: a key is {KEY_CHARACTERS} characters of base64, as `wg` prints it"
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        return "is not a key: it is not valid base64"
    if len(raw) != KEY_BYTES:
        return f"is not a key: it has {len(raw)} bytes instead of {KEY_BYTES}"
    if not any(raw):
        return "is not a key: all bytes are zero"
    if binascii.b2a_base64(raw, newline=False).decode() != text:
        return "is not a key: its last character is not canonical base64"
    return None
