"""Edges on their way into the stream: which one is next, whatever has become of the stream.

Called by the process that publishes them. Each edge has a number in its database, and each
database a *generation*, a random name for its numbers; together they are the id of the message. So
the last message of a stream tells which edges are in it.
"""

import re
from typing import NamedTuple

_ID = re.compile(r"([0-9a-f]+):([0-9]+)")


class Mark(NamedTuple):
    """An edge in a stream."""

    generation: str
    """Hexadecimal."""
    number: int

    @property
    def text(self) -> str:
        """The id of the message."""
        return f"{self.generation}:{self.number}"


def parse_mark(text: str | None) -> Mark | None:
    """Return the edge that a message is; None: it is something else."""
    match = _ID.fullmatch(text or "")
    return Mark(match[1], int(match[2])) if match else None


class Stored(NamedTuple):
    """What a database knows of its edges."""

    generation: str
    """Empty: it has never published."""
    published: int
    """It heard that the stream has accepted all edges up to this one."""
    last: int
    """The last edge that there is."""


class Resume(NamedTuple):
    """Where to go on."""

    after: int
    """Edges up to this one are not published any more."""
    anew: bool = False
    """The numbers need another generation: those of the old one are not this database's."""
    lost: tuple[int, int] | None = None
    """Edges that were published by a database that had gone on further, first and last."""


def resume(stored: Stored, mark: Mark | None) -> Resume:
    """Return where to go on after a look at the last message of the stream.

    `mark` is None if the stream is empty, gone, or ends with something else: then what is known
    to have been accepted counts. A stream that is further than `published` has what nobody heard
    of; one that is behind lost its end, and gets it again, as far as it is kept. If it is further
    than the database, that is an older copy, and all edges of the copy are in the stream.
    """
    if not stored.generation:
        return Resume(stored.published, anew=True)
    if mark is None or mark.generation != stored.generation:
        return Resume(stored.published)
    if mark.number > stored.last:
        return Resume(stored.last, anew=True, lost=(stored.last + 1, mark.number))
    return Resume(mark.number)
