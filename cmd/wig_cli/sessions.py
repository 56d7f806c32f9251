"""`wig sessions`, the process that finds sessions, and `wig session …`, which asks it.

Loaded by `main` when one of them is called.
"""

import argparse
import sys
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from wig_cli import arguments, forever, inputs, nodes, settings

IDENTITY = "sessions"
SETTINGS = (
    "session_inactivity", "session_max_age", "session_stream_max_age", "session_stream_max_bytes",
)  # fmt: skip

LIST_TEXT = """
A session begins with a client's first handshake, at whatever gateway, and is over when it has
given no sign of life for a while. Nothing here ever knew the client's address; the country and
the network are those that its gateway looked up."""


def sessions(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wig sessions`."""
    loudness = arguments.WARNINGS if sys.stderr.isatty() else arguments.STORY
    arguments.describe(
        parser, run_sessions, loudness=loudness, common=arguments.COMMON,
        help="find out who is connected, from the reports of all gateways",
        text="There is one for a deployment, beside the primary; wig up starts it. Its database"
        "\nis its own, and made when it is not there. It needs --db, and the hub's --server-keys.",
        examples=(
            "wig sessions --db /var/lib/wig-sessions/sessions.db --server-keys /etc/wig/nats",
        ),
    )  # fmt: skip
    parser.set_defaults(local_file=None)
    settings.add(parser, "db", "domain")
    settings.add(parser, "server_keys", help="who we are: the directory of `wig nats-config hub`")
    settings.add(parser, "metrics_addr", *SETTINGS)
    parser.add_argument(
        "--replicas", type=int, choices=(1, 3, 5), default=1, metavar="N",
        help="how many servers of a JetStream cluster keep the streams: 1, 3 or 5; default 1",
    )  # fmt: skip


def run_sessions(options: argparse.Namespace) -> int:
    """Keep sessions until told to stop."""
    db = arguments.needed(options, "db")
    bridge = import_module("bridge.sessions")
    if options.server_keys:
        keys = import_module("bridge.server_keys")
        options.token_file = str(Path(options.server_keys) / keys.BUS_FILE)
    forever.run(
        bridge.run_sessions(
            bridge.SessionsOptions(
                db=Path(db),
                bus=nodes.bus_options(options, IDENTITY),
                domain=options.domain,
                replicas=options.replicas,
                metrics=nodes.metrics_address(options, ""),
                **_kept(options),
            )
        )
    )
    return 0


def _kept(options: argparse.Namespace) -> dict[str, Any]:
    """Return what was said about how long things are kept."""
    found: dict[str, Any] = {}
    if options.session_inactivity is not None:
        known = import_module("wig.sessions")
        inactivity_s = int(options.session_inactivity)
        found["settings"] = known.Settings(
            inactivity_s=inactivity_s, silence_s=max(known.SILENCE_S, inactivity_s)
        )
    if options.session_max_age is not None:
        found["max_age"] = options.session_max_age
    limits = {
        "max_age": options.session_stream_max_age,
        "max_bytes": options.session_stream_max_bytes,
    }
    found["limits"] = import_module("bridge.session_streams").Limits(
        **{name: value for name, value in limits.items() if value is not None}
    )
    return found


def words(options: argparse.Namespace) -> tuple[str, ...]:
    """Return what was said about sessions as options of `wig sessions`, for `wig up`."""
    found: list[str] = ["--verbose"] * getattr(options, "verbose", 0)
    given = ((name, getattr(options, name)) for name in SETTINGS)
    for name, value in given:
        if value is not None:
            found += [f"--{name.replace('_', '-')}", _text(value)]
    return tuple(found)


_UNITS = (("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def _text(value: Any) -> str:
    """Return a setting as it is written on a command line, with as few digits as there can be."""
    if not isinstance(value, timedelta | float):
        return str(value)
    seconds = value if isinstance(value, float) else value.total_seconds()
    units = _UNITS if isinstance(value, timedelta) else _UNITS[2:]
    return next(f"{seconds // size:.0f}{unit}" for unit, size in units if not seconds % size)


def session(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of `wig session`."""
    group = arguments.verbs(parser)
    listing = arguments.verb(
        group, "list", "wig_cli.session_verbs:run_list",
        check="wig_cli.session_verbs:check_list", help="list sessions, the newest first",
        text=LIST_TEXT,
        examples=(
            "wig session list --active",
            "wig session list --since 7d --country SE --output json",
        ),
    )  # fmt: skip
    listing.add_argument("--peer", metavar="PUBLIC_KEY", help="of this peer only")
    listing.add_argument("--interface", metavar="NAME", help="of this interface only")
    listing.add_argument("--country", metavar="CODE", help="from this country, as in SE")
    listing.add_argument("--active", action="store_true", help="those that are not over")
    listing.add_argument(
        "--since", type=inputs.past, metavar="TIME",
        help="those that were not over then: 2030-01-31T12:00:00Z, or 7d for so long ago",
    )  # fmt: skip
    listing.add_argument(
        "--until", type=inputs.past, metavar="TIME", help="those that had begun before"
    )
    listing.add_argument(
        "--limit", type=inputs.whole, metavar="N", help="at most N, default 100 (JSON: all)"
    )
    tail = arguments.verb(
        group, "tail", "wig_cli.session_verbs:run_tail",
        help="print the last begins and ends of sessions, and new ones as they come",
        text="Programs read the stream itself: see deploy/pipelines.",
        examples=("wig session tail", "wig session tail -n 0 --output json"),
    )  # fmt: skip
    tail.add_argument(
        "-n", type=inputs.whole, default=10, metavar="N", help="how many of the last, default 10"
    )
    tail.add_argument("--no-follow", action="store_true", help="stop at the end")
