"""Peers in files: JSON lines and CSV, read in bounded memory, with the line of every mistake.

Called by `imports` and `exports`. Fields are those of `wig.commands.PeerSpec`. In JSON lines an
absent field has its default. CSV has the names of the fields in its first line; an empty cell is
the default, `none` in `ip` and `ip6` means no address of that family.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from wig import addresses, checks, codec, errors, keys, rates
from wig.commands import AUTO, PeerSpec

FIELDS = PeerSpec.__struct_fields__
LINE_BYTES_MAX = 64 * 1024  # one peer has some hundred bytes; more means that it is no such file
NONE = "none"


class BadLine(errors.Invalid):
    """A line of the file is wrong."""

    code = "invalid"


class Row(NamedTuple):
    """One peer, and where it came from."""

    line: int
    """From 1."""
    spec: PeerSpec
    end: int
    """Bytes of the file up to the end of this line, for the progress bar; 0: not known."""


class _Line(PeerSpec, frozen=True, kw_only=True):
    """A peer in a file: the interface may come from the command line."""

    interface: str = ""


_decode = codec.decoder(_Line)
_NAMES = ", ".join(FIELDS)


def json_lines(lines: Iterable[bytes], interface: str | None, first_line: int = 1) -> Iterator[Row]:
    """Yield the peers of a file of JSON lines from `first_line` on; empty lines are skipped."""
    end = 0
    for number, line in enumerate(lines, 1):
        end += len(line)
        if number < first_line or line.isspace():
            continue
        yield Row(number, _at(number, _from_json, line, interface), end)


def _from_json(line: bytes, interface: str | None) -> PeerSpec:
    return _complete(_decode(line), interface)


def table(lines: Iterable[bytes], interface: str | None, first_line: int = 1) -> Iterator[Row]:
    """Yield the peers of a CSV file from `first_line` on; its first line names the columns."""
    read = 0

    def texts() -> Iterator[str]:
        nonlocal read
        for line in lines:
            read += len(line)
            yield _at(reader.line_num + 1, _text, line)

    reader = csv.reader(texts(), strict=True)
    columns: list[str] | None = None
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadLine(f"line {reader.line_num}: {error}") from None
        number = reader.line_num
        if columns is None:
            columns = _at(number, _columns, cells)
        elif cells and number >= first_line:
            yield Row(number, _at(number, _from_cells, columns, cells, interface), read)


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise errors.Invalid("it is not UTF-8") from None


def _columns(cells: list[str]) -> list[str]:
    columns = [cell.strip() for cell in cells]
    for name in columns:
        if name not in FIELDS:
            raise errors.Invalid(
                f"column: {errors.quoted(name)} is not a field", hint=f"the first line names the"
                f" columns; fields are {_NAMES}",
            )  # fmt: skip
    if len(set(columns)) < len(columns):
        raise errors.Invalid("column: a field is there twice")
    return columns


def _from_cells(columns: list[str], cells: list[str], interface: str | None) -> PeerSpec:
    if len(cells) != len(columns):
        raise errors.Invalid(f"it has {len(cells)} cells instead of {len(columns)}")
    given: dict[str, Any] = {n: c for n, c in zip(columns, cells, strict=True) if c != ""}
    for name in ("ip", "ip6"):
        if given.get(name) == NONE:
            given[name] = None
    for name in ("enabled", "outside_pool"):
        if name in given:
            given[name] = _boolean(name, given[name])
    if "rate_limit" in given:
        given["rate_limit"] = rates.parse(given["rate_limit"], "rate_limit")
    return _complete(_decode(msgspec.json.encode(given)), interface)


def _boolean(name: str, text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise errors.Invalid(f"{name}: {errors.quoted(text)} is neither true nor false", field=name)
    return text.lower() == "true"


def _complete(line: _Line, interface: str | None) -> PeerSpec:
    """Check what needs no state, so that the mistake is reported with its line."""
    if not line.interface:
        if interface is None:
            raise errors.Invalid(
                "interface: needed, but not given", field="interface",
                hint="put it into every line, or use --interface",
            )  # fmt: skip
        line = replace(line, interface=interface)
    keys.parse_public(line.public_key)
    for field, text in (("ip", line.ip), ("ip6", line.ip6)):
        if text is not None and text != AUTO:
            addresses.parse_range(text, field)
    checks.name(line.name)
    checks.description(line.description)
    checks.rate_limit(line.rate_limit)
    return line


def _at(number: int, check: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return check(*arguments)
    except errors.Invalid as error:
        raise BadLine(
            f"line {number}: {error.message}", field=error.field, hint=error.hint
        ) from None


def lines_of(file: Any) -> Iterator[bytes]:
    """Yield the lines of a binary file; one that is far too long is an error, not memory."""
    number = 0
    while line := file.readline(LINE_BYTES_MAX):
        number += 1
        if len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
            raise BadLine(
                f"line {number}: is longer than {LINE_BYTES_MAX} bytes",
                hint="one peer a line: JSON lines or CSV, as `wig peer export` writes them",
            )
        yield line
