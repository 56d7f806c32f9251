"""Settings of the deployment: flags, then environment (`WIG_…`), then a TOML file, then defaults.

Called by `arguments` (which adds them as options) and `invoke` (which resolves them). Only what
describes the deployment is a setting; the fields of objects are plain options, so that no stray
environment variable can name a peer.

A `wig up` leaves `client.toml` in its state directory: the lowest layer, which lets the other
commands on the same host find it. It is ignored when `--server` comes from anywhere else, so that
a credential never goes to a server that it was not made for. `wig up` itself reads `up.toml`
there, where it keeps what it was told; `wig datastore` and `wig gateway` are told everything.
"""

import argparse
import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

STATE_DIR_DEFAULT = "/var/lib/wig"
CONFIG_DEFAULT = "/etc/wig/wig.toml"
CLIENT_FILE = "client.toml"
UP_FILE = "up.toml"


class Setting(NamedTuple):
    """One setting; its name is the TOML key, `--name` the flag, `WIG_NAME` the variable."""

    help: str
    default: Any = None
    metavar: str = "TEXT"
    kind: Callable[[str], Any] = str
    choices: tuple[str, ...] | None = None
    many: bool = False
    """Repeatable as a flag, several in the variable, a list in TOML."""
    separator: str | None = ","
    """Between several in the variable; None: spaces."""


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError(text)
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not number > 0:
        raise ValueError(text)
    return number


