"""What several commands accept: numbers, times, keys in files, revisions, request ids.

Called by the command modules. A wrong value raises `ArgumentTypeError`, which names the option;
rules that need the state (pools, duplicates) are the primary's business and are not repeated here.
"""

import argparse
import hashlib
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from wig import errors, keys, rates
from wig.addresses import parse_range
from wig_cli import values

S = TypeVar("S", bound=keys.Secret)

NONE = "none"
ALL = "all"
KEY_FILE_BYTES_MAX = 1000  # a key has 44 characters; more means that it is another file
REQUEST_CHARACTERS_MAX = 64
_DURATION = re.compile(r"([0-9]{1,6})([smhdw])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
YEARS_MAX = 100  # more is a slip of the finger, and soon out of the calendar


def whole(text: str) -> int:
    """Return a whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{errors.quoted(text)} is not a whole number") from None


def moment(text: str) -> datetime | None:
    """Return a time: RFC 3339 with its zone, a time from now as `90d`, or None for `never`."""
    if text == "never":
        return None
    if match := _DURATION.fullmatch(text):
        return datetime.now(UTC).replace(microsecond=0) + _lapse(match)
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{errors.quoted(text)} is not a time: 2030-01-31T12:00:00Z, 90d, 12h or never"
        ) from None
    if value.tzinfo is None:
        raise argparse.ArgumentTypeError(
            f"{errors.quoted(text)} has no time zone: add Z for UTC, as in 2030-01-31T12:00:00Z"
        )
    return value


def _lapse(match: re.Match[str]) -> timedelta:
    lapse = timedelta(seconds=int(match.group(1)) * _UNIT_S[match.group(2)])
    if lapse > timedelta(days=365 * YEARS_MAX):
        raise argparse.ArgumentTypeError(f"{match.group()!r} is more than {YEARS_MAX} years")
    return lapse


def domain(text: str) -> str:
    """Return a domain of JetStream."""
    try:
        return values.domain(text)
    except ValueError:
        rule = values.RULES[values.domain]
        raise argparse.ArgumentTypeError(f"{errors.quoted(text)} {rule}") from None


def port_or_none(text: str) -> int:
    """Return a port; 0 means none."""
    return _between(text, 0, 65535)


def gibibytes(text: str) -> int:
    """Return a size in GiB, from 1 to a million."""
    return _between(text, 1, 10**6)


def _between(text: str, least: int, most: int) -> int:
    if not least <= whole(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not between {least} and {most}")
    return whole(text)


def rate(text: str) -> int | None:
    """Return a rate in bit/s, or None for no limit."""
    try:
        return rates.parse(text, "rate_limit")
    except errors.Invalid as error:
        raise argparse.ArgumentTypeError(_rule(error)) from None


def age(text: str) -> timedelta:
    """Return for how long: `90d`, `12h`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{errors.quoted(text)} is not a time like 90d or 12h")
    return _lapse(match)


def past(text: str) -> datetime:
    """Return a time: RFC 3339 with its zone, or so long ago as `7d`."""
    if _DURATION.fullmatch(text):
        return datetime.now(UTC) - age(text)
    value = moment(text)
    if value is None:
        raise argparse.ArgumentTypeError(f"{errors.quoted(text)} is not a time")
    return value


def address(text: str) -> str | None:
    """Return an address as it is given, or None for `none`."""
    return None if text == NONE else text


def networks(text: str) -> str:
    """Return a list of networks as it is given."""
    for one in split([text]):
        try:
            parse_range(one, "networks")
        except errors.Invalid as error:
            raise argparse.ArgumentTypeError(_rule(error)) from None
    return text


def private_key_file(path: str) -> keys.PrivateKey:
    """Return the private key in a file; `-` is standard input."""
    return _key_file(path, keys.PrivateKey)


def preshared_key_file(path: str) -> keys.PresharedKey:
    """Return the preshared key in a file; `-` is standard input."""
    return _key_file(path, keys.PresharedKey)


def _key_file(path: str, kind: type[S]) -> S:
    try:
        if path == "-":
            text = sys.stdin.read(KEY_FILE_BYTES_MAX)
        else:
            with Path(path).open(encoding="ascii", errors="replace") as file:
                text = file.read(KEY_FILE_BYTES_MAX)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path!r} cannot be read: {error.strerror}") from None
    try:
        return kind.parse(text.strip())
    except errors.Invalid as error:
        raise argparse.ArgumentTypeError(f"{path!r} {_rule(error)}") from None


def _rule(error: errors.Invalid) -> str:
    return error.message.partition(": ")[2]


def secret_digest(secret: str) -> str:
    """Return what the database keeps of a secret: SHA-256, hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def split(values: Iterable[str]) -> list[str]:
    """Return the words of repeatable options that also accept commas."""
    return [word for value in values for word in value.replace(",", " ").split()]


def request_id(text: str) -> str:
    """Return a request id."""
    if len(text) > REQUEST_CHARACTERS_MAX:
        raise argparse.ArgumentTypeError(
            f"{errors.quoted(text)} has {len(text)} characters instead of at most"
            f" {REQUEST_CHARACTERS_MAX}"
        )
    return text


def add_request(parser: argparse.ArgumentParser) -> None:
    """Add the option that makes a repeat safe."""
    parser.add_argument(
        "--request", type=request_id, default="", metavar="ID",
        help="name this request: a repeat with the same id returns the outcome of the first",
    )  # fmt: skip
    add_wait(parser)


def how_many(text: str) -> str | int:
    """Return how many gateways to wait for."""
    if text == ALL:
        return ALL
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"{errors.quoted(text)} is neither all nor a number from 1 on"
        )
    return int(text)


def add_wait(parser: argparse.ArgumentParser) -> None:
    """Add the option to wait for gateways."""
    parser.add_argument(
        "--wait", type=how_many, default=None, metavar="all|N",
        help="return when all gateways, or N of them, have applied it; 1 if not in --timeout",
    )  # fmt: skip


def add_revision(parser: argparse.ArgumentParser) -> None:
    """Add the option for compare and set, and `--request`."""
    parser.add_argument(
        "--revision", default=None, metavar="REVISION",
        help="do it only if the object still has this revision",
    )  # fmt: skip
    if "--request" not in parser._option_string_actions:  # noqa: SLF001 - no public way to ask
        add_request(parser)
