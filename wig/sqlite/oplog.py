"""The log as rows: reading entries, and forgetting old ones with old outcomes.

Called by the datastore, its readers and `verify`.
"""

import sqlite3
from itertools import takewhile

from wig.log import Record
from wig.sqlite import sql
from wig.sqlite.transaction import Transaction

PRUNED_ROWS_MAX = 5_000  # in one transaction: about 10 ms in which no command can be decided

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


def prune(
    transaction: Transaction, before: int, keep_entries: int, keep_from_seq: int | None
) -> int:
    """Forget entries and outcomes older than `before` (microseconds); return how many."""
    return _prune_entries(transaction, before, keep_entries, keep_from_seq) + _prune_outcomes(
        transaction.connection, before
    )


def _prune_entries(
    transaction: Transaction, before: int, keep_entries: int, keep_from_seq: int | None
) -> int:
    """Forget entries from the old end on, up to the first one that must stay."""
    connection, head = transaction.connection, transaction.head
    base = head.base_seq
    (young,) = connection.execute(
        sql.query("entry_young"), (base, PRUNED_ROWS_MAX, before)
    ).fetchone()
    until = min(base + PRUNED_ROWS_MAX, head.seq - max(keep_entries, 1))
    if young is not None:
        until = min(until, young - 1)
    if keep_from_seq is not None:
        until = min(until, keep_from_seq - 1)
    if until <= base:
        return 0
    digest = digest_at(connection, (base, head.base_digest), until)
    assert digest is not None, "entries from the base to the head are all there"
    head.base_seq, head.base_digest = until, digest
    connection.execute(sql.query("meta_base"), (until, digest))
    connection.execute(sql.query("entry_prune"), (until,))
    return until - base


def _prune_outcomes(connection: sqlite3.Connection, before: int) -> int:
    """Forget outcomes from the old end on, up to the first one that is young."""
    oldest = connection.execute(sql.query("request_oldest"), (PRUNED_ROWS_MAX,)).fetchall()
    gone = list(takewhile(lambda row: row[1] < before, oldest))
    if gone:
        connection.execute(sql.query("request_prune"), (gone[-1][0],))
    return len(gone)
