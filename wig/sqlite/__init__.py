"""The datastore: the only place that touches SQLite."""

from wig.sqlite.copying import backup
from wig.sqlite.datastore import Datastore, Outcome, Request
from wig.sqlite.initialise import init, init_empty
from wig.sqlite.reader import Counts, LoggedEntry, Reader
from wig.sqlite.verification import Report, verify

__all__ = [
    "Counts",
    "Datastore",
    "LoggedEntry",
    "Outcome",
    "Reader",
    "Report",
    "Request",
    "backup",
    "init",
    "init_empty",
    "verify",
]
