"""Metrics of a datastore: its log, its stream, its commands and those that follow it.

Called by `node`, for primary and followers alike.
"""

from collections.abc import Iterator
from pathlib import Path

from bridge.callout import Callout
from bridge.commands import Commands
from bridge.datastore import DatastoreNode
from bridge.metrics import COUNTER, GAUGE, HISTOGRAM, Family, Measured
from wig.log import Loss

DOWNSTREAM = ("downstream", "role")

COMMANDS = Family(
    "wig_commands_total", COUNTER,
    "Commands by what became of them: done, failed (a rule, or the disk), invalid (no command), "
    "busy, stuck, stopping or lost (not, or not known to be, committed).", ("result",),
)  # fmt: skip
WAITING = Family("wig_commands_waiting", GAUGE, "Commands that wait for a transaction.")
COMMIT = Family(
    "wig_commit_seconds", HISTOGRAM, "Time to decide and commit one group of commands to disk."
)
COMMITTED = Family("wig_committed_entries_total", COUNTER, "Entries that commands have committed.")
OUTBOX = Family(
    "wig_outbox_entries", GAUGE, "Entries that are committed, and not yet in the stream."
)
STUCK = Family("wig_outbox_stuck", GAUGE, "Whether the stream takes no entries: 1 or 0.")
STREAM_FIRST = Family("wig_stream_first_seq", GAUGE, "The first entry that the stream still has.")
STREAM_LAST = Family("wig_stream_last_seq", GAUGE, "The last entry that the stream has.")
EPOCHS = Family(
    "wig_epochs",
    GAUGE,
    "Epochs that the log remembers: one for each start of the primary, at most 100.",
)
LOSSES = Family(
    "wig_losses_total", COUNTER,
    "How often entries were found to be lost: by this database (restored), or from this timeline "
    "(a downstream had more).", ("of",),
)  # fmt: skip
LOST = Family(
    "wig_lost_entries", GAUGE, "How many entries the last loss was; 0: none was found.", ("of",)
)
LOST_FIRST = Family("wig_lost_first_seq", GAUGE, "The first entry of the last loss.", ("of",))
LOST_LAST = Family("wig_lost_last_seq", GAUGE, "The last entry of the last loss.", ("of",))
DOWNSTREAM_LAG = Family(
    "wig_downstream_lag_entries", GAUGE, "Entries that a node below this one lacks.", DOWNSTREAM
)
DOWNSTREAM_LAG_S = Family(
    "wig_downstream_lag_seconds", GAUGE, "For how long it has lacked some.", DOWNSTREAM
)
DOWNSTREAM_AGE = Family(
    "wig_downstream_report_age_seconds", GAUGE, "How long ago it was last heard of.", DOWNSTREAM
)
DOWNSTREAM_PROBLEMS = Family(
    "wig_downstream_problems", GAUGE, "Problems that it reports.", DOWNSTREAM
)
DATABASE = Family("wig_database_bytes", GAUGE, "Size of the database's files.", ("file",))
LOGINS = Family(
    "wig_logins_total", COUNTER,
    "Questions of the server who may come in: granted, refused, or late (not answered in time).",
    ("result",),
)  # fmt: skip
CONNECTIONS = Family("wig_connections", GAUGE, "Connections that were let in, and are there.")
FAMILIES = (
    COMMANDS, WAITING, COMMIT, COMMITTED, OUTBOX, STUCK, STREAM_FIRST, STREAM_LAST, EPOCHS, LOSSES,
    LOST, LOST_FIRST, LOST_LAST, DOWNSTREAM_LAG, DOWNSTREAM_LAG_S, DOWNSTREAM_AGE,
    DOWNSTREAM_PROBLEMS, DATABASE, LOGINS, CONNECTIONS,
)  # fmt: skip

FILES = {"database": "", "log": "-wal"}


def node(it: DatastoreNode) -> Iterator[Measured]:
    """Yield the values of any datastore."""
    publisher = it.publisher
    yield OUTBOX.of(publisher.backlog)
    yield STUCK.of(publisher.ready.is_set() and publisher.stuck)
    yield STREAM_FIRST.of(publisher.first)
    yield STREAM_LAST.of(publisher.accepted)
    yield EPOCHS.of(len(it.datastore.lineage))
    yield from _loss("database", publisher.ownership.losses, publisher.ownership.loss)
    yield from _loss("timeline", it.attachments.losses, it.attachments.loss)
    yield from _downstreams(it)
    for label, suffix in FILES.items():
        yield DATABASE.of(_bytes(Path(f"{it.datastore.path}{suffix}")), label)


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # SQLite removes the WAL when it likes
        return 0


def _loss(of: str, count: int, loss: Loss | None) -> Iterator[Measured]:
    yield LOSSES.of(count, of)
    yield LOST.of(loss.last - loss.first + 1 if loss else 0, of)
    if loss is not None:
        yield LOST_FIRST.of(loss.first, of)
        yield LOST_LAST.of(loss.last, of)


def _downstreams(it: DatastoreNode) -> Iterator[Measured]:
    mine, *below = it.status.nodes()
    seen = {(mine.name, mine.role)}
    for one in below:
        labels = one.name, one.role
        if labels in seen:  # two of one name: the program itself must not fall over it
            continue
        seen.add(labels)
        yield DOWNSTREAM_LAG.of(one.lag_entries, *labels)
        yield DOWNSTREAM_LAG_S.of(one.lag_s, *labels)
        yield DOWNSTREAM_AGE.of((mine.seen - one.seen).total_seconds(), *labels)
        yield DOWNSTREAM_PROBLEMS.of(len(one.problems), *labels)


def commands(it: Commands) -> Iterator[Measured]:
    """Yield the values of a primary."""
    counts = it.counts
    for result, count in counts.results.items():
        yield COMMANDS.of(count, result)
    yield WAITING.of(it.waiting)
    yield COMMIT.of(counts.commit_s)
    yield COMMITTED.of(counts.entries)


def logins(it: Callout) -> Iterator[Measured]:
    """Yield the values of whoever answers logins."""
    for result, count in it.counts.items():
        yield LOGINS.of(count, result)
    yield CONNECTIONS.of(len(it.holders))
