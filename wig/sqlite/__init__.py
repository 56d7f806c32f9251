"""The datastore: the only place that touches SQLite."""

from wig.sqlite.datastore import Datastore, Outcome, Request
from wig.sqlite.initialise import init, init_empty
from wig.sqlite.reader import Counts, LoggedEntry, Reader

__all__ = [
    "Counts",
    "Datastore",
    "LoggedEntry",
    "Outcome",
    "Reader",
    "Request",
    "init",
    "init_empty",
]
