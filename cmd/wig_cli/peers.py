"""`wig peer …`: the clients of the VPNs. Loaded by `main` when one of its verbs is called."""

import argparse

from wig_cli import arguments, exports, imports, inputs, peer_verbs, settings

CREATE_TEXT = """
Without --public-key the peer's keys are made here, and the private one goes into the
configuration for wg-quick that is printed: the server never sees it. Addresses are the first
free ones unless they are given."""


def peer(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of `wig peer`."""
    group = arguments.verbs(parser)
    _add_create(group)
    listing = arguments.verb(
        group, "list", peer_verbs.run_list, help="list peers by public key",
        examples=("wig peer list", "wig peer list --interface wg0 --output json"),
    )  # fmt: skip
    listing.add_argument("--interface", metavar="NAME", help="of this interface only")
    listing.add_argument("--limit", type=inputs.whole, metavar="N", help="at most N peers")
    show = arguments.verb(
        group, "show", peer_verbs.run_show, help="show one peer",
        examples=("wig peer show xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",),
    )  # fmt: skip
    show.add_argument("public_key", metavar="PUBLIC_KEY")
    show.add_argument("--secrets", action="store_true", help="with its preshared key")
    _add_update(group)
    delete = arguments.verb(group, "delete", peer_verbs.run_delete, help="delete a peer")
    delete.add_argument("public_key", metavar="PUBLIC_KEY")
    inputs.add_revision(delete)
    imports.add(group)
    exports.add(group)
    _add_config(group)


def _add_create(group: object) -> None:
    parser = arguments.verb(
        group, "create", peer_verbs.run_create, help="create a peer", text=CREATE_TEXT,
        examples=(
            "wig peer create wg0 --name alice > alice.conf",
            "wig peer create wg0 --name phone --qr",
            "wig peer create wg0 --public-key xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
        ),
    )  # fmt: skip
    parser.add_argument("interface", metavar="INTERFACE")
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
        "--preshared-key-file", type=inputs.preshared_key_file, dest="preshared", metavar="FILE"
    )
    parser.add_argument("--config-out", metavar="FILE", help="write the configuration there, 0600")
    _add_connection(parser)
    inputs.add_request(parser)


def _add_update(group: object) -> None:
    parser = arguments.verb(
        group, "update", peer_verbs.run_update, help="change fields of a peer",
        examples=(
            "wig peer update KEY --disable",
            "wig peer update KEY --expire 90d --ip6 none",
        ),
    )  # fmt: skip
    parser.add_argument("public_key", metavar="PUBLIC_KEY")
    unset = argparse.SUPPRESS
    parser.add_argument("--ip", default=unset, metavar="ADDRESS", type=inputs.address)
    parser.add_argument("--ip6", default=unset, metavar="ADDRESS", type=inputs.address)
    _add_fields(parser, default=unset)
    enabled = parser.add_mutually_exclusive_group()
    enabled.add_argument("--enable", dest="enabled", action="store_true", default=unset)
    enabled.add_argument("--disable", dest="enabled", action="store_false", default=unset)
    shared = parser.add_mutually_exclusive_group()
    shared.add_argument(
        "--preshared-key-file", type=inputs.preshared_key_file, dest="preshared", metavar="FILE",
        default=unset,
    )  # fmt: skip
    shared.add_argument(
        "--no-preshared-key", action="store_const", const=None, dest="preshared", default=unset
    )
    inputs.add_revision(parser)


def _add_fields(parser: argparse.ArgumentParser, default: str | None) -> None:
    text = default if default is not None else ""
    parser.add_argument(
        "--name", metavar="TEXT", default=text, help="for people; need not be unique"
    )
    parser.add_argument("--description", metavar="TEXT", default=text)
    parser.add_argument(
        "--expire", type=inputs.moment, metavar="TIME", default=default,
        help="when it is deleted: 2030-01-31T12:00:00Z, 90d, 12h, never",
    )  # fmt: skip
    parser.add_argument(
        "--outside-pool", action="store_true", help="allow addresses outside the interface's pool"
    )


def _add_config(group: object) -> None:
    parser = arguments.verb(
        group, "config", peer_verbs.run_config, help="print a peer's configuration for wg-quick",
        text="The private key is the client's own: give its file, or fill it in there.",
        examples=(
            "wig peer config KEY --endpoint vpn.example.org --private-key-file alice.key",
            "wig peer config KEY --qr --private-key-file - < alice.key",
        ),
    )  # fmt: skip
    parser.add_argument("public_key", metavar="PUBLIC_KEY")
    parser.add_argument(
        "--private-key-file", type=inputs.private_key_file, dest="private_key", metavar="FILE"
    )
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
        "--allowed-ips", dest="allowed", metavar="LIST", help="only what is for these networks"
    )
    parser.add_argument("--qr", action="store_true", help="print it as a QR code for a phone")
