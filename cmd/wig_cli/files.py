"""`wig init`, `wig backup`, `wig verify`: work on a database's file, without a server.

Loaded by `main` when one of them is called.
"""

import argparse
import os
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from wig_cli import arguments, inputs, output, private_files, progress, settings

ADMIN = "admin"


def init(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wig init`."""
    arguments.describe(
        parser, run_init, help="create the database of a new primary",
        text='Prints the first admin token, {"id", "secret"}, once, or writes it with --out.'
        "\nIt needs --db.",
        examples=("wig init --db /var/lib/wig/wig.db --out admin.json",),
    )  # fmt: skip
    settings.add(parser, "db")
    parser.add_argument(
        "--admin", default=ADMIN, metavar="ID", help=f"the token's id, default {ADMIN}"
    )
    parser.add_argument("--out", metavar="FILE", help="write the token there, 0600")


def backup(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wig backup`."""
    arguments.describe(
        parser, run_backup, help="copy a database while it is in use",
        text="The copy is a whole database of its own, at one position of the log. To restore it,"
        "\nstop the primary and put it in the place of the database.",
        examples=("wig backup --db /var/lib/wig/wig.db /srv/backup/wig-2026-01-31.db",),
    )  # fmt: skip
    settings.add(parser, "db", "state_dir")
    parser.add_argument("target", metavar="TARGET", help="file of the copy; must not exist yet")


def verify(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wig verify`."""
    arguments.describe(
        parser, run_verify, help="check the log and the state of a database",
        text="Every entry against the chain of digests, the state against its digest, the"
        "\naddresses in use against the peers, and the file itself. It may be in use.",
        examples=("wig verify /srv/backup/wig-2026-01-31.db",),
    )  # fmt: skip
    settings.add(parser, "db", "state_dir")
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        help="the database; default: --db, or that of `wig up` here",
    )


def database(options: argparse.Namespace) -> str:
    """Return the database's file: --db, or that of `wig up` on this host."""
    if options.db:
        return str(options.db)
    local = Path(options.state_dir) / "wig.db"
    if local.exists():
        return str(local)
    return arguments.needed(options, "db")


def run_init(options: argparse.Namespace) -> None:
    """Create a database and its first admin."""
    db, out = arguments.needed(options, "db"), options.out
    with private_files.reserved(out, "--out") if out else nullcontext():
        text = create(db, options.admin)
        if out:
            private_files.replace(out, text)
    output.note(f"created: {db}")
    if out:
        output.note(f"the token of {options.admin} is in {out}")
    else:
        print(text, end="")


def create(path: str, admin: str) -> str:
    """Create a database, and return the token of its admin as JSON."""
    made = import_module("bridge.credentials").make(admin)
    create_with(path, made)
    text: bytes = import_module("wig.codec").encode(made)
    return text.decode() + "\n"


def create_with(path: str, admin: Any) -> None:
    """Create a database whose first entry is the token of `admin` (`credentials.Credentials`)."""
    now = datetime.now(UTC)
    token = import_module("wig.model").Token(
        id=import_module("wig.access").parse_token_id(admin.id, "admin"),
        secret_digest=inputs.secret_digest(admin.secret),
        role="admin",
        created=now,
        description="made with the database",
    )
    import_module("wig.sqlite.initialise").init(path, now=now, entropy=os.urandom, token=token)


def run_backup(options: argparse.Namespace) -> None:
    """Copy a database."""
    source = database(options)
    with progress.shown("pages", None) as bar:
        import_module("wig.sqlite.copying").backup(
            Path(source), Path(options.target), lambda done, total: bar.update(done, done, total)
        )
    if output.is_json(options):
        output.document({"database": source, "backup": options.target})
    else:
        output.note(f"copied: {source} to {options.target}; check it with wig verify")


def run_verify(options: argparse.Namespace) -> None:
    """Check a database; raises `Damaged` when something is wrong."""
    path = options.file or database(options)
    with progress.shown("rows", None) as bar:
        report = import_module("wig.sqlite.verification").verify(
            Path(path), lambda what, count: bar.update(count, count, what=what)
        )
    found = import_module("msgspec").to_builtins(report)
    if output.is_json(options):
        output.document({"file": path} | found)
        return
    output.note(f"sound: {path}")
    found["position"] = "{epoch}:{seq} {digest}".format(**found["position"])
    output.fields(found, list(found))
