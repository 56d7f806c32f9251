"""`wig peer import`: files of any size as commands of bounded size.

Loaded with `peers`. Several commands are on their way at a time, in the order of the file. Each is
atomic; a repeat of the whole file is safe, because peers that are already there with the same
values stay as they are. (Request ids that come from the content would not be: the import of a
file, the deletion of its peers and a second import would answer with the outcome of the first.)
"""

import argparse
import asyncio
import os
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from wig import errors
from wig.commands import ImportPeers
from wig_cli import batches, output, progress, rows

if TYPE_CHECKING:
    from wig_cli.remote import Session

BATCH_S_MAX = 120.0  # 10,000 peers take half a second; a slow disk under load takes longer
IN_FLIGHT_MAX = 3  # keeps the primary's writer busy; each holds 10,000 peers in memory
DRY_RUN_BYTES = 3_000_000


class _Sent(NamedTuple):
    batch: batches.Batch
    answer: asyncio.Future[dict[str, Any]]


class Import:
    """One file on its way, and how far it got."""

    def __init__(self, session: "Session", bar: progress.Progress) -> None:
        """Nothing has been sent."""
        self._session = session
        self._bar = bar
        self._flight: deque[_Sent] = deque()
        self.created = 0
        self.unchanged = 0
        self._gap = False
        self.resume_line = 1
        """Everything before this line is in the database."""

    async def run(self, found: Iterator[batches.Batch]) -> None:
        """Send all batches; raises at the first that is wrong or refused."""
        reading: asyncio.Future[batches.Batch | None] | None = _read(found)
        try:
            while reading or self._flight:
                room = reading if len(self._flight) < IN_FLIGHT_MAX else None
                oldest = self._flight[0].answer if self._flight else None
                await asyncio.wait(
                    [one for one in (room, oldest) if one], return_when=asyncio.FIRST_COMPLETED
                )
                if oldest and oldest.done():
                    await self._settle()
                if room and room.done():
                    batch = await room
                    reading = _read(found) if batch else None
                    if batch:
                        self._send(batch)
        except errors.WigError:
            await self._settle_rest()
            raise
        finally:
            for sent in self._flight:
                sent.answer.cancel()

    def _send(self, batch: batches.Batch) -> None:
        command = ImportPeers(peers=batch.peers())
        answer = asyncio.ensure_future(
            self._session.command("peer.import", command, timeout_s=BATCH_S_MAX)
        )
        self._flight.append(_Sent(batch, answer))

    async def _settle(self) -> None:
        """Take the answer to the batch that was sent first."""
        batch, answer = self._flight.popleft()
        try:
            result = await answer
        except errors.WigError as error:
            self._gap = True
            raise _with_line(error, batch) from None
        self.created += result["created"]
        self.unchanged += result["unchanged"]
        if not self._gap:
            self.resume_line = batch.rows[-1].line + 1
        self._bar.update(self.created + self.unchanged, batch.end)

    async def _settle_rest(self) -> None:
        """Wait for what is on its way beside a batch that failed."""
        while self._flight:
            with suppress(errors.WigError):
                await self._settle()


def _read(found: Iterator[batches.Batch]) -> "asyncio.Future[batches.Batch | None]":
    """Return the next batch, None at the end, read in a thread: a pipe may be slow.

    A daemon thread, because one that waits for standard input cannot be told to stop.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[batches.Batch | None] = loop.create_future()

    def read() -> None:
        try:
            batch, problem = next(found, None), None
        except (errors.WigError, OSError) as error:
            batch, problem = None, error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(deliver, batch, problem)

    def deliver(batch: batches.Batch | None, problem: Exception | None) -> None:
        if future.cancelled():
            return
        if problem is not None:
            future.set_exception(problem)
        else:
            future.set_result(batch)

    threading.Thread(target=read, daemon=True).start()
    return future


_PLACE = re.compile(r"peers\[([0-9]+)\]\.?")


def _with_line(error: errors.WigError, batch: batches.Batch) -> errors.WigError:
    """Return the primary's complaint with lines of the file for places in the command."""

    def line(match: re.Match[str]) -> str:
        number = f"line {batch.rows[int(match[1])].line}"
        return number if match.start() else f"{number}: "

    text = _PLACE.sub(line, error.message)
    field = _PLACE.sub("", error.field) if error.field else None
    if text == error.message:
        text = f"lines {batch.rows[0].line}–{batch.rows[-1].line}: {text}"
    return type(error)(text, field=field, hint=error.hint)


async def run_import(session: "Session", options: argparse.Namespace) -> None:
    """Send a file, or check it."""
    with ExitStack() as stack:
        file = _open(options.file, stack)
        found = _rows(file, options)
        size = _size(file)
        if options.dry_run:
            _dry_run(found, options, size, stack)
            return
        bar = stack.enter_context(progress.shown("peers", size))
        work = Import(session, bar)
        work.resume_line = options.from_line
        try:
            await work.run(batches.batches(found, session.payload_limit))
        except errors.WigError as error:
            error.hint = _resume_hint(work, options, error)
            raise
        except asyncio.CancelledError:
            bar.stop()
            output.note(f"interrupted; resume with --from-line {work.resume_line}")
            raise
    if output.is_json(options):
        output.document({"created": work.created, "unchanged": work.unchanged})
    else:
        output.note(f"imported: {work.created:,} created, {work.unchanged:,} unchanged")


def _resume_hint(work: Import, options: argparse.Namespace, error: errors.WigError) -> str:
    done = work.created + work.unchanged
    own = f"{error.hint}; " if error.hint else ""
    return (
        f"{own}{done:,} peers were imported, nothing of this batch was;"
        f" resume with: wig peer import {options.file} --from-line {work.resume_line}"
    )


def _dry_run(
    found: Iterator[rows.Row], options: argparse.Namespace, size: int | None, stack: ExitStack
) -> None:
    bar = stack.enter_context(progress.shown("peers", size))
    count = 0
    for batch in batches.batches(found, DRY_RUN_BYTES):
        count += len(batch.rows)
        bar.update(count, batch.end)
    bar.stop()
    if output.is_json(options):
        output.document({"checked": count})
    else:
        output.note(f"checked: {count:,} peers; addresses and duplicates are checked on import")


def _rows(file: BinaryIO, options: argparse.Namespace) -> Iterator[rows.Row]:
    kind = options.format or ("csv" if options.file.endswith(".csv") else "jsonl")
    read = rows.table if kind == "csv" else rows.json_lines
    return read(rows.lines_of(file), options.interface, options.from_line)


def _open(path: str, stack: ExitStack) -> BinaryIO:
    try:
        if path == "-":  # a file of our own: Python locks `sys.stdin` when it exits
            return os.fdopen(os.dup(0), "rb")
        return stack.enter_context(Path(path).open("rb"))
    except OSError as error:
        raise errors.Unusable(
            f"file: {path!r} cannot be read: {error.strerror}", field="file"
        ) from None


def _size(file: BinaryIO) -> int | None:
    """Return the bytes of a file; None for a pipe."""
    try:
        return os.fstat(file.fileno()).st_size or None
    except OSError:
        return None
