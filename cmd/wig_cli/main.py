"""The entry point of `wig`: find the command, load what it needs, run it.

Called by the script `wig` and by the tests. **Invariant:** importing this module and printing the
help loads nothing but the standard library's argparse.
"""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise

from wig_cli import arguments, settings

GROUPS: dict[str, tuple[str, str]] = {
    "up": ("wig_cli.up:up", "everything on this host: the quick start"),
    "init": ("wig_cli.files:init", "create the database of a new primary"),
    "datastore": ("wig_cli.nodes:datastore", "run a primary, or a follower of another datastore"),
    "gateway": (
        "wig_cli.nodes:gateway",
        "run a gateway: apply a datastore to this host's WireGuard",
    ),
    "sessions": ("wig_cli.sessions:sessions", "find out who is connected, from all gateways"),
    "interface": (
        "wig_cli.interfaces:interface",
        "create, list, show, update, delete interfaces (VPNs)",
    ),
    "peer": ("wig_cli.peers:peer", "create, list, show, update, delete, import, export peers"),
    "token": (
        "wig_cli.tokens:token",
        "create, list, delete what programs identify themselves with",
    ),
    "session": ("wig_cli.sessions:session", "list who was connected when, and follow it"),
    "status": ("wig_cli.status:status", "show every node, its position and its lag"),
    "log": ("wig_cli.logs:add", "follow, show and check the log of changes"),
    "backup": ("wig_cli.files:backup", "copy a database while it is in use"),
    "verify": ("wig_cli.files:verify", "check the log and the state of a database"),
    "nats-config": (
        "wig_cli.nats_config:nats_config",
        "write the configuration of a nats-server",
    ),
    "completion": (
        "wig_cli.completion:completion",
        "print a completion script for bash, zsh or fish",
    ),
    "version": ("wig_cli.version:version", "print the versions of wig and of what it runs on"),
}
"""Every command, the function that adds its arguments, and what it is for."""

EXAMPLES = """\
examples:
  wig up                                    a VPN on this host, as root
  wig peer create wg0 --name alice --qr     a new client, as a QR code
  wig peer list --output json               for programs
  wig COMMAND --help                        more about one command

exit codes: 0 done, 1 the operation failed, 2 wrong usage, 3 not reachable or not available now,
78 another instance runs in its place: a restart does not help, 130 interrupted
"""


def parser() -> arguments.Parser:
    """Return the parser of the whole program; groups fill themselves when they are called."""
    root = arguments.Parser(prog="wig", description="A WireGuard VPN service.", epilog=EXAMPLES)
    root.set_defaults(run=None, parser=root, root=root)
    groups = root.add_subparsers(title="commands", metavar="COMMAND")
    for name, (place, help_text) in GROUPS.items():
        groups.add_parser(
            name, help=help_text, load=place, description=f"{help_text[0].upper()}{help_text[1:]}."
        )
    arguments.add_common(root)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    # Nothing that is made while modules are loaded is garbage: looking for it costs a tenth of
    # the time of a short command. `invoke` turns it on again.
    gc.disable()
    words = list(sys.argv[1:] if argv is None else argv)
    root = parser()
    try:
        options = root.parse_args(words)
        if options.run is None:
            options.parser.error("COMMAND: needed, but not given")
        arguments.check_text(options)
        settings.resolve(options, os.environ, settings.of(options.parser))
    except (arguments.UsageError, settings.SettingError) as error:
        return _usage(error, words)
    except SystemExit as done:  # argparse prints the help and exits
        return done.code if isinstance(done.code, int) else 0
    code: int = import_module("wig_cli.invoke").invoke(options)
    return code


def _usage(error: Exception, words: list[str]) -> int:
    """Report a wrong command line the way the caller wants to read errors."""
    as_json = "--output=json" in words or os.environ.get("WIG_OUTPUT") == "json"
    as_json = as_json or ("--output", "json") in pairwise(words)
    hint = getattr(error, "hint", None)
    if as_json:
        body = {"code": "usage", "message": str(error), "field": None, "hint": hint}
        print(import_module("json").dumps({"error": body}), file=sys.stderr)
    else:
        print(f"wig: {error}", file=sys.stderr)
        if hint:
            print(f"hint: {hint}", file=sys.stderr)
    return 2
