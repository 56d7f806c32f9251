"""The sessions' own database: sessions, last signs of life, and edges that are not out yet.

Called by the process that keeps sessions. It has no tables of the datastore, and a restored
datastore does not touch it.

**Invariant:** sessions, edges and the numbers of the reports that led to them change in one
transaction. So a report that comes again is known, and no edge is lost or made twice.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Self

from wig import session_changes as rows
from wig.session_changes import Changes
from wig.session_table import Table
from wig.sessions import Edge, Sessions, Settings
from wig.sqlite import connections, crash, history_reader, lock, migrations, opening
from wig.sqlite.checkpoints import Checkpoints
from wig.sqlite.history_reader import KIND, QUERIES, HistoryReader, Page, Query
from wig.sqlite.initialise import new_file

__all__ = ["History", "HistoryReader", "Page", "Query"]

EDGES_KEPT = 100_000  # that the stream has; more than a server loses when its power fails
PRUNED_ROWS_MAX = 5_000  # in one transaction: some 50 ms in which no report is stored

CLAMPS = ("clamp_session", "clamp_peer", "clamp_link", "clamp_gateway", "clamp_boot")


def _add_recorded(database: Any) -> None:
    """Note since when all is recorded: since now, for nobody noticed gaps. 0: the next report."""
    database.execute("ALTER TABLE meta ADD COLUMN recorded_since INTEGER NOT NULL DEFAULT 0")


STEPS: Mapping[int, migrations.Step] = {2: _add_recorded}
"""The step that brings a file to each version, from version 2 on."""


class History:
    """The writer of one file; one thread at a time."""

    def __init__(self, path: Path, held: lock.Lock, connection: sqlite3.Connection) -> None:
        """Take over a lock and a connection; use `open`."""
        self.path = path
        self._lock = held
        self._connection = connection
        self._checkpoints = Checkpoints(path, connection)
        generation, published, *last = connection.execute(QUERIES["meta_get"]).fetchone()
        (self._recorded_since,) = connection.execute(QUERIES["meta_recorded"]).fetchone()
        self.generation: str = generation.decode()
        """The generation of the stream of edges; empty: there is none yet."""
        self.published_number: int = published
        """The stream has all edges up to this one, as far as is known."""
        self._last = rows.Last(*last)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a file as its only writer, making it if there is none.

        Raises `Unusable`, `Damaged` or `Unsupported`, each with a hint.
        """
        path = Path(path)
        if not path.exists():
            _create(path)
        return opening.opened(path, cls, KIND, STEPS)

    def close(self) -> None:
        """Let the file go; what was committed is safe with or without this."""
        self._checkpoints.close()
        self._connection.close()
        self._lock.release()

    def __enter__(self) -> Self:
        """Hold it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def load(self, settings: Settings | None = None) -> Sessions:
        """Return what is stored, to go on from."""
        table = Table()
        with self._writing():
            self._connection.execute(QUERIES["link_prune"])
            table.restore(
                rows.Stored(
                    last=self._last,
                    recorded_since=self._recorded_since,
                    gateways=[rows.GatewayRow(*row) for row in self._texts("gateway_all")],
                    boots=[rows.BootRow(*row) for row in self._texts("boot_all")],
                    interfaces=list(self._texts("interface_all")),
                    organisations=list(self._texts("organisation_all")),
                    open={row[0]: rows.OpenRow(*row[1:]) for row in self._texts("session_open")},
                    peers=self._peers(),
                )
            )
        return Sessions(settings, table)

    def _texts(self, name: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query, with text as text."""
        for row in self._connection.execute(QUERIES[name]):
            yield tuple(each.decode() if isinstance(each, bytes) else each for each in row)

    def _peers(self) -> Iterator[tuple[rows.PeerRow, list[rows.LinkRow]]]:
        for peer, found in groupby(self._texts("peer_all"), key=lambda row: row[:4]):
            links = [rows.LinkRow(*row[4:]) for row in found if row[4] is not None]
            yield rows.PeerRow(*peer), links

    def commit(self, sessions: Sessions) -> int:
        """Store what changed, in one transaction; return the number of the last edge.

        If it raises (disk full, say), nothing is stored and nothing forgotten: call it again.
        Reports may be acknowledged when it returns.
        """
        changes = sessions.changes()
        if not changes.is_empty():
            crash.point("history: before begin")
            with self._writing():
                self._store(changes)
            crash.point("history: committed")
            self._last, self._recorded_since = changes.last, changes.recorded_since
        sessions.committed()
        return self._last.edge

    def _store(self, changes: Changes) -> None:
        if changes.not_after:
            for name in CLAMPS:
                self._connection.execute(QUERIES[name], (changes.not_after,))
        # What is known already of a session that has just begun is inserted with it.
        ended = {row.number: row for row in changes.ended}
        placed = {row[-1]: row for row in changes.placed}
        begun = [
            row + _end_of(ended.pop(row.number, None)) + _place_of(placed.pop(row.number, None))
            for row in changes.begun
        ]
        self._many("peer_forget", [(number,) for number in changes.forgotten])
        self._many("gateway_put", changes.gateways)
        self._many("boot_put", changes.boots)
        self._connection.execute(QUERIES["boot_prune"], (changes.boots_before,))
        self._many("interface_insert", changes.interfaces)
        self._many("organisation_insert", changes.organisations)
        crash.point("history: names written")
        self._many("peer_put", changes.peers)
        self._many("link_put", changes.links)
        crash.point("history: peers written")
        # What ended before what begins: a peer never has two open ones.
        self._many("session_end", list(ended.values()))
        self._many("session_insert", begun)
        self._many("session_visits", changes.visits)
        self._many("session_placed", list(placed.values()))
        crash.point("history: sessions written")
        self._many("edge_insert", changes.edges)
        crash.point("history: edges written")
        self._connection.execute(QUERIES["meta_last"], (*changes.last, changes.recorded_since))

    def _many(self, name: str, values: list[Any]) -> None:
        if values:
            self._connection.executemany(QUERIES[name], values)

    # Edges.

    def edges(self, after: int, limit: int) -> list[Edge]:
        """Return up to `limit` edges after number `after`, in order."""
        with connections.translated(self.path):
            return history_reader.edges(self._connection, after, limit)

    def begin(self, generation: str, published: int, recorded_since: int) -> None:
        """Store a new generation of edges, before the stream has one, and what goes with it.

        At most 24 hexadecimal digits; `published` as in `published`. `recorded_since` becomes 0
        with the generation or not at all: the next look at the stream finds nothing lost.
        """
        with self._writing():
            self._connection.execute(
                QUERIES["meta_generation"], (generation, published, recorded_since)
            )
        self.generation, self.published_number = generation, published
        self._recorded_since = recorded_since

    def published(self, number: int) -> None:
        """Remember that the stream has all edges up to `number`; the last ones are kept."""
        with self._writing():
            self._connection.execute(QUERIES["meta_published"], (number,))
        self.published_number = number

    def prune(self, now: datetime, max_age: timedelta) -> int:
        """Forget what ended before `now - max_age`; return how many rows went. 0: none is left.

        Sessions, gateways that are silent for as long, and edges that were published, but for
        the last ones. One call is one short transaction: repeat it until it returns 0.
        """
        before = int((now - max_age).timestamp())
        with self._writing():
            (oldest,) = self._connection.execute(QUERIES["edge_oldest"]).fetchone()
            until = min(self.published_number - EDGES_KEPT, (oldest or 0) + PRUNED_ROWS_MAX)
            return sum(
                self._connection.execute(QUERIES[name], parameters).rowcount
                for name, parameters in (
                    ("edge_prune", (until,)),
                    ("edge_prune_old", (self.published_number, before, PRUNED_ROWS_MAX)),
                    ("session_prune", (before, PRUNED_ROWS_MAX)),
                    ("gateway_prune", (before,)),
                )
            )

    def reader(self) -> HistoryReader:
        """Return a connection for another thread."""
        return HistoryReader(self.path)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold a transaction: all of the block or nothing."""
        with connections.translated(self.path):
            self._checkpoints.between()
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._checkpoints.committed()


def _end_of(ended: rows.EndedRow | None) -> tuple[int | None, int | None, int, int]:
    return (None, None, 0, 0) if ended is None else ended[:4]


def _place_of(placed: tuple[str, int | None, int] | None) -> tuple[str | None, int | None]:
    return (None, None) if placed is None else placed[:2]


def _create(path: Path) -> None:
    with new_file(path) as unfinished:
        connection = connections.writer(unfinished)
        try:
            connection.execute("BEGIN IMMEDIATE")
            migrations.create(connection, KIND)
            connection.execute(QUERIES["meta_insert"])
            connection.execute("COMMIT")
        finally:
            connection.close()
