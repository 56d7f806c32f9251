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
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from wig_cli import values

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


SETTINGS: dict[str, Setting] = {
    "server": Setting("URL of the NATS server", "nats://127.0.0.1:4222", "URL", values.server),
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
        "host name or address that clients connect to", None, "HOST[:PORT]", values.endpoint
    ),
    "db": Setting("the database's file", None, "FILE"),
    "name": Setting("this node's name: letters, digits, _ and -", None, "NAME"),
    "follow": Setting("the node to follow, NODE or NODE@DOMAIN", None, "NODE", values.follow),
    "domain": Setting("JetStream domain of the server", None, "DOMAIN", values.domain),
    "log_max_age": Setting("older log entries may go; else 120d", None, "AGE", values.age),
    "log_keep": Setting("so many log entries stay; else 100000", None, "N", values.count),
    "run_dir": Setting("directory for what must not survive a reboot", "/run/wig", "DIR"),
    "wireguard": Setting(
        "which WireGuard", "auto", "auto|kernel|userspace", choices=("auto", "kernel", "userspace")
    ),
    "audit_interval": Setting(
        "how often the host is compared with what it should be; else 30s",
        None,
        "TIME",
        values.interval,
    ),
    "endpoint_max_age": Setting(
        "when a client's address is forgotten after its last handshake, 0: never; else 15m",
        None,
        "TIME",
        values.interval_or_none,
    ),
    "metrics_addr": Setting(
        "where metrics and /readyz are, or none; else :4007 of a gateway, and none of others",
        None,
        "[ADDRESS]:PORT",
        values.listen,
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
        kind=values.switch,
    ),
    "isolation": Setting(
        "peers of one interface may reach each other", default=True, kind=values.switch
    ),
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
        values.report_interval,
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
        "a session is over so long after its last sign of life; else 10m",
        None,
        "TIME",
        values.interval,
    ),
    "session_max_age": Setting(
        "sessions that ended longer ago are forgotten; else 180d", None, "AGE", values.age
    ),
    "session_stream_max_age": Setting(
        "older begins and ends leave the stream WIG_SESSIONS; else 90d", None, "AGE", values.age
    ),
    "session_stream_max_bytes": Setting(
        "the oldest leave it when it is larger; else 536870912", None, "BYTES", values.count
    ),
    "timeout": Setting("seconds to wait for an answer", 10, "SECONDS", values.seconds),
}
"""Every setting there is; a TOML file may have these keys and no others."""


class SettingError(Exception):
    """A setting has a value that it cannot have: exit code 2."""


def add(parser: Any, *names: str, hidden: bool = False, help: str | None = None) -> None:
    """Add settings as options without a default: an absent option is looked up elsewhere.

    `help` is what they are for in this command, where that is not what `SETTINGS` says.
    """
    for name in names:
        setting = SETTINGS[name]
        text = help or setting.help
        if setting.kind is values.switch:
            _add_switch(parser, name)
            continue
        default = "" if setting.default is None else f", default {setting.default}"
        action = parser.add_argument(
            f"--{name.replace('_', '-')}",
            dest=name,
            metavar=setting.metavar,
            default=argparse.SUPPRESS,
            action="append" if setting.many else "store",
            help=argparse.SUPPRESS if hidden else f"{text} ({variable(name)}{default})",
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
        raise SettingError(f"{label}: {text!r} {values.RULES[setting.kind]}") from None


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
    except UnicodeDecodeError:
        raise SettingError(f"config: {path!r} is not TOML: it is not in UTF-8") from None
    except RecursionError:
        raise SettingError(f"config: {path!r} is not TOML that has settings") from None
    for key, value in content.items():
        if key not in SETTINGS or key == "config":
            raise SettingError(f"config: {path!r} has an unknown key {key!r}")
        if isinstance(value, dict) or (isinstance(value, list) and not SETTINGS[key].many):
            raise SettingError(f"{path}: {key}: must be one value")
        if any("\0" in str(one) for one in (value if isinstance(value, list) else (value,))):
            raise SettingError(f"{path}: {key}: has a NUL, which no value can have")
    return content
