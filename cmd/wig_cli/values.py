"""Values of settings as they are written, in a flag, a variable or a file. Called by `settings`.

Each function returns the value, or raises `ValueError`; `RULES` says in words what it wants.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any


def seconds(text: str) -> float:
    """Return a number of seconds above 0."""
    number = float(text)
    if not number > 0:
        raise ValueError(text)
    return number


_AGE = re.compile(r"([0-9]{1,5})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}
_AGE_MAX = timedelta(days=36500)  # 100 years, beyond which dates end


def age(text: str) -> timedelta:
    """Return for how long, as in `120d`."""
    match = _AGE.fullmatch(text)
    found = timedelta(hours=int(match[1]) * _HOURS[match[2]]) if match else timedelta(0)
    if not timedelta(0) < found <= _AGE_MAX:
        raise ValueError(text)
    return found


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
    """Return a whole number above 0, which databases and servers can hold."""
    number = int(text)
    if not 0 < number < 1 << 63:
        raise ValueError(text)
    return number


_SERVER = re.compile(
    r"(?:(?:nats|tls)://)?(?:[^\s@/]*@)?(?:\[([^\s\]]*)\]|[\w.-]+)(?::([0-9]{1,5}))?/?"
)


def server(text: str) -> str:
    """Return URLs of NATS servers, with commas between several."""
    for one in text.split(","):
        match = _SERVER.fullmatch(one)
        if not match or (match[2] and not 0 < int(match[2]) <= 65535):
            raise ValueError(text)
        if match[1] is not None:
            import_module("ipaddress").IPv6Address(match[1])
    return text


_NAME = "[A-Za-z0-9_-]{1,32}"  # `wig.access.IDENTITY`, without loading it
_DOMAIN = "[A-Za-z0-9_-]{1,64}"


def follow(text: str) -> str:
    """Return which node to follow, with or without the domain that it is in."""
    if not re.fullmatch(f"{_NAME}(@{_DOMAIN})?", text):
        raise ValueError(text)
    return text


def domain(text: str) -> str:
    """Return a domain of JetStream, which is part of subjects."""
    if not re.fullmatch(_DOMAIN, text):
        raise ValueError(text)
    return text


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
    age: "is not an age of at most 100 years: a number with h, d or w, as in 120d",
    interval: "is not a time: a number with s, m or h, as in 30s",
    interval_or_none: "is not a time: a number with s, m or h, as in 15m, or 0",
    report_interval: "is not a time of at most 1h: a number with s, m or h, as in 30s, or 0",
    count: "is not a whole number above 0, and below 2^63",
    server: "is not nats://HOST:PORT or tls://HOST:PORT",
    follow: "is not NODE or NODE@DOMAIN, in 1–32 and 1–64 characters of A–Z a–z 0–9 _ -",
    domain: "is not 1–64 characters of A–Z a–z 0–9 _ -",
    switch: "is neither true nor false",
    endpoint: "is not a host name or address, with or without a port",
    listen: "is not [ADDRESS]:PORT, or none",
}
"""What to say when a value does not parse."""
