"""The entries of the log as rows. Called by the datastore, its readers and `verify`."""

import sqlite3

from wig.log import Record
from wig.sqlite import sql

_PAGE = sql.query("entry_page")


def records(connection: sqlite3.Connection, after: int, limit: int) -> list[Record]:
    """Return up to `limit` entries after sequence `after`, in order."""
    return [Record(*row) for row in connection.execute(_PAGE, (after, limit))]


def digest_at(connection: sqlite3.Connection, base: tuple[int, bytes], seq: int) -> bytes | None:
    """Return the chain's digest at `seq`; None: it is not kept, or not there yet."""
    if seq == base[0]:
        return base[1]
    found = connection.execute(sql.query("entry_get"), (seq,)).fetchone()
    return None if found is None else bytes(found[2])
