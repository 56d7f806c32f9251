"""`wig interface …`: the VPNs. Loaded by `main` when one of its verbs is called."""

import argparse
import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from msgspec import UNSET
from msgspec.structs import replace

from wig import errors
from wig.commands import CreateInterface, DeleteInterface, DeletePeers, UpdateInterface
from wig.model import MTU_DEFAULT, PORT_DEFAULT
from wig_cli import arguments, inputs, new_keys, objects, output, peer_verbs, progress

if TYPE_CHECKING:
    from wig_cli.remote import Session

DELETE_S_MAX = 120.0  # for 10,000 peers, as for an import of so many
_NAME_HELP = "as in wig interface list"
COLUMNS = ("name", "port", "addresses", "dns", "description")
FIELDS = (
    "name", "port", "public_key", "private_key", "addresses", "mtu", "dns", "description",
    "revision",
)  # fmt: skip


def interface(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of `wig interface`."""
    group = arguments.verbs(parser)
    create = arguments.verb(
        group, "create", run_create, help="create an interface", text=_CREATE_TEXT,
        examples=("wig interface create wg0 --address 10.0.0.1/16 --address fd00:1::1/64",),
    )  # fmt: skip
    create.add_argument("name", metavar="NAME", help="at most 15 bytes, as Linux names devices")
    _add_fields(create, creating=True)
    update = arguments.verb(
        group, "update", run_update, help="change fields of an interface",
        examples=("wig interface update wg0 --dns 10.0.0.1 --mtu 1380",),
    )  # fmt: skip
    update.add_argument("name", metavar="NAME", help=_NAME_HELP)
    _add_fields(update, creating=False)
    inputs.add_revision(update)
    arguments.verb(
        group, "list", run_list, help="list all interfaces", examples=("wig interface list",)
    )
    show = arguments.verb(
        group, "show", run_show, help="show one interface",
        examples=("wig interface show wg0 --output json",),
    )  # fmt: skip
    show.add_argument("name", metavar="NAME", help=_NAME_HELP)
    show.add_argument("--secrets", action="store_true", help="with its private key")
    delete = arguments.verb(
        group, "delete", run_delete, help="delete an interface", text=_DELETE_TEXT,
        examples=("wig interface delete wg0 --with-peers",),
    )  # fmt: skip
    delete.add_argument("name", metavar="NAME", help=_NAME_HELP)
    delete.add_argument("--with-peers", action="store_true", help="and all of its peers")
    inputs.add_revision(delete)


_CREATE_TEXT = """
The addresses are the gateways' own inside the VPN; with their prefix lengths they are the pools
that the peers' addresses come from. The private key is made here unless a file is given.
A repeat with the same values is a success that says `unchanged`."""


_DELETE_TEXT = """
With up to 10,000 peers it is deleted at once or not at all. Of a larger one the peers are deleted
first, a thousand at a time, so that other changes need not wait; after an interruption, run the
command again."""


def _add_fields(parser: argparse.ArgumentParser, *, creating: bool) -> None:
    unset: Any = argparse.SUPPRESS
    parser.add_argument(
        "--port", type=inputs.whole, metavar="PORT", default=PORT_DEFAULT if creating else unset,
        help="UDP port" + (f", default {PORT_DEFAULT}" if creating else ""),
    )  # fmt: skip
    parser.add_argument(
        "--address", dest="addresses", action="append", metavar="CIDR", required=creating,
        default=None if creating else unset,
        help="address/prefix length, once for IPv4 and once for IPv6",
    )  # fmt: skip
    parser.add_argument(
        "--mtu", type=inputs.whole, metavar="BYTES", default=MTU_DEFAULT if creating else unset,
        help="of the device" + (f", default {MTU_DEFAULT}" if creating else ""),
    )  # fmt: skip
    parser.add_argument(
        "--dns", action="append", metavar="ADDRESS", default=[] if creating else unset,
        help="resolver for the peers, repeatable" + ("" if creating else "; or none"),
    )  # fmt: skip
    parser.add_argument(
        "--description", metavar="TEXT", default="" if creating else unset, help="for people"
    )
    parser.add_argument(
        "--private-key-file", type=inputs.private_key_file, dest="private_key", metavar="FILE",
        default=unset, help="with a key as `wg genkey` prints it; - is standard input",
    )  # fmt: skip
    inputs.add_request(parser)


async def run_create(session: "Session", options: argparse.Namespace) -> None:
    """Create an interface."""
    made = new_keys.private_key() if "private_key" not in options else None
    command = CreateInterface(
        request=options.request,
        name=options.name,
        port=options.port,
        private_key=made or options.private_key,
        addresses=tuple(inputs.split(options.addresses)),
        mtu=options.mtu,
        dns=tuple(inputs.split(options.dns)),
        description=options.description,
    )
    try:
        result = objects.changed("interface", await session.command("interface.create", command))
    except errors.Exists:
        # A key made just now never equals the one that is there: compare the rest ourselves.
        present = made and await _same(session, command)
        if not present:
            raise
        result = {"interface": present, "unchanged": True}
    _report(options, result, "created")


async def _same(session: "Session", wanted: CreateInterface) -> dict[str, Any] | None:
    """Return the interface of that name if all but its key is as wanted."""
    try:
        found = await session.query("interface.show", {"name": wanted.name, "secrets": False})
    except errors.NotFound:  # what exists is another one, with this key or port
        return None
    present = objects.complete("interface", found["interface"])
    same = (
        present["port"] == wanted.port
        and set(present["addresses"]) == set(wanted.addresses)
        and present["mtu"] == wanted.mtu
        and tuple(present["dns"]) == wanted.dns
        and present["description"] == wanted.description
    )
    return present if same else None


async def run_update(session: "Session", options: argparse.Namespace) -> None:
    """Change fields of an interface."""
    given = vars(options)
    command = UpdateInterface(
        request=options.request,
        name=options.name,
        port=given.get("port", UNSET),
        private_key=given.get("private_key", UNSET),
        addresses=_tuple(given.get("addresses", UNSET)),
        mtu=given.get("mtu", UNSET),
        dns=_tuple(given.get("dns", UNSET)),
        description=given.get("description", UNSET),
        revision=options.revision,
    )
    result = await session.command("interface.update", command)
    _report(options, objects.changed("interface", result), "updated")


def _tuple(value: Any) -> Any:
    return value if value is UNSET else tuple(v for v in inputs.split(value) if v != inputs.NONE)


def _report(options: argparse.Namespace, result: dict[str, Any], done: str) -> None:
    if output.is_json(options):
        output.document(result)
        return
    state = "unchanged" if result["unchanged"] else done
    output.note(f"{state}: interface {result['interface']['name']}")
    output.fields(result["interface"], FIELDS)


async def run_list(session: "Session", options: argparse.Namespace) -> None:
    """List all interfaces."""
    result = await session.query("interface.list", {})
    found = [objects.complete("interface", one) for one in result["interfaces"]]
    if output.is_json(options):
        output.document({"interfaces": found})
        return
    output.Table(*COLUMNS).rows([[one.get(name) for name in COLUMNS] for one in found])
    if not found:
        output.note("no interface yet: wig interface create wg0 --address 10.0.0.1/16")


async def run_show(session: "Session", options: argparse.Namespace) -> None:
    """Show one interface; its private key only when asked for."""
    body = {"name": options.name, "secrets": options.secrets}
    result = await session.query("interface.show", body)
    found = objects.complete("interface", result["interface"])
    if output.is_json(options):
        output.document({"interface": found})
    else:
        output.fields(found, FIELDS)


async def run_delete(session: "Session", options: argparse.Namespace) -> None:
    """Delete an interface."""
    command = DeleteInterface(
        request=options.request,
        name=options.name,
        with_peers=options.with_peers,
        revision=options.revision,
    )
    timeout_s, before = DELETE_S_MAX if options.with_peers else 0.0, 0
    try:
        result = await session.command("interface.delete", command, timeout_s=timeout_s)
    except errors.TooLarge:
        before = await _delete_peers(session, options.name)
        # A request has one outcome, and this one's is that they are too many.
        command = replace(command, request=options.request and f"{options.request[:62]}.2")
        result = await session.command("interface.delete", command, timeout_s=timeout_s)
    deleted = result["deleted"]
    output.deleted(options, {"deleted": deleted | {"peers": deleted.get("peers", 0) + before}})


async def _delete_peers(session: "Session", interface: str) -> int:
    """Delete the peers of an interface in parts, and return how many they were."""
    count = 0
    with progress.shown("peers deleted", None) as bar:
        try:
            with suppress(errors.NotFound):  # a repeat, after which it is gone
                async for page in peer_verbs.pages(session, interface):
                    command = DeletePeers(public_keys=tuple(one["public_key"] for one in page))
                    result = await session.command("peer.purge", command, timeout_s=DELETE_S_MAX)
                    count += result["deleted"].get("peers", 0)
                    bar.update(count, count)
        except errors.WigError as error:
            error.hint = f"at least {count:,} peers are deleted; the same command again goes on"
            raise
        except asyncio.CancelledError:
            bar.stop()
            output.note(
                f"interrupted: at least {count:,} peers are deleted; the same command goes on"
            )
            raise
    return count
