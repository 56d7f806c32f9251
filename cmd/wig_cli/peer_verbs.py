"""What the verbs of `wig peer` do. Called by the parsers that `peers` makes."""

import argparse
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from wig import errors, keys, rates, x25519
from wig.addresses import parse_cidr
from wig.commands import AUTO, CreatePeer, DeletePeer, UpdatePeer
from wig_cli import inputs, new_keys, objects, output, private_files, quick, session_verbs
from wig_cli.arguments import UsageError

if TYPE_CHECKING:
    from wig_cli.remote import Session

COLUMNS = ("public_key", "interface", "ip", "ip6", "name", "enabled", "expire")
FIELDS = (*objects.DEFAULTS["peer"], "preshared_key")
PAGE_PEERS = 1000


def check_create(options: argparse.Namespace) -> None:
    """Raise `UsageError` for options that make no sense together."""
    made = not options.public_key and options.private_key is None
    if options.request and (made or options.preshared_key):
        raise UsageError(
            "--request: needs keys from files, or --public-key",
            hint="keys that are made anew would not be those of the first request",
        )
    if options.public_key and (options.qr or options.config_out):
        raise UsageError(
            "--qr, --config-out: need the private key",
            hint="leave --public-key out, or use --private-key-file",
        )
    if not options.public_key:
        check_config(options)


def check_config(options: argparse.Namespace) -> None:
    """Raise `UsageError` if a configuration cannot say where to connect."""
    if not options.endpoint:
        raise UsageError(
            "--endpoint: needed for a configuration, but not given",
            hint="the host name or address of a gateway; also WIG_ENDPOINT, or endpoint in the"
            " file of --config",
        )


async def run_create(session: "Session", options: argparse.Namespace) -> None:
    """Create a peer, and print the configuration if its private key is known here."""
    private = options.private_key
    if private is None and not options.public_key:
        private = new_keys.private_key()
    connection = await _connection(session, options) if private else None
    preshared = new_keys.preshared_key() if options.preshared_key else options.preshared
    command = CreatePeer(
        request=options.request,
        interface=options.interface,
        public_key=options.public_key or x25519.public_key(private),
        ip=_wanted(options.ip),
        ip6=_wanted(options.ip6),
        preshared_key=preshared,
        name=options.name,
        description=options.description,
        expire=options.expire,
        enabled=not options.disabled,
        rate_limit=options.rate_limit,
        outside_pool=options.outside_pool,
    )
    with _config_file(options) as write:
        result = await _create(session, command)
        text = None
        if connection is not None:
            text = quick.configuration(
                result["peer"], connection[0], connection[1],
                private_key=private.reveal(), preshared_key=_revealed(preshared),
            )  # fmt: skip
            write(text)
    _report_created(options, result, text)


async def _create(session: "Session", command: CreatePeer) -> dict[str, Any]:
    try:
        result = await session.command("peer.create", command)
    except errors.Unknown as error:
        error.hint = f"`wig peer show {command.public_key}` says whether it was created"
        raise
    return objects.changed("peer", result)


@contextmanager
def _config_file(options: argparse.Namespace) -> Iterator[Callable[[str], None]]:
    """Return what writes the configuration, after making sure that it can be written."""
    path = options.config_out
    if path is None:
        yield lambda _: None
        return
    with private_files.reserved(path, "--config-out"):
        yield lambda text: private_files.replace(path, text)


def _show(peer: dict[str, Any]) -> None:
    """Print a peer for people."""
    rate = peer["rate_limit"]
    shown = peer | {"rate_limit": rate and f"{rates.text(rate)}bit/s"}
    output.fields(shown, (*FIELDS, "last_seen"))


def _revealed(secret: keys.Secret | None) -> str | None:
    return None if secret is None else secret.reveal()


def _wanted(address: str | None) -> str | None:
    return AUTO if address is None else inputs.address(address)


def _report_created(options: argparse.Namespace, result: dict[str, Any], text: str | None) -> None:
    if output.is_json(options):
        output.document(result if text is None else result | {"configuration": text})
        return
    peer = result["peer"]
    output.note(f"{'unchanged' if result['unchanged'] else 'created'}: peer {peer['public_key']}")
    if text is None or options.config_out:
        _show(peer)
    if text is not None:
        _show_configuration(options, text)


def _show_configuration(options: argparse.Namespace, text: str) -> None:
    if options.qr:
        import_module("segno").make(text, error="l").terminal(compact=True)
    elif options.config_out:
        output.note(f"configuration: {options.config_out}")
    else:
        sys.stdout.write(text)


async def _connection(
    session: "Session", options: argparse.Namespace
) -> tuple[dict[str, Any], quick.Connection]:
    """Return the interface and how its clients reach it."""
    try:
        found = await session.query("interface.show", {"name": options.interface, "secrets": False})
    except errors.NotFound as error:
        raise errors.NotFound(
            f"interface: {errors.quoted(options.interface)} is not an interface",
            field="interface", hint=error.hint,
        ) from error  # fmt: skip
    interface = objects.complete("interface", found["interface"])
    return interface, quick.Connection(options.endpoint, _allowed(options.allowed, interface))


