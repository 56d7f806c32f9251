"""The WAL moved into the database file beside the writer, so that no commit waits for it.

Called by the writer's `transaction`. SQLite's own checkpoint runs inside the commit that crosses a
mark: measured, 20–40 ms each, and a fifth of all the time that a busy writer has. Here a thread
does it, with a connection of its own, while the writer goes on. What was written meanwhile is
little; the writer moves that itself, between two transactions, because the WAL begins from its
start again only when all of it has been moved (https://www.sqlite.org/wal.html, section 4).
"""

import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

from wig.sqlite import connections

DUE_PAGES = 4_000  # 16 MB: pages that are written again and again are moved once
LEFT_PAGES_MAX = 500  # so few are moved by the writer, in 1–2 ms
PASSES_MAX = 4  # each moves what was written during the one before
COMMIT_PAGES = 4  # what a transaction writes besides its rows

_MOVE = "PRAGMA wal_checkpoint(PASSIVE)"  # never waits for readers or the writer, nor they for it


class Checkpoints:
    """Counts what one writer writes, and has it moved from time to time."""

    def __init__(self, path: Path, writer: sqlite3.Connection) -> None:
        """Begin no thread before there is enough to do."""
        self._path = path
        self._writer = writer
        self._thread: threading.Thread | None = None
        self._rows = writer.total_changes
        self._pages = 0

    def committed(self) -> None:
        """Count a transaction, and begin to move what was written if it is much."""
        rows = self._writer.total_changes
        # A row dirties about one page: few share one in an index, more at the end of a table.
        self._pages += rows - self._rows + COMMIT_PAGES
        self._rows = rows
        if self._pages >= DUE_PAGES and self._thread is None:
            self._pages = 0
            self._thread = threading.Thread(target=self._move, name="wig-checkpoint", daemon=True)
            self._thread.start()

    def between(self) -> None:
        """Move the rest, if the thread has done its part; no transaction is open."""
        if self._thread is not None and not self._thread.is_alive():
            self._thread = None
            self._writer.execute(_MOVE).fetchone()

    def close(self) -> None:
        """Wait for the thread."""
        if self._thread is not None:
            self._thread.join()

    def _move(self) -> None:
        # What the disk refuses here, it refuses the writer as well, who tells it.
        with suppress(sqlite3.Error), closing(connections.checkpointer(self._path)) as connection:
            before = 0
            for _ in range(PASSES_MAX):
                _, written, moved = connection.execute(_MOVE).fetchone()
                if written - before < LEFT_PAGES_MAX or moved < written:
                    return
                before = moved
