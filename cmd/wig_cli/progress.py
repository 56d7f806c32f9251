"""Progress of long work: a bar on a terminal, a line now and then elsewhere.

Called by import, export and backup. rich is loaded only when a bar is drawn. Everything goes to
stderr: results on stdout stay clean.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol

LINE_EVERY_S = 5.0


class Progress(Protocol):
    """What the work reports to."""

    def update(
        self, count: int, done: int, total: int | None = None, what: str | None = None
    ) -> None:
        """Say how many things are done, and how much of the total; the rest if it is new."""

    def stop(self) -> None:
        """Draw nothing more."""


class Lines:
    """Plain lines, at most one every five seconds; short work prints none."""

    def __init__(self, what: str, total: int | None) -> None:
        """Start the clock."""
        self._what = what
        self._total = total
        self._start = self._last = time.monotonic()

    def update(
        self, count: int, done: int, total: int | None = None, what: str | None = None
    ) -> None:
        """Print a line if it is time for one."""
        self._total, self._what = total or self._total, what or self._what
        now = time.monotonic()
        if now - self._last < LINE_EVERY_S or not count:
            return
        self._last = now
        share = f" ({100 * done // self._total} %)" if self._total else ""
        rate = count / (now - self._start)
        print(f"{count:,} {self._what}{share}, {rate:,.0f}/s", file=sys.stderr, flush=True)

    def stop(self) -> None:
        """Nothing is drawn."""


class Bar:
    """A bar of rich."""

    def __init__(self, what: str, total: int | None) -> None:
        """Draw an empty bar."""
        bars = import_module("rich.progress")
        console = import_module("rich.console").Console(stderr=True)
        self._start = time.monotonic()
        self._what = what
        columns: list[Any] = [bars.BarColumn(), bars.TaskProgressColumn()]
        columns += [bars.TextColumn("{task.description}"), bars.TimeRemainingColumn()]
        self._drawn = bars.Progress(*columns, console=console, transient=True)
        self._task = self._drawn.add_task(f"0 {what}", total=total)
        self._drawn.start()

    def update(
        self, count: int, done: int, total: int | None = None, what: str | None = None
    ) -> None:
        """Draw the bar as it is now."""
        self._what = what or self._what
        rate = count / max(time.monotonic() - self._start, 0.001)
        text = f"{count:,} {self._what}, {rate:,.0f}/s"
        self._drawn.update(self._task, completed=done, description=text, total=total)

    def stop(self) -> None:
        """Remove the bar."""
        self._drawn.stop()


@contextmanager
def shown(what: str, total: int | None) -> Iterator[Progress]:
    """Return what the work reports to; `total` is None when it is not known."""
    bar: Progress = Bar(what, total) if sys.stderr.isatty() else Lines(what, total)
    try:
        yield bar
    finally:
        bar.stop()
