"""`wig peer …`: the clients of the VPNs. Loaded by `main` when one of its verbs is called."""

import argparse
from typing import Any

from wig_cli import arguments, inputs, settings

CREATE_TEXT = """
Without --public-key the peer's keys are made here, and the private one goes into the
configuration for wg-quick that is printed: the server never sees it. Addresses are the first
free ones unless they are given."""

IMPORT_TEXT = """
One peer a line, as JSON objects or as CSV with the names of the fields in the first line:
  public_key     needed
  interface      needed, unless --interface is given
  ip, ip6        absent: the first free one; none (JSON: null): no address of that family
  preshared_key, name, description, expire (RFC 3339), enabled, outside_pool
  rate_limit     bit/s in each direction; in CSV also as 10M
The file is sent in batches of up to 10,000 peers, each all or nothing. After a mistake or an
interruption, correct the file and run it again: what is there already stays as it is."""

EXPORT_TEXT = """
What is written is what import reads: the fields that people decide about, not when a peer was
created. Preshared keys are left out unless asked for; an export without them cannot bring back
peers that have one."""
FORMATS = ("jsonl", "csv")
_KEY_HELP = "as in wig peer list"


def peer(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of `wig peer`."""
    group = arguments.verbs(parser)
    _add_create(group)
    listing = arguments.verb(
        group, "list", "wig_cli.peer_verbs:run_list",
        check="wig_cli.peer_verbs:check_list", help="list peers by public key",
        examples=(
            "wig peer list", "wig peer list --interface wg0 --output json",
            "wig peer list --unused-for 90d",
        ),
    )  # fmt: skip
    listing.add_argument("--interface", metavar="NAME", help="of this interface only")
    listing.add_argument("--limit", type=inputs.whole, metavar="N", help="at most N peers")
    listing.add_argument(
        "--unused-for", type=inputs.age, metavar="AGE",
        help="those without a sign of life for so long, as in 90d, or since they were created;"
        " sessions must be recorded for at least as long, and all gateways report",
    )  # fmt: skip
    listing.add_argument(
        "--without-gateway", action="append", default=[], metavar="NAME",
        help="with --unused-for: this one is gone for good, and its silence no reason to refuse;"
        " may be repeated",
    )  # fmt: skip
    show = arguments.verb(
        group, "show", "wig_cli.peer_verbs:run_show", help="show one peer",
        examples=("wig peer show xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",),
    )  # fmt: skip
    show.add_argument("public_key", metavar="PUBLIC_KEY", help=_KEY_HELP)
    show.add_argument("--secrets", action="store_true", help="with its preshared key")
    _add_update(group)
    delete = arguments.verb(
        group, "delete", "wig_cli.peer_verbs:run_delete", help="delete a peer",
        examples=("wig peer delete xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",),
    )  # fmt: skip
    delete.add_argument("public_key", metavar="PUBLIC_KEY", help=_KEY_HELP)
    inputs.add_revision(delete)
    _add_import(group)
    _add_export(group)
    _add_config(group)


def _add_create(group: Any) -> None:
    parser = arguments.verb(
        group, "create", "wig_cli.peer_verbs:run_create",
        check="wig_cli.peer_verbs:check_create", help="create a peer", text=CREATE_TEXT,
        examples=(
            "wig peer create wg0 --name alice > alice.conf",
            "wig peer create wg0 --name phone --qr",
            "wig peer create wg0 --public-key xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
        ),
    )  # fmt: skip
    parser.add_argument("interface", metavar="INTERFACE", help="its VPN, as in wig interface list")
    key = parser.add_mutually_exclusive_group()
    key.add_argument("--public-key", metavar="KEY", help="of a client that made its own keys")
    key.add_argument(
        "--private-key-file", type=inputs.private_key_file, dest="private_key", metavar="FILE",
        help="keys that exist already; the server gets the public one",
    )  # fmt: skip
    parser.add_argument("--ip", metavar="ADDRESS", help="IPv4 address or range; auto, none")
    parser.add_argument("--ip6", metavar="ADDRESS", help="the same for IPv6")
    _add_fields(parser, default=None)
    parser.add_argument("--disabled", action="store_true", help="known, but not connected")
    shared = parser.add_mutually_exclusive_group()
    shared.add_argument(
        "--preshared-key",
        action="store_true",
        help="make a preshared key, against quantum computers",
    )
    shared.add_argument(
        "--preshared-key-file", type=inputs.preshared_key_file, dest="preshared", metavar="FILE",
        help="one that exists already, as `wg genpsk` prints it; - is standard input",
    )  # fmt: skip
    parser.add_argument("--config-out", metavar="FILE", help="write the configuration there, 0600")
    _add_connection(parser)
    inputs.add_request(parser)


def _add_update(group: Any) -> None:
    parser = arguments.verb(
        group, "update", "wig_cli.peer_verbs:run_update", help="change fields of a peer",
        examples=(
            "wig peer update KEY --disable",
            "wig peer update KEY --expire 90d --ip6 none",
            "wig peer update KEY --rate-limit 10M",
        ),
    )  # fmt: skip
    parser.add_argument("public_key", metavar="PUBLIC_KEY", help=_KEY_HELP)
    unset = argparse.SUPPRESS
    for flag, version in (("--ip", "IPv4"), ("--ip6", "IPv6")):
        parser.add_argument(
            flag, default=unset, metavar="ADDRESS", type=inputs.address,
            help=f"{version} address or range; auto: the first free one; none",
        )  # fmt: skip
    _add_fields(parser, default=unset)
    enabled = parser.add_mutually_exclusive_group()
    enabled.add_argument(
        "--enable", dest="enabled", action="store_true", default=unset, help="connect it again"
    )
    enabled.add_argument(
        "--disable", dest="enabled", action="store_false", default=unset,
        help="keep it with its addresses, and connect it no more",
    )  # fmt: skip
    shared = parser.add_mutually_exclusive_group()
    shared.add_argument(
        "--preshared-key-file", type=inputs.preshared_key_file, dest="preshared", metavar="FILE",
        default=unset, help="another one, as `wg genpsk` prints it; - is standard input",
    )  # fmt: skip
    shared.add_argument(
        "--no-preshared-key", action="store_const", const=None, dest="preshared", default=unset,
        help="none any more",
    )  # fmt: skip
    inputs.add_revision(parser)


def _add_fields(parser: argparse.ArgumentParser, default: str | None) -> None:
    text = default if default is not None else ""
    parser.add_argument(
        "--name", metavar="TEXT", default=text, help="for people; need not be unique"
    )
    parser.add_argument("--description", metavar="TEXT", default=text, help="for people")
    parser.add_argument(
        "--expire", type=inputs.moment, metavar="TIME", default=default,
        help="when it is deleted: 2030-01-31T12:00:00Z, 90d, 12h, never",
    )  # fmt: skip
    parser.add_argument(
        "--rate-limit", type=inputs.rate, metavar="RATE", default=default,
        help="bit/s in each direction, on each gateway: 500k, 10M, 1G; none removes it",
    )  # fmt: skip
    parser.add_argument(
        "--outside-pool", action="store_true", help="allow addresses outside the interface's pool"
    )


def _add_import(group: Any) -> None:
    """Add the verb `import`."""
    parser = arguments.verb(
        group, "import", "wig_cli.imports:run_import",
        help="create many peers from a file", text=IMPORT_TEXT,
        examples=(
            "wig peer import peers.jsonl",
            "wig peer import --format csv --interface wg0 - < peers.csv",
            "wig peer import peers.jsonl --from-line 120001",
        ),
    )  # fmt: skip
    parser.add_argument("file", metavar="FILE", help="- is standard input")
    parser.add_argument(
        "--format", choices=FORMATS, help="default: csv if the name ends so, else jsonl"
    )
    parser.add_argument("--interface", metavar="NAME", help="of peers that name none")
    parser.add_argument(
        "--from-line", type=inputs.whole, default=1, metavar="N", help="skip the lines before N"
    )
    parser.add_argument("--dry-run", action="store_true", help="check the file, and change nothing")
    inputs.add_wait(parser)


def _add_export(group: Any) -> None:
    """Add the verb `export`."""
    parser = arguments.verb(
        group, "export", "wig_cli.exports:run_export",
        help="write all peers as JSON lines or CSV", text=EXPORT_TEXT,
        examples=(
            "wig peer export > peers.jsonl",
            "wig peer export --format csv --interface wg0 > peers.csv",
            "wig peer export --secrets --out peers.jsonl",
        ),
    )  # fmt: skip
    parser.add_argument("--format", choices=FORMATS, default="jsonl", help="default jsonl")
    parser.add_argument("--interface", metavar="NAME", help="of this interface only")
    parser.add_argument("--secrets", action="store_true", help="with preshared keys")
    parser.add_argument("--out", metavar="FILE", help="write there, 0600")


def _add_config(group: Any) -> None:
    parser = arguments.verb(
        group, "config", "wig_cli.peer_verbs:run_config", check="wig_cli.peer_verbs:check_config",
        help="print a peer's configuration for wg-quick",
        text="The private key is the client's own: give its file, or fill it in there.",
        examples=(
            "wig peer config KEY --endpoint vpn.example.org --private-key-file alice.key",
            "wig peer config KEY --qr --private-key-file - < alice.key",
        ),
    )  # fmt: skip
    parser.add_argument("public_key", metavar="PUBLIC_KEY", help=_KEY_HELP)
    parser.add_argument(
        "--private-key-file", type=inputs.private_key_file, dest="private_key", metavar="FILE",
        help="the client's; - is standard input",
    )  # fmt: skip
    parser.add_argument("--config-out", metavar="FILE", help="write it there, 0600")
    _add_connection(parser)


def _add_connection(parser: argparse.ArgumentParser) -> None:
    settings.add(parser, "endpoint")
    tunnel = parser.add_mutually_exclusive_group()
    tunnel.add_argument(
        "--full-tunnel", dest="allowed", action="store_const", const="full", default="full",
        help="the client sends everything through the VPN (default)",
    )  # fmt: skip
    tunnel.add_argument(
        "--split-tunnel", dest="allowed", action="store_const", const="split",
        help="only what is for the VPN's own addresses",
    )  # fmt: skip
    tunnel.add_argument(
        "--allowed-ips", dest="allowed", type=inputs.networks, metavar="LIST",
        help="only what is for these networks",
    )  # fmt: skip
    parser.add_argument("--qr", action="store_true", help="print it as a QR code for a phone")