_AGE = re.compile(r"([0-9]{1,5})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}


def _age(text: str) -> timedelta:
    match = _AGE.fullmatch(text)
    if match is None or not int(match[1]):
        raise ValueError(text)
    return timedelta(hours=int(match[1]) * _HOURS[match[2]])


_DURATION = re.compile(r"([0-9]{1,6})([smh])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600}


def _interval(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None or not int(match[1]):
        raise ValueError(text)
    return float(int(match[1]) * _UNIT_S[match[2]])


def _interval_or_none(text: str) -> float:
    return 0.0 if text == "0" else _interval(text)


def _report_interval(text: str) -> float:
    interval_s = _interval_or_none(text)
    if interval_s > _UNIT_S["h"]:
        raise ValueError(text)
    return interval_s


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


_ENDPOINT = re.compile(
    r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:([0-9]{1,5}))?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*"
)


def _endpoint(text: str) -> str:
    match = _ENDPOINT.fullmatch(text)
    if not match or (match[3] and not 0 < int(match[3]) <= 65535):
        raise ValueError(text)
    return text


_LISTEN = re.compile(r"|none|(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]*):([0-9]{1,5})")


def _listen(text: str) -> str:
    match = _LISTEN.fullmatch(text)
    if not match or (match[2] and int(match[2]) > 65535):
        raise ValueError(text)
    return text


_SWITCH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _switch(text: str) -> bool:
    if text not in _SWITCH:
        raise ValueError(text)
    return _SWITCH[text]


RULES: dict[Callable[[str], Any], str] = {
    int: "is not a whole number",
    _port: "is not a port: a port is 0–65535",
    _seconds: "is not a number of seconds above 0",
    _age: "is not an age: a number with h, d or w, as in 120d",
    _interval: "is not a time: a number with s, m or h, as in 30s",
    _interval_or_none: "is not a time: a number with s, m or h, as in 15m, or 0",
    _report_interval: "is not a time of at most 1h: a number with s, m or h, as in 30s, or 0",
    _count: "is not a whole number above 0",
    _switch: "is neither true nor false",
    _endpoint: "is not a host name or address, with or without a port",
    _listen: "is not [ADDRESS]:PORT, or none",
}
"""What to say when a value does not parse."""

SETTINGS: dict[str, Setting] = {
    "server": Setting("URL of the NATS server", "nats://127.0.0.1:4222", "URL"),
    "token_file": Setting('file with the token, {"id", "secret"}', None, "FILE"),
    "identity": Setting("who to be on the bus; else who the token says", None, "ID"),
    "tls_ca": Setting(
        "certificates of the authorities that the server may be signed by", None, "FILE"
    ),
    "tls_cert": Setting("our certificate", None, "FILE"),
    "tls_key": Setting("the private key of our certificate", None, "FILE"),
    "config": Setting("TOML file with settings", None, "FILE"),
    "output": Setting("how results are printed", "table", "table|json", choices=("table", "json")),
    "state_dir": Setting("directory of everything that `wig up` keeps", STATE_DIR_DEFAULT, "DIR"),
    "endpoint": Setting(
        "host name or address that clients connect to", None, "HOST[:PORT]", _endpoint
    ),
    "db": Setting("the database's file", None, "FILE"),
    "name": Setting("this node's name: letters, digits, _ and -", None, "NAME"),
    "follow": Setting("the node to follow, NODE or NODE@DOMAIN", None, "NODE"),
    "domain": Setting("JetStream domain of the server", None, "DOMAIN"),
    "log_max_age": Setting("older log entries may go; else 120d", None, "AGE", _age),
    "log_keep": Setting("so many log entries stay; else 100000", None, "N", _count),
    "run_dir": Setting("directory for what must not survive a reboot", "/run/wig", "DIR"),
    "wireguard": Setting(
        "which WireGuard", "auto", "auto|kernel|userspace", choices=("auto", "kernel", "userspace")
    ),
    "audit_interval": Setting(
        "how often the host is compared with what it should be; else 30s", None, "TIME", _interval
    ),
    "endpoint_max_age": Setting(
        "when a client's address is forgotten after its last handshake, 0: never; else 15m",
        None,
        "TIME",
        _interval_or_none,
    ),
    "metrics_addr": Setting(
        "where metrics and /readyz are, or none; else :4007 with a gateway",
        None,
        "[ADDRESS]:PORT",
        _listen,
    ),
    "metrics_per_peer": Setting(
        "which peers have metrics of their own",
        "on",
        "on|off|active",
        choices=("on", "off", "active"),
    ),
    "firewall": Setting(
        "touch neither nftables, forwarding nor routing; keep no rate limits",
        default=True,
        kind=_switch,
    ),
    "isolation": Setting("peers of one interface may reach each other", default=True, kind=_switch),
    "egress": Setting(
        "how an interface's clients leave, repeatable; keys are device, via, via6, table, mark, "
        "source, source6, nat, nat6, fwmark",
        None,
        "NAME=KEY:VALUE,…",
        many=True,
        separator=None,
    ),
    "report_interval": Setting(
        "how often statistics of peers are reported, 0: never; else 30s",
        None,
        "TIME",
        _report_interval,
    ),
    "geoip_country": Setting("countries of clients, a GeoLite2 Country file", None, "FILE"),
    "geoip_asn": Setting("networks of clients, a GeoLite2 ASN file", None, "FILE"),
    "node": Setting(
        "the node to ask instead of the primary; a follower answers reads", None, "NAME"
    ),
    "server_keys": Setting(
        "answer the server's logins: the directory of `wig nats-config hub`", None, "DIR"
    ),
    "tls_role": Setting(
        "role of a certificate by its name, repeatable", None, "CN=ROLE", many=True
    ),
    "session_inactivity": Setting(
        "a session is over so long after its last sign of life; else 10m", None, "TIME", _interval
    ),
    "session_max_age": Setting("older sessions are forgotten; else 180d", None, "AGE", _age),
    "session_stream_max_age": Setting("age in WIG_SESSIONS; else 90d", None, "AGE", _age),
    "session_stream_max_bytes": Setting(
        "size of the stream WIG_SESSIONS; else 536870912", None, "BYTES", _count
    ),
    "timeout": Setting("seconds to wait for an answer", 10, "SECONDS", _seconds),
}
"""Every setting there is; a TOML file may have these keys and no others."""


class SettingError(Exception):
    """A setting has a value that it cannot have: exit code 2."""


def add(parser: Any, *names: str, hidden: bool = False) -> None:
    """Add settings as options without a default: an absent option is looked up elsewhere."""
    for name in names:
        setting = SETTINGS[name]
        if setting.kind is _switch:
            _add_switch(parser, name)
            continue
        default = "" if setting.default is None else f", default {setting.default}"
        action = parser.add_argument(
            f"--{name.replace('_', '-')}",
            dest=name,
            metavar=setting.metavar,
            default=argparse.SUPPRESS,
            action="append" if setting.many else "store",
            help=argparse.SUPPRESS if hidden else f"{setting.help} ({variable(name)}{default})",
        )
        action.setting = name


def _add_switch(parser: Any, name: str) -> None:
    """Add the option that turns something off; its help says what that means."""
    action = parser.add_argument(
        f"--no-{name}",
        dest=name,
        action="store_const",
        const="false",
        default=argparse.SUPPRESS,
        help=f"{SETTINGS[name].help} ({variable(name)}=false)",
    )
    action.setting = name


def variable(name: str) -> str:
    """Return the name of a setting's environment variable."""
    return f"WIG_{name.upper()}"


def of(parser: argparse.ArgumentParser) -> list[str]:
    """Return the names of the settings that a command has."""
    found = (getattr(action, "setting", None) for action in parser._actions)  # noqa: SLF001
    return [name for name in found if name is not None]


def resolve(
    options: argparse.Namespace, environment: Mapping[str, str], names: Iterable[str] = SETTINGS
) -> None:
    """Fill in the settings `names` that the command line left open, and check those it gave.

    Raises `SettingError` naming where the wrong value came from.
    """
    given = vars(options)
    layers: list[tuple[str, Mapping[str, Any]]] = [
        ("--{flag}", {name: given[name] for name in SETTINGS if name in given}),
        (
            "{variable}",
            {n: environment[variable(n)] for n in SETTINGS if environment.get(variable(n))},
        ),
    ]
    config = _first(layers, "config")
    if config is not None:
        layers.append((f"{config}: {{name}}", _read(config)))
    elif Path(CONFIG_DEFAULT).exists():
        layers.append((f"{CONFIG_DEFAULT}: {{name}}", _read(CONFIG_DEFAULT)))
    local_file = given.get("local_file", CLIENT_FILE)
    if local_file and _first(layers, "server") is None:
        path = Path(_first(layers, "state_dir") or STATE_DIR_DEFAULT) / local_file
        if os.access(path, os.R_OK):
            layers.append((f"{path}: {{name}}", _read(str(path))))
    for name in names:
        setting = SETTINGS[name]
        value = setting.default
        for where, layer in layers:
            if name in layer:
                label = where.format(
                    flag=name.replace("_", "-"), variable=variable(name), name=name
                )
                value = _checked(setting, layer[name], label)
                break
        given[name] = value


def _first(layers: list[tuple[str, Mapping[str, Any]]], name: str) -> Any:
    return next((layer[name] for _, layer in layers if name in layer), None)


def _checked(setting: Setting, value: Any, label: str) -> Any:
    if setting.many:
        given = value if isinstance(value, list) else str(value).split(setting.separator)
        return tuple(str(one).strip() for one in given)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if setting.choices is not None and text not in setting.choices:
        raise SettingError(f"{label}: {text!r} is not one of {', '.join(setting.choices)}")
    try:
        return setting.kind(text)
    except ValueError:
        raise SettingError(f"{label}: {text!r} {RULES[setting.kind]}") from None


def _read(path: str) -> Mapping[str, Any]:
    """Return the settings of a TOML file; an unknown key is an error, not a silence."""
    toml = import_module("tomllib")
    try:
        with Path(path).open("rb") as file:
            content: dict[str, Any] = toml.load(file)
    except OSError as error:
        raise SettingError(f"config: {path!r} cannot be read: {error.strerror}") from None
    except toml.TOMLDecodeError as error:
        raise SettingError(f"config: {path!r} is not TOML: {error}") from None
    for key, value in content.items():
        if key not in SETTINGS or key == "config":
            raise SettingError(f"config: {path!r} has an unknown key {key!r}")
        if isinstance(value, dict) or (isinstance(value, list) and not SETTINGS[key].many):
            raise SettingError(f"{path}: {key}: must be one value")
    return content
