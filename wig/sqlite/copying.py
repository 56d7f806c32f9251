"""An online copy of a database file. Called by `wig backup`."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from wig.sqlite import connections
from wig.sqlite.initialise import new_file

STEP_PAGES = 2_000  # 8 MB between two reports of progress

Progress = Callable[[int, int], None]
"""Called with the number of pages that are copied, and of all."""


def backup(source: str | Path, target: str | Path, progress: Progress | None = None) -> None:
    """Copy a database while it is in use, readable by its owner only; never blocks the writer.

    The copy is the state at the moment when it began. Raises `Unusable` if `target` exists;
    whatever goes wrong, no half copy stays.
    """
    source, target = Path(source), Path(target)
    connections.check_header(source)
    with (
        new_file(target) as unfinished,
        connections.translated(source),
        closing(connections.reader(source)) as reading,
        closing(sqlite3.connect(unfinished, isolation_level=None)) as writing,
    ):
        # An open read transaction: otherwise each commit of the writer starts the copy again.
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM meta").fetchone()
        reading.backup(
            writing,
            pages=STEP_PAGES,
            progress=lambda _status, remaining, total: (
                progress(total - remaining, total) if progress else None
            ),
        )
        reading.execute("ROLLBACK")
