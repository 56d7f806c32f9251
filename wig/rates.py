"""Rates as people write them: `10M` is ten million bit/s.

Called by the program, for options, files and what it shows; everywhere else a rate is a whole
number of bit/s. Units are decimal, as those of every network.
"""

import re

from wig import errors

_RATE = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,9}))?([kMG]?)")
_POWER = {"": 0, "k": 3, "M": 6, "G": 9}
_UNITS = ("G", "M", "k", "")
_NO_LIMIT = frozenset({"none", "0"})


def parse(text: str, field: str) -> int | None:
    """Return bit/s, or None for no limit (`none`, `0`); raise `Invalid`."""
    if text in _NO_LIMIT:
        return None
    match = _RATE.fullmatch(text)
    fraction = (match[2] or "").rstrip("0") if match else ""
    if match is None or len(fraction) > _POWER[match[3]]:
        raise errors.Invalid(
            f"{field}: {errors.quoted(text)} is not a rate in bit/s, as 64000, 500k, 10M, 1.5G or"
            " none",
            field=field,
        )
    return int(match[1] + fraction.ljust(_POWER[match[3]], "0"))


def text(rate: int) -> str:
    """Return it in the largest unit of which it is a whole number."""
    unit = next(unit for unit in _UNITS if not rate % 10 ** _POWER[unit])
    return f"{rate // 10 ** _POWER[unit]}{unit}"
