"""`wig token …`: what people and programs identify themselves with.

Loaded by `main` when one of its verbs is called. The secret is made here; the server gets its
digest only.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge import credentials
from wig import access, codec, errors
from wig.commands import CreateToken, DeleteToken
from wig_cli import arguments, inputs, objects, output, private_files

if TYPE_CHECKING:
    from wig_cli.remote import Session

COLUMNS = ("id", "role", "description", "created")
_ROLES_TEXT = "\n".join(f"  {name:10}{role.purpose}" for name, role in access.ROLES.items())


def token(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of `wig token`."""
    group = arguments.verbs(parser)
    create = arguments.verb(
        group, "create", run_create, help="create a token; its secret is shown once",
        text="Roles, and what each may do:\n" + _ROLES_TEXT,
        examples=("wig token create gw1 --role gateway --out gw1.json",),
    )  # fmt: skip
    create.add_argument("id", metavar="ID", help="the identity: letters, digits, _ and -")
    create.add_argument(
        "--role", required=True, metavar="|".join(access.ROLES), help="one of those above"
    )
    create.add_argument("--description", default="", metavar="TEXT", help="for people")
    create.add_argument("--out", metavar="FILE", help="write id and secret there, 0600")
    arguments.verb(group, "list", run_list, help="list all tokens", examples=("wig token list",))
    delete = arguments.verb(
        group, "delete", run_delete, help="delete a token",
        text="Whoever is connected with it is disconnected at once.",
        examples=("wig token delete gw1",),
    )  # fmt: skip
    delete.add_argument("id", metavar="ID", help="as in wig token list")
    inputs.add_revision(delete)


async def run_create(session: "Session", options: argparse.Namespace) -> None:
    """Create a token, and print its secret or write it into a file."""
    made = credentials.make(options.id)
    text = codec.encode(made).decode() + "\n"
    command = CreateToken(
        id=options.id,
        secret_digest=inputs.secret_digest(made.secret),
        role=options.role,
        description=options.description,
    )
    if options.out is None:
        await _create(session, command)
        print(text, end="")
        return
    with private_files.reserved(options.out, "--out"):
        result = await _create(session, command)
        private_files.replace(options.out, text)
    if output.is_json(options):
        output.document(objects.changed("token", result) | {"file": options.out})
    else:
        output.note(f"created: token {options.id}, its secret is in {Path(options.out)}")


async def _create(session: "Session", command: CreateToken) -> dict[str, Any]:
    try:
        return await session.command("token.create", command)
    except errors.Unknown as error:
        error.hint = f"if `wig token list` has {command.id}, delete it: its secret is lost"
        raise


async def run_list(session: "Session", options: argparse.Namespace) -> None:
    """List all tokens, without their secrets."""
    found = await session.query("token.list", {})
    tokens = [objects.complete("token", one) for one in found["tokens"]]
    if output.is_json(options):
        output.document({"tokens": tokens})
        return
    output.Table(*COLUMNS).rows([[one[name] for name in COLUMNS] for one in tokens])


async def run_delete(session: "Session", options: argparse.Namespace) -> None:
    """Delete a token."""
    command = DeleteToken(request=options.request, id=options.id, revision=options.revision)
    output.deleted(options, await session.command("token.delete", command))
