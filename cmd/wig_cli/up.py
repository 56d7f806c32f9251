"""`wig up`: a VPN on this host with one command, and the same VPN at the next start.

Loaded by `main`. Everything that it keeps is in one directory:

    wig.db        the database             nats/         the server: configuration, streams, log
    admin.json    the first admin's token  client.toml   how the other commands find this wig
"""

import argparse

from wig_cli import arguments, inputs, nodes, settings

NODE = "primary"
GATEWAY = "local"
PORT_DEFAULT = 51820


def up(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wig up`."""
    arguments.describe(
        parser, run_up, daemon=True,
        help="run everything on this host: server, primary, gateway",
        text="The first start makes a database, an admin's token and an interface that is ready"
        "\nto use. Later starts continue where the last one stopped.",
        examples=(
            "wig up --endpoint vpn.example.org",
            "wig up --address 10.8.0.1/16 --address fd08::1/64 --port 51821",
            "wig up --no-gateway --state-dir ~/wig     without root: no VPN, but all the rest",
        ),
    )  # fmt: skip
    settings.add(parser, "state_dir", "run_dir", "endpoint", "wireguard")
    parser.add_argument(
        "--nats-port",
        type=inputs.whole,
        default=0,
        metavar="PORT",
        help="of the server for clients; default: any free one, then kept",
    )
    parser.add_argument("--no-gateway", action="store_true", help="no VPN on this host")
    nodes.add_gateway(parser)
    first = parser.add_argument_group("on the first start")
    first.add_argument("--interface", metavar="NAME", help="default: the first free of wg0, wg1, …")
    first.add_argument(
        "--address",
        dest="addresses",
        action="append",
        default=[],
        metavar="CIDR",
        help="of the interface, with its pool; default: free ones",
    )
    first.add_argument(
        "--port",
        type=inputs.whole,
        metavar="PORT",
        help=f"UDP, default: the first free one from {PORT_DEFAULT} on",
    )
    first.add_argument("--no-interface", action="store_true", help="create none")


def run_up(options: argparse.Namespace) -> int:
    raise SystemExit(9)
