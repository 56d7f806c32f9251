"""`wig peer export`: all peers as a file that `wig peer import` accepts. Loaded with `peers`."""

import argparse
import csv
import io
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Any

from wig import codec
from wig.addresses import Cidr, cidr_of, parse_range
from wig_cli import output, peer_verbs, private_files, progress, rows

if TYPE_CHECKING:
    from wig_cli.remote import Session


async def run_export(session: "Session", options: argparse.Namespace) -> None:
    """Write all peers, page by page, in constant memory."""
    pools = await _pools(session)
    with private_files.opened(options.out, "--out") as file, progress.shown("peers", None) as bar:
        write = _Csv(file) if options.format == "csv" else _JsonLines(file)
        count = 0
        async for page in peer_verbs.pages(session, options.interface, secrets=options.secrets):
            specs = [_spec(peer, pools) for peer in page]
            write.rows(specs)
            count += len(specs)
            bar.update(count, count)
    if options.out and not output.is_json(options):
        output.note(f"exported: {count:,} peers to {options.out}")


async def _pools(session: "Session") -> dict[str, tuple[str, ...]]:
    found = await session.query("interface.list", {})
    return {one["name"]: tuple(one.get("addresses", ())) for one in found["interfaces"]}


def _spec(peer: dict[str, Any], pools: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return the fields that `import` reads; those with their default are left out."""
    spec = {"interface": peer["interface"], "public_key": peer["public_key"]}
    spec |= {"ip": peer["ip"], "ip6": peer["ip6"]}
    for name in ("preshared_key", "name", "description", "expire", "rate_limit"):
        if peer.get(name):
            spec[name] = peer[name]
    if not peer["enabled"]:
        spec["enabled"] = False
    if _outside(peer, pools.get(peer["interface"], ())):
        spec["outside_pool"] = True
    return spec


def _outside(peer: dict[str, Any], addresses: tuple[str, ...]) -> bool:
    return any(
        text is not None and not _inside(cidr_of(addresses, version), text)
        for version, text in ((4, peer["ip"]), (6, peer["ip6"]))
    )


def _inside(cidr: Cidr | None, text: str) -> bool:
    if cidr is None:
        return False
    (first, last), wanted = cidr.pool, parse_range(text, "ip")
    return first <= wanted.first and wanted.last <= last


class _JsonLines:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def rows(self, specs: Iterable[dict[str, Any]]) -> None:
        self._file.write(codec.encode_lines(specs))


class _Csv:
    """All columns, also those that no peer has: programs find them where they look for them."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._put([rows.FIELDS])

    def rows(self, specs: Iterable[dict[str, Any]]) -> None:
        self._put([_cell(name, spec) for name in rows.FIELDS] for spec in specs)

    def _put(self, lines: Iterable[Iterable[str]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        self._file.write(text.getvalue().encode())


def _cell(name: str, spec: dict[str, Any]) -> str:
    value = spec.get(name, "")
    if value is None:
        return rows.NONE
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