def _allowed(choice: str, interface: dict[str, Any]) -> Sequence[str]:
    if choice == "full":
        return quick.FULL_TUNNEL
    if choice == "split":
        return [parse_cidr(text, "addresses").network for text in interface["addresses"]]
    return inputs.split([choice])


async def run_config(session: "Session", options: argparse.Namespace) -> None:
    """Print the configuration of a peer."""
    found = await session.query("peer.show", {"public_key": options.public_key, "secrets": True})
    peer = objects.complete("peer", found["peer"])
    _check_pair(options.private_key, peer["public_key"])
    options.interface = peer["interface"]
    interface, connection = await _connection(session, options)
    text = quick.configuration(
        peer, interface, connection,
        private_key=_revealed(options.private_key),
        preshared_key=peer.get("preshared_key"),
    )  # fmt: skip
    with _config_file(options) as write:
        write(text)
    if output.is_json(options):
        output.document({"configuration": text})
        return
    _show_configuration(options, text)


def _check_pair(private: keys.PrivateKey | None, public: str) -> None:
    if private is not None and x25519.public_key(private) != public:
        raise errors.Invalid(
            f"--private-key-file: is not the private key of {errors.quoted(public)}",
            field="private_key",
        )


async def pages(
    session: "Session", interface: str | None, limit: int | None = None, *, secrets: bool = False
) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield all peers by public key, a page at a time."""
    after: str | None = None
    left = sys.maxsize if limit is None else limit
    while left > 0:
        body: dict[str, Any] = {"limit": min(PAGE_PEERS, left)}
        body |= {"after": after} if after else {}
        body |= {"interface": interface} if interface else {}
        body |= {"secrets": True} if secrets else {}
        page = await session.query("peer.list", body)
        peers = [objects.complete("peer", one) for one in page["peers"]]
        yield peers
        left -= len(peers)
        after = page.get("next")
        if not after:
            return


def check_list(options: argparse.Namespace) -> None:
    """Raise `UsageError` for a list of nothing."""
    if options.limit is not None and options.limit < 1:
        raise UsageError(f"--limit: '{options.limit}' is not at least 1")
    if options.without_gateway and options.unused_for is None:
        raise UsageError("--without-gateway: only with --unused-for")


async def run_list(session: "Session", options: argparse.Namespace) -> None:
    """List peers as they come, in constant memory."""
    columns: tuple[str, ...] = COLUMNS
    if options.unused_for is None:
        found = pages(session, options.interface, options.limit)
    else:
        await session_verbs.check_recorded(session, options.unused_for, options.without_gateway)
        columns = (*COLUMNS, "last_seen")
        everybody = pages(session, options.interface)
        found = _first(session_verbs.unused(session, everybody, options.unused_for), options.limit)
    if output.is_json(options):
        await output.array("peers", found)
        return
    table = output.Table(*columns)
    async for page in found:
        table.rows([[one[name] for name in columns] for one in page])


async def _first(
    pages: AsyncIterator[list[dict[str, Any]]], limit: int | None
) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield at most `limit` peers."""
    left = sys.maxsize if limit is None else limit
    async for page in pages:
        yield page[:left]
        left -= len(page)
        if left <= 0:
            return


async def run_show(session: "Session", options: argparse.Namespace) -> None:
    """Show one peer."""
    body = {"public_key": options.public_key, "secrets": options.secrets}
    found = await session.query("peer.show", body)
    peer = objects.complete("peer", found["peer"])
    try:
        seen = await session_verbs.last_seen(session, [peer["public_key"]], absent_s=0)
        peer["last_seen"] = seen.get(peer["public_key"])
    except errors.WigError as error:
        # A peer is shown also when nobody knows when it was seen.
        output.note(f"last seen: not known: {error.message}")
    if output.is_json(options):
        output.document({"peer": peer})
        return
    if peer.get("last_seen", "") is None:
        peer["last_seen"] = "never"
    _show(peer)


async def run_update(session: "Session", options: argparse.Namespace) -> None:
    """Change fields of a peer."""
    given = vars(options)
    command = UpdatePeer(
        request=options.request,
        public_key=options.public_key,
        ip=given.get("ip", UNSET),
        ip6=given.get("ip6", UNSET),
        preshared_key=given.get("preshared", UNSET),
        name=given.get("name", UNSET),
        description=given.get("description", UNSET),
        expire=given.get("expire", UNSET),
        enabled=given.get("enabled", UNSET),
        rate_limit=given.get("rate_limit", UNSET),
        outside_pool=options.outside_pool,
        revision=options.revision,
    )
    result = objects.changed("peer", await session.command("peer.update", command))
    if output.is_json(options):
        output.document(result)
        return
    output.note(f"{'unchanged' if result['unchanged'] else 'updated'}: peer {options.public_key}")
    _show(result["peer"])


async def run_delete(session: "Session", options: argparse.Namespace) -> None:
    """Delete a peer."""
    command = DeletePeer(
        request=options.request, public_key=options.public_key, revision=options.revision
    )
    output.deleted(options, await session.command("peer.delete", command))
