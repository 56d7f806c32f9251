"""Values of settings as they are written, in a flag, a variable or a file. Called by `settings`.

Each function returns the value, or raises `ValueError`; `RULES` says in words what it wants.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any


def seconds(text: str) -> float:
    """Return a number of seconds above 0."""
    number = float(text)
    if not number > 0:
        raise ValueError(text)
    return number


_AGE = re.compile(r"([0-9]{1,5})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}


def age(text: str) -> timedelta:
    """Return for how long, as in `120d`."""
    match = _AGE.fullmatch(text)
    if match is None or not int(match[1]):
        raise ValueError(text)
    return timedelta(hours=int(match[1]) * _HOURS[match[2]])


_DURATION = re.compile(r"([0-9]{1,6})([smh])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600}


def interval(text: str) -> float:
    """Return seconds, of a time as in `30s`."""
    match = _DURATION.fullmatch(text)
    if match is None or not int(match[1]):
        raise ValueError(text)
    return float(int(match[1]) * _UNIT_S[match[2]])


def interval_or_none(text: str) -> float:
    """Return seconds; `0` means never."""
    return 0.0 if text == "0" else interval(text)


def report_interval(text: str) -> float:
    """Return seconds, at most an hour; `0` means never."""
    interval_s = interval_or_none(text)
    if interval_s > _UNIT_S["h"]:
        raise ValueError(text)
    return interval_s


def count(text: str) -> int:
    """Return a whole number above 0."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


_ENDPOINT = re.compile(
    r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:([0-9]{1,5}))?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*"
)


def endpoint(text: str) -> str:
    """Return a host name or an address, with or without a port."""
    match = _ENDPOINT.fullmatch(text)
    if not match or (match[3] and not 0 < int(match[3]) <= 65535):
        raise ValueError(text)
    return text


_LISTEN = re.compile(r"|none|(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]*):([0-9]{1,5})")


def listen(text: str) -> str:
    """Return where to listen; empty is the default, `none` is nowhere."""
    match = _LISTEN.fullmatch(text)
    if not match or (match[2] and int(match[2]) > 65535):
        raise ValueError(text)
    return text


_SWITCH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def switch(text: str) -> bool:
    """Return what turns something on or off."""
    if text not in _SWITCH:
        raise ValueError(text)
    return _SWITCH[text]


RULES: dict[Callable[[str], Any], str] = {
    seconds: "is not a number of seconds above 0",
    age: "is not an age: a number with h, d or w, as in 120d",
    interval: "is not a time: a number with s, m or h, as in 30s",
    interval_or_none: "is not a time: a number with s, m or h, as in 15m, or 0",
    report_interval: "is not a time of at most 1h: a number with s, m or h, as in 30s, or 0",
    count: "is not a whole number above 0",
    switch: "is neither true nor false",
    endpoint: "is not a host name or address, with or without a port",
    listen: "is not [ADDRESS]:PORT, or none",
}
"""What to say when a value does not parse."""
