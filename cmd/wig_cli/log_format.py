"""Log lines on stderr: time, level, what happened, and its fields as `key=value`.

Called by `invoke`. Under systemd the journal has the time and the level already: lines begin with
its priority prefix instead (sd-daemon(3)).
"""

import logging
import os
import sys
from datetime import UTC, datetime

PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Formatter(logging.Formatter):
    """Formats a record with the fields that its `extra` brought."""

    def __init__(self, *, journal: bool) -> None:
        """Write for the journal, or for a person."""
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, and the traceback of a defect below it."""
        fields = "".join(
            f" {key}={_value(value)}" for key, value in vars(record).items() if key not in _OWN
        )
        text = f"{self._start(record)} {record.name}: {record.getMessage()}{fields}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text

    def _start(self, record: logging.LogRecord) -> str:
        if self._journal:
            return f"<{PRIORITIES.get(record.levelname, 6)}>"
        time = datetime.fromtimestamp(record.created, UTC)
        return f"{time:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + f"Z {record.levelname}"


def _value(value: object) -> str:
    text = str(value)
    return repr(text) if " " in text or not text.isprintable() else text


def start(level: int) -> None:
    """Send every record from `level` on to stderr; libraries only from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(journal="JOURNAL_STREAM" in os.environ))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("wig", "bridge", "wig_cli"):
        logging.getLogger(name).setLevel(level)
