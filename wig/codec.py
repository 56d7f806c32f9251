"""Values to bytes and back: one deterministic JSON encoding for wire, log and snapshot.

Called by everything that stores or sends. The same value always gives the same bytes: fields are
written in the order of their declaration, defaults are omitted (so that a new field with a
default does not change the bytes, and so the digests, of old objects), times are UTC with `Z`.

**Invariant:** decoding is strict. Unknown fields, naive times and wrong types are refused.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

from wig import errors, keys

T = TypeVar("T")

Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""An aware time; naive times are refused when they are decoded."""


class Value(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,
):
    """An immutable value. `gc=False`: values never form cycles, and there are millions.

    msgspec does not inherit `kw_only`, and type checkers do not see an inherited `frozen`:
    each subclass repeats both.
    """


def _encode_hook(value: Any) -> Any:
    if isinstance(value, keys.Secret):
        return value.reveal()
    raise NotImplementedError(f"no encoding for {type(value).__name__}")


def _decode_hook(kind: type, value: Any) -> Any:
    if issubclass(kind, keys.Secret):
        return kind.parse(value)
    raise NotImplementedError(f"no decoding for {kind.__name__}")


_encoder = msgspec.json.Encoder(enc_hook=_encode_hook)

encode: Callable[[Any], bytes] = _encoder.encode
"""Return the bytes of a value."""

encode_lines: Callable[[Any], bytes] = _encoder.encode_lines
"""Return the bytes of several values, each followed by a newline."""


def decoder(kind: type[T]) -> Callable[[bytes], T]:
    """Return the strict decoder of one type; make it once, at import.

    The decoder raises `Invalid` naming the field. It never repeats the value: it may be a secret.
    """
    inner = msgspec.json.Decoder(kind, dec_hook=_decode_hook)

    def decode(raw: bytes) -> T:
        try:
            return inner.decode(raw)
        except errors.Invalid:
            raise
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise invalid(error) from None

    return decode


def lines_decoder(kind: Any) -> Callable[[bytes], list[Any]]:
    """Return the strict decoder of newline-separated values of one type."""
    inner = msgspec.json.Decoder(kind, dec_hook=_decode_hook)

    def decode(raw: bytes) -> list[T]:
        try:
            return inner.decode_lines(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise invalid(error) from None

    return decode


_AT_PATH = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")
_NAMED_FIELD = re.compile(r"(?:unknown|required) field `([^`]+)`")


def invalid(error: Exception) -> errors.Invalid:
    """Return msgspec's complaint in the words of wig, with the field that it is about."""
    text = str(error)
    path = _AT_PATH.search(text)
    rule = _AT_PATH.sub("", text)
    named = _NAMED_FIELD.search(rule)
    parts = [part for part in (path and path.group(1), named and named.group(1)) if part]
    field = ".".join(parts) or None
    return errors.Invalid(f"{field}: {rule}" if field else rule, field=field)
