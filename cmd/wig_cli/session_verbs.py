"""What the verbs of `wig session` do, and what others ask about sessions."""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from wig import errors
from wig_cli import output
from wig_cli.arguments import UsageError

if TYPE_CHECKING:
    from wig_cli.remote import Session

PAGE_SESSIONS = 500
PAGE_EDGES = 200
LIMIT = 100  # of a table, that somebody reads
POLL_S = 0.5  # the log of people; programs follow the stream
COLUMNS = (
    "peer", "interface", "begin", "end", "gateways", "received", "sent", "country", "network",
)  # fmt: skip
EDGE_COLUMNS = ("number", "event", "time", "peer", "interface", "gateways", "country", "network")


def check_list(options: argparse.Namespace) -> None:
    """Raise `UsageError` for a list of nothing."""
    if options.limit is not None and options.limit < 1:
        raise UsageError(f"--limit: '{options.limit}' is not at least 1")


async def run_list(session: "Session", options: argparse.Namespace) -> None:
    """List sessions, the newest first."""
    limit = options.limit
    if limit is None:
        limit = sys.maxsize if output.is_json(options) else LIMIT
    wanted = {
        name: getattr(options, name)
        for name in ("peer", "interface", "country", "active", "since", "until")
        if getattr(options, name)
    }
    found = _pages(session, wanted, limit)
    if output.is_json(options):
        await output.array("sessions", found)
        return
    table = output.Table(*COLUMNS)
    shown = 0
    async for page in found:
        table.rows([_row(one) for one in page])
        shown += len(page)
    if options.limit is None and shown == LIMIT:
        output.note(f"the newest {LIMIT}: --limit shows more")


async def _pages(
    session: "Session", wanted: dict[str, Any], limit: int
) -> AsyncIterator[list[dict[str, Any]]]:
    before: str | None = ""
    while before is not None and limit > 0:
        body = wanted | {"before": before, "limit": min(PAGE_SESSIONS, limit)}
        page = await session.sessions("list", body)
        sessions: list[dict[str, Any]] = page["sessions"]
        yield sessions
        limit -= len(sessions)
        before = page["before"]


def _row(one: dict[str, Any]) -> list[Any]:
    return [
        one["peer"], one["interface"], one["begin"], one["end"] or "open",
        ", ".join(one["gateways"]), _bytes(one["received_bytes"]), _bytes(one["sent_bytes"]),
        one["country"], _network(one),
    ]  # fmt: skip


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _network(one: dict[str, Any]) -> str:
    return f"AS{one['asn']} {one['organisation']}".strip() if one["asn"] else ""


async def run_tail(session: "Session", options: argparse.Namespace) -> None:
    """Print the last edges, and new ones as they come."""
    table = None if output.is_json(options) else output.Table(*EDGE_COLUMNS)
    body: dict[str, Any] = {"last": max(0, options.n), "limit": PAGE_EDGES}
    silent = False
    while True:
        edges: list[dict[str, Any]] = []
        try:
            page = await session.sessions("edges", body, absent_s=5.0)
            edges, silent = page["edges"], False
            _print(edges, table)
            body = {"after": page["after"], "limit": PAGE_EDGES}
        except errors.Temporary as error:
            if options.no_follow:
                raise
            if not silent:  # a restart of it is no reason to stop watching
                output.note(f"waiting: {error.message}")
            silent = True
        if options.no_follow and not edges:
            return
        if len(edges) < PAGE_EDGES:
            await asyncio.sleep(0 if options.no_follow else POLL_S)


def _print(edges: Iterable[dict[str, Any]], table: output.Table | None) -> None:
    if table is None:
        for edge in edges:
            print(json.dumps(edge, ensure_ascii=False), flush=True)
        return
    table.rows([_edge_row(edge) for edge in edges])
    sys.stdout.flush()


def _edge_row(edge: dict[str, Any]) -> list[Any]:
    time = edge["begin"] if edge["event"] == "begin" else edge["end"]
    gateways = ", ".join(edge["gateways"])
    return [
        edge["number"], edge["event"], time, edge["peer"], edge["interface"], gateways,
        edge["country"], _network(edge),
    ]  # fmt: skip


# What others ask.


async def last_seen(
    session: "Session", keys: Iterable[str], *, absent_s: float = 1.0
) -> dict[str, str]:
    """Return when peers gave their last sign of life, those that ever did; RFC 3339."""
    found = await session.sessions("seen", {"peers": list(keys)}, absent_s=absent_s)
    seen: dict[str, str] = found["seen"]
    return seen


async def check_recorded(session: "Session", age: timedelta, without: Collection[str] = ()) -> None:
    """Raise `Unavailable` unless everybody who came in that time is known to have come.

    But for who came to the gateways `without`, which are gone.
    """
    told = await session.sessions("seen", {"peers": []})
    since = told.get("recorded_since")
    _check_all_report({name: at for name, at in told["silent"].items() if name not in without})
    now = datetime.now(UTC)
    known = now - datetime.fromisoformat(since) if since else timedelta(0)
    if since and age <= known:
        return
    found = f"since {since} only" if since else "not yet: no gateway has reported"
    raise errors.Unavailable(
        f"unused_for: sessions are recorded without a gap {found}, so who is unused for so long is"
        " not known",
        field="unused_for",
        hint=f"--unused-for {int(known.total_seconds()) // 60}m is the most that can be asked now",
    )


def _check_all_report(silent: dict[str, str]) -> None:
    """Raise `Unavailable` for gateways that may have clients of which nobody else knows."""
    if not silent:
        return
    found = ", ".join(f"{name} has not reported since {at}" for name, at in silent.items())
    options = " ".join(f"--without-gateway {name}" for name in silent)
    raise errors.Unavailable(
        f"unused_for: {found}, so who has been there since is not known",
        field="unused_for",
        hint=f"have it report again; if it is gone for good: {options}",
    )


async def unused(
    session: "Session", pages: AsyncIterator[list[dict[str, Any]]], age: timedelta
) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield the peers that have given no sign of life for so long, with `last_seen`.

    Those that never did count from when they were created.
    """
    before = datetime.now(UTC) - age
    async for page in pages:
        seen = await last_seen(session, [peer["public_key"] for peer in page])
        found = [peer | {"last_seen": seen.get(peer["public_key"])} for peer in page]
        yield [
            peer
            for peer in found
            if datetime.fromisoformat(peer["last_seen"] or peer["created"]) <= before
        ]
