"""`wig up`: a VPN on this host with one command, and the same VPN at the next start.

Loaded by `main`. Flags to values; `local` puts them together and runs them.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path

from wig.model import PORT_DEFAULT
from wig_cli import arguments, forever, inputs, nodes, sessions, settings


def up(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wig up`."""
    # On a terminal the greeting is the story; elsewhere the log is.
    loudness = arguments.WARNINGS if sys.stderr.isatty() else arguments.STORY
    arguments.describe(
        parser, run_up, loudness=loudness,
        help="run everything on this host: server, primary, sessions, gateway",
        text="The first start makes a database, an admin's token and an interface that is ready"
        "\nto use. Later starts continue where the last one stopped.",
        examples=(
            "wig up --endpoint vpn.example.org",
            "wig up --address 10.8.0.1/16 --address fd08::1/64 --port 51821",
            "wig up --no-gateway --state-dir ~/wig     without root: all but the VPN itself",
        ),
    )  # fmt: skip
    parser.set_defaults(local_file=settings.UP_FILE)
    settings.add(parser, "state_dir", "run_dir")
    settings.add(
        parser, "endpoint",
        help="host name or address that clients connect to, remembered; else a guess",
    )  # fmt: skip
    settings.add(parser, "wireguard", "log_max_age", "log_keep")
    settings.add(parser, "metrics_addr", "metrics_per_peer", *sessions.SETTINGS)
    parser.add_argument(
        "--nats-port", type=inputs.whole, default=0, metavar="PORT",
        help="of the nats-server; default: any free one, and then the same",
    )  # fmt: skip
    parser.add_argument("--no-gateway", action="store_true", help="no VPN on this host")
    nodes.add_gateway(parser)
    _add_first(parser.add_argument_group("on the first start"))


def _add_first(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--interface", metavar="NAME", help="default: the first free of wg0, wg1, …")
    group.add_argument(
        "--address", dest="addresses", action="append", default=[], metavar="CIDR",
        help="of the interface, with its pool; default: a free one of each family",
    )  # fmt: skip
    group.add_argument(
        "--port", type=inputs.whole, metavar="PORT",
        help=f"UDP, default: the first free one from {PORT_DEFAULT} on",
    )  # fmt: skip
    group.add_argument(
        "--dns", action="append", default=[], metavar="ADDRESS",
        help="resolver for the peers, repeatable",
    )  # fmt: skip
    group.add_argument("--no-interface", action="store_true", help="create none")


def run_up(options: argparse.Namespace) -> int:
    """Run until told to stop."""
    local = import_module("wig_cli.local")
    wanted = (
        None
        if options.no_interface
        else local.Wanted(
            name=options.interface,
            port=options.port,
            addresses=tuple(inputs.split(options.addresses)),
            dns=tuple(inputs.split(options.dns)),
        )
    )
    forever.run(
        local.run(
            local.Local(
                state_dir=Path(options.state_dir).expanduser().resolve(),
                nats_port=options.nats_port,
                endpoint=options.endpoint,
                first_interface=wanted,
                gateway=None
                if options.no_gateway
                else nodes.gateway_options(options, local.GATEWAY),
                down_on_exit=options.down_on_exit,
                replace=options.replace,
                retention=nodes.retention(options),
                metrics=nodes.metrics_address(options, nodes.METRICS_ADDR),
                per_peer=options.metrics_per_peer,
                statistics=nodes.statistics(options),
                sessions=sessions.words(options),
                as_json=options.output == "json",
            )
        )
    )
    return 0
