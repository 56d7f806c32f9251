"""Every error that wig shows to a person or puts on the wire.

WigError
├── Permanent                 repeating the same thing gives the same error
│   ├── Invalid               a field breaks a rule
│   ├── NotFound              the object is not there
│   ├── Exists                another object already has this identity
│   ├── Conflict              the object is not in the expected state
│   ├── Exhausted             no free address is left in the pool
│   ├── ReadOnly              this node does not accept commands
│   ├── Fenced                another instance runs in this one's place
│   ├── WrongRole             a primary's database was to follow, or the other way round
│   ├── Denied                the identity may not do this
│   ├── TooLarge              the message is over the limit
│   ├── Damaged               stored bytes are not what was written
│   ├── Foreign               the other side belongs to another database
│   ├── Unsupported           a newer format: upgrade this node
│   └── Unusable              the host or a file cannot be used as it is
└── Temporary                 worth repeating
    ├── Unavailable           refused before anything was changed
    └── Unknown               the outcome is not known; repeat with the same request id

Raised everywhere, translated to the wire by `to_wire`, printed by the program. A message names
the field, the value and the rule, in that order; it never contains a secret.
"""

from typing import ClassVar

import msgspec


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The `error` member of a reply."""

    code: str
    message: str
    field: str | None = None
    hint: str | None = None


class WigError(Exception):
    """wig could not do what was asked."""

    code: ClassVar[str] = "error"

    def __init__(
        self, message: str | None = None, *, field: str | None = None, hint: str | None = None
    ) -> None:
        """Keep `message`, or the first line of the class's docstring, and what to do now."""
        self.message = message or (self.__doc__ or "").splitlines()[0]
        self.field = field
        self.hint = hint
        super().__init__(self.message)

    def body(self) -> ErrorBody:
        """Return the error as it travels."""
        return ErrorBody(code=self.code, message=self.message, field=self.field, hint=self.hint)


class Permanent(WigError):
    """Repeating this gives the same error."""


class Temporary(WigError):
    """Repeating this may succeed."""


class Invalid(Permanent):
    """A field breaks a rule."""

    code = "invalid"


class NotFound(Permanent):
    """There is no such object."""

    code = "not_found"


class Exists(Permanent):
    """Another object already has this identity."""

    code = "exists"


class Conflict(Permanent):
    """The object is not in the state that the command expects."""

    code = "conflict"


class Exhausted(Permanent):
    """No free address is left in the pool."""

    code = "exhausted"


class ReadOnly(Permanent):
    """This node does not accept commands."""

    code = "read_only"


class Fenced(Permanent):
    """Another instance runs in this one's place."""

    code = "fenced"


class WrongRole(Permanent):
    """A primary's database was to follow, or a follower's to lead."""

    code = "wrong_role"


class Denied(Permanent):
    """The identity may not do this."""

    code = "denied"


class TooLarge(Permanent):
    """The message is over the limit."""

    code = "too_large"


class Damaged(Permanent):
    """Stored bytes are not what was written."""

    code = "damaged"


class Foreign(Permanent):
    """The other side belongs to another database."""

    code = "foreign"


class Unsupported(Permanent):
    """The format is newer than this program: upgrade this node."""

    code = "unsupported"


class Unusable(Permanent):
    """The host or a file cannot be used as it is."""

    code = "unusable"


class Unavailable(Temporary):
    """Refused before anything was changed."""

    code = "unavailable"


class Unknown(Temporary):
    """The outcome is not known; repeat with the same request id."""

    code = "unknown"


BY_CODE: dict[str, type[WigError]] = {
    kind.code: kind
    for kind in (
        Invalid, NotFound, Exists, Conflict, Exhausted, ReadOnly, Fenced, WrongRole, Denied,
        TooLarge, Damaged, Foreign, Unsupported, Unusable, Unavailable, Unknown,
    )
}  # fmt: skip


def from_body(body: ErrorBody) -> WigError:
    """Return the exception that the other side raised; an unknown code stays a `WigError`."""
    kind = BY_CODE.get(body.code, WigError)
    return kind(body.message, field=body.field, hint=body.hint)


def quoted(value: object, limit: int = 60) -> str:
    """Return `value` for a message, in quotes and cut to `limit` characters."""
    text = repr(str(value))
    return text if len(text) <= limit else text[: limit - 1] + "…"
