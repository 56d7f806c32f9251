"""What people and programs read: tables, JSON, and errors.

Called by every command. JSON documents are stable: fields are only ever added (README, "JSON
output"). Tables may change with any version, and have colour on a terminal only.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import Any, TextIO

GAP = "  "
_FRACTION = re.compile(r"(?<=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+(?=Z$)")
"""Of a second: in a time that somebody reads, it only is in the way."""


def is_json(options: argparse.Namespace) -> bool:
    """Say whether the caller asked for JSON."""
    return bool(options.output == "json")


def document(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def note(text: str) -> None:
    """Tell a person something that is no result: on stderr, so that pipes stay clean."""
    print(text, file=sys.stderr)


def failure(
    options: argparse.Namespace,
    *,
    code: str,
    message: str,
    field: str | None = None,
    hint: str | None = None,
) -> None:
    """Report an error: one line and a hint, or one JSON object, on stderr."""
    if is_json(options):
        body = {"code": code, "message": message, "field": field, "hint": hint}
        print(json.dumps({"error": body}, ensure_ascii=False), file=sys.stderr)
        return
    print(f"wig: {printable(message)}", file=sys.stderr)
    if hint:
        print(f"hint: {printable(hint)}", file=sys.stderr)


def printable(text: str) -> str:
    """Return `text` without control characters: a description must not drive a terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)


def bold(text: str, stream: TextIO | None = None) -> str:
    """Return `text` in bold if the stream is a terminal that wants it."""
    return _styled(text, "1", stream or sys.stdout)


def red(text: str, stream: TextIO | None = None) -> str:
    """Return `text` in red if the stream is a terminal that wants it."""
    return _styled(text, "31", stream or sys.stdout)


def _styled(text: str, style: str, stream: TextIO) -> str:
    if not stream.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{style}m{text}\x1b[0m"


class Table:
    """Aligned columns that are printed as the rows come.

    Widths grow with what has been seen, so that a list of a million rows takes no memory: rows
    of the first page are aligned perfectly, later ones may push a column to the right.
    """

    def __init__(self, *columns: str) -> None:
        """Name the columns."""
        self._columns = columns
        self._widths = [len(name) for name in columns]
        self._started = False

    def rows(self, rows: Iterable[Sequence[Any]]) -> None:
        """Print some rows, and the header before the first ones."""
        texts = [[_cell(value) for value in row] for row in rows]
        for row in texts:
            self._widths = [max(w, len(t)) for w, t in zip(self._widths, row, strict=True)]
        if not self._started:
            self._started = True
            print(bold(self._line(self._columns)))
        for row in texts:
            print(self._line(row))

    def _line(self, row: Sequence[str]) -> str:
        return GAP.join(t.ljust(w) for t, w in zip(row, self._widths, strict=True)).rstrip()


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "-"
    return printable(_FRACTION.sub("", str(value)))


def fields(thing: Mapping[str, Any], names: Sequence[str]) -> None:
    """Print one object: a line for each field that it has."""
    width = max(map(len, names))
    for name in names:
        if name in thing:
            print(f"{bold(name.ljust(width))}{GAP}{_cell(thing[name])}")


async def array(name: str, pages: AsyncIterable[Iterable[Any]]) -> None:
    """Print `{name: […]}` page by page, one element a line, in constant memory."""
    print(f'{{"{name}": [', end="")
    separator = "\n"
    async for page in pages:
        for element in page:
            print(separator + json.dumps(element, ensure_ascii=False), end="")
            separator = ",\n"
    print("\n]}")


def deleted(options: argparse.Namespace, result: Mapping[str, Any]) -> None:
    """Print what a delete removed."""
    counts = {"interfaces": 0, "peers": 0, "tokens": 0} | result["deleted"]
    if is_json(options):
        document({"deleted": counts})
        return
    counts = {kind: n for kind, n in counts.items() if n}
    text = ", ".join(
        f"{n} {kind if n > 1 else kind.removesuffix('s')}" for kind, n in counts.items()
    )
    note(f"deleted: {text or 'nothing'}")
