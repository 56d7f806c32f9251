"""A primary that dies at one point of the life of a command. Run by `test_primary_crash.py`.

    python -m tests.integration.crashing_primary DB SERVER TOKEN_FILE POINT

It kills itself with SIGKILL when it passes POINT for the third time.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bridge import credentials, node
from bridge.answers import Answers
from bridge.options import Options
from bridge.outbox import Outbox
from bridge.publisher import Publisher
from tests.buses import NODE
from wig.log import Record
from wig.sqlite import crash

BUS_POINTS = (
    "bus: before the commit is handed on",
    "bus: before entries are sent",
    "bus: entries sent",
    "bus: entries accepted",
    "bus: before answers are sent",
    "bus: answers sent",
)
POINTS = (*crash.POINTS, *BUS_POINTS)
OCCURRENCE = 3


def die_at(point: str) -> Callable[[str], None]:
    """Return a hook that ends this process like a power button would."""
    passed = 0

    def hook(name: str) -> None:
        nonlocal passed
        passed += name == point
        if passed == OCCURRENCE:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook


def install(hook: Callable[[str], None]) -> None:
    """Put the points between the steps after the commit."""
    crash.install(hook)
    committed, send, release = Publisher.committed, Outbox.send, Answers.release

    def noted(self: Publisher, head: Any, records: Sequence[Record]) -> None:
        hook(BUS_POINTS[0])
        committed(self, head, records)

    def sent(self: Outbox, records: Sequence[Record]) -> None:
        hook(BUS_POINTS[1])
        send(self, records)
        self._bus._pipe.flush()
        hook(BUS_POINTS[2])

    def released(self: Answers, accepted: int) -> None:
        due = bool(self._waiting) and self._waiting[0].head <= accepted
        if due:
            hook(BUS_POINTS[3])
            hook(BUS_POINTS[4])
        release(self, accepted)
        if due:
            self._bus._pipe.flush()
            hook(BUS_POINTS[5])

    Publisher.committed, Outbox.send, Answers.release = noted, sent, released


def main(db: str, server: str, token_file: str, point: str) -> None:
    """Serve until the point."""
    token = credentials.read(Path(token_file))
    install(die_at(point))
    options = node.DatastoreOptions(
        db=Path(db),
        name=NODE,
        bus=Options(identity=NODE, server=server, user=token.id, password=token.secret),
    )
    asyncio.run(node.run_datastore(options))


if __name__ == "__main__":
    main(*sys.argv[1:])
