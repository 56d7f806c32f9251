"""Reading the sessions' database beside its writer: sessions, edges, last signs of life.

Called by whatever answers queries, and by the writer for the edges. Each call sees one committed
state.
"""

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from wig import errors
from wig.codec import Value
from wig.session_changes import END, REASONS
from wig.sessions import Edge, Session
from wig.sqlite import connections, sql
from wig.sqlite.connections import Kind

KIND = Kind(0x77696773, 2, "a database of sessions", "history_schema.sql")  # "wigs"

QUERIES = sql.load("history_queries.sql")


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
        """Open the file; raises `Unusable`, `Damaged` or `Unsupported`, each with a hint."""
        self.path = Path(path)
        connections.check_header(self.path, KIND)
        with connections.translated(self.path):
            self._connection = connections.reader(self.path)

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()

    def sessions(self, query: Query) -> Page:
        """Return one page of sessions; raises `Invalid` for a cursor that is none."""
        conditions, parameters = _conditions(query)
        statement = QUERIES["session_page"].replace("{where}", " AND ".join(conditions))
        with connections.translated(self.path):
            self._connection.execute("BEGIN")  # a session and its bytes of the same moment
            try:
                found = self._connection.execute(
                    statement, (*parameters, query.limit + 1)
                ).fetchall()
                shown = tuple(self._session(row) for row in found[: query.limit])
            finally:
                self._connection.execute("ROLLBACK")
        last = found[query.limit - 1] if len(found) > query.limit else None
        return Page(sessions=shown, before=f"{last[4]}:{last[0]}" if last else "")

    def _session(self, row: tuple[Any, ...]) -> Session:
        _, *columns = row
        if columns[4] is not None:
            return session_of(columns, END)
        now = self._connection.execute(QUERIES["session_now"], (columns[1].decode(),)).fetchone()
        seen, columns[7], columns[8] = now
        return session_of(columns, END, seen=seen)

    def last_seen(self, peers: Iterable[str]) -> dict[str, datetime]:
        """Return the last sign of life of those peers that ever gave one."""
        with connections.translated(self.path):
            found = (
                (peer, self._connection.execute(QUERIES["peer_seen"], (peer,)).fetchone())
                for peer in peers
            )
            return {peer: _time(row[0]) for peer, row in found if row and row[0]}

    def recorded_since(self) -> datetime | None:
        """Return since when all reports are recorded; None: there was none."""
        with connections.translated(self.path):
            (since,) = self._connection.execute(QUERIES["meta_recorded"]).fetchone()
        return _time(since) if since else None

    def silent(self, now: datetime, silence_s: int) -> dict[str, datetime]:
        """Return the last reports of gateways that have sent none for `silence_s`, by name."""
        with connections.translated(self.path):
            parameters = (silence_s, int(now.timestamp()))
            found = self._connection.execute(QUERIES["gateway_silent"], parameters).fetchall()
        return {name.decode(): _time(arrived) for name, arrived in found}

    def unused(self, before: datetime, after: str = "", limit: int = 1000) -> list[str]:
        """Return known peers without a sign of life since `before`, by key, after key `after`."""
        until = int(before.timestamp())
        parameters = (after, until, until, limit)
        with connections.translated(self.path):
            found = self._connection.execute(QUERIES["peer_unused"], parameters).fetchall()
        return [key.decode() for (key,) in found]


def edges(connection: sqlite3.Connection, after: int, limit: int) -> list[Edge]:
    """Return up to `limit` edges after number `after`, in order."""
    found = connection.execute(QUERIES["edge_page"], (after, limit))
    return [
        Edge(number, _KINDS[kind], session_of(columns, kind)) for number, kind, *columns in found
    ]


_KINDS: tuple[Literal["begin", "end"], ...] = ("begin", "end")


def session_of(columns: list[Any], kind: int, seen: int | None = None) -> Session:
    """Return a session from its columns; at its begin, nothing is known of what comes after."""
    number, peer, interface, begin, end, reason, gateways, received, sent, country, asn, name = (
        columns
    )
    over = kind == END
    visited = gateways.decode().split(",")
    return Session(
        id=number.decode(),
        peer=peer.decode(),
        interface=interface.decode(),
        begin=_time(begin),
        end=_time(end) if over and end is not None else None,
        reason=REASONS[reason] if over and reason is not None else None,
        seen=None if seen is None else _time(seen),
        gateways=tuple(visited if over else visited[:1]),
        received_bytes=received if over else 0,
        sent_bytes=sent if over else 0,
        country=(country or b"").decode(),
        asn=asn or 0,
        organisation=(name or b"").decode(),
    )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _conditions(query: Query) -> tuple[list[str], list[object]]:
    """Return what a session has to fulfil, and the parameters of that."""
    wanted: list[tuple[str, tuple[object, ...]]] = [("TRUE", ())]
    if query.peer is not None:
        wanted.append(("session.peer = ?", (query.peer,)))
    if query.interface is not None:
        wanted.append(("interface.name = ?", (query.interface,)))
    if query.country is not None:
        wanted.append(("country = ? AND country <> ''", (query.country,)))
    if query.active:
        wanted.append(('"end" IS NULL', ()))
    if query.since is not None:
        wanted.append(('("end" IS NULL OR "end" >= ?)', (int(query.since.timestamp()),)))
    if query.until is not None:
        wanted.append(('"begin" < ?', (int(query.until.timestamp()),)))
    if query.before:
        wanted.append(('("begin", session.number) < (?, ?)', _cursor(query.before)))
    return [text for text, _ in wanted], [each for _, some in wanted for each in some]


def _cursor(text: str) -> tuple[int, int]:
    begin, _, number = text.partition(":")
    if not (begin.isdecimal() and number.isdecimal()) or len(text) > 36:
        raise errors.Invalid(f"before: {errors.quoted(text)} is not a cursor", field="before")
    return int(begin), int(number)
