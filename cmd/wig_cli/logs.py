"""`wig log …`: what changed, when, and who asked for it."""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from wig import codec, errors, log
from wig_cli import arguments, inputs, output

if TYPE_CHECKING:
    from wig_cli.remote import Session

PAGE_ENTRIES = 1000
POLL_S = 0.5  # the log is read by people; programs follow the stream
COLUMNS = ("seq", "time", "actor", "change", "object")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of `wig log`."""
    group = arguments.verbs(parser)
    tail = arguments.verb(
        group, "tail", run_tail, help="print the last entries, and new ones as they come",
        examples=("wig log tail", "wig log tail -n 0 --output json"),
    )  # fmt: skip
    tail.add_argument(
        "-n", type=inputs.whole, default=10, metavar="N", help="how many of the last, default 10"
    )
    tail.add_argument("--no-follow", action="store_true", help="stop at the end")
    show = arguments.verb(
        group, "show", run_show, help="print entries, or one with all of its fields",
        examples=("wig log show 1200", "wig log show --after 1000 --limit 50"),
    )  # fmt: skip
    show.add_argument(
        "seq", nargs="?", type=inputs.whole, metavar="SEQ", help="this one only, with everything"
    )
    show.add_argument(
        "--after", type=inputs.whole, default=0, metavar="SEQ", help="those after this one"
    )
    show.add_argument("--limit", type=inputs.whole, metavar="N", help="at most N entries")
    arguments.verb(
        group, "verify", run_verify, help="check that every entry follows from the one before",
        text="Reads the whole log from the primary; `wig verify` checks a database's file.",
        examples=("wig log verify",),
    )  # fmt: skip


async def entries(
    session: "Session", after: int, limit: int | None = None, *, secrets: bool = False
) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield the entries after a sequence, a page at a time, up to the head."""
    left = limit
    while left is None or left > 0:
        body: dict[str, Any] = {"after": after, "limit": min(left or PAGE_ENTRIES, PAGE_ENTRIES)}
        page = await session.query("log.list", body | ({"secrets": True} if secrets else {}))
        found: list[dict[str, Any]] = page["entries"]
        if not found:
            return
        yield found
        after = found[-1]["seq"]
        left = None if left is None else left - len(found)


async def run_tail(session: "Session", options: argparse.Namespace) -> None:
    """Print the last entries, and new ones as they come."""
    printer = _Lines() if output.is_json(options) else _Table()
    after = max(0, await session.head() - options.n)
    silent = False
    while True:
        try:
            async for page in entries(session, after):
                printer.rows(page)
                after = page[-1]["seq"]
            silent = False
        except errors.Temporary as error:
            if options.no_follow:
                raise
            if not silent:  # a restart of the primary is no reason to stop watching it
                output.note(f"waiting: {error.message}")
            silent = True
        if options.no_follow:
            return
        await asyncio.sleep(POLL_S)


async def run_show(session: "Session", options: argparse.Namespace) -> None:
    """Print entries, or one with all of its fields."""
    if options.seq is None:
        found = entries(session, options.after, options.limit)
        if output.is_json(options):
            await output.array("entries", found)
            return
        printer = _Table()
        async for page in found:
            printer.rows(page)
        return
    one = [page[0] async for page in entries(session, options.seq - 1, 1)]
    if not one or one[0]["seq"] != options.seq:
        raise errors.NotFound(
            f"seq: '{options.seq}' is not in the log", field="seq",
            hint="old entries are removed; `wig log show` begins with the oldest one kept",
        )  # fmt: skip
    output.document({"entry": one[0]})


class _Lines:
    """One JSON object a line: a stream has no end to wait for."""

    def rows(self, page: list[dict[str, Any]]) -> None:
        for entry in page:
            print(json.dumps(entry, ensure_ascii=False), flush=True)


class _Table:
    def __init__(self) -> None:
        self._table = output.Table(*COLUMNS)

    def rows(self, page: list[dict[str, Any]]) -> None:
        self._table.rows([_row(entry) for entry in page])


def _row(entry: dict[str, Any]) -> list[Any]:
    op = entry["op"]
    return [entry["seq"], entry["time"], entry["actor"], op["do"], _what(op)]


def _what(op: dict[str, Any]) -> str:
    """Return the identity of the object that an op is about, and its name."""
    thing: dict[str, Any] = op.get("interface") or op.get("peer") or op.get("token") or op
    identity = thing.get("public_key") if "peer" in op else thing.get("name") or thing.get("id")
    identity = identity or op.get("public_key") or ""
    name = thing.get("name") if "peer" in op else None
    return f"{identity} ({name})" if name else str(identity)


async def run_verify(session: "Session", options: argparse.Namespace) -> None:
    """Check every entry against the digest of the one before; raises `Damaged`.

    The payload of an entry is its JSON without the digest: the encoding is deterministic. It
    needs the secrets, which stay here.
    """
    seq, digest, count = 0, log.ZERO_DIGEST, 0
    async for page in entries(session, 0, secrets=True):
        records = [_record(entry) for entry in page]
        if not count and records[0].seq > 1:  # older entries were removed: trust the first
            seq, digest = records[0].seq, records[0].digest
            records, count = records[1:], 1
        log.follow(digest, seq, records)
        if records:
            seq, digest, count = records[-1].seq, records[-1].digest, count + len(records)
    found = {"entries": count, "seq": seq, "digest": digest.hex()}
    if output.is_json(options):
        output.document(found)
    else:
        output.note(f"sound: {count:,} entries up to {seq}")


def _record(entry: dict[str, Any]) -> log.Record:
    digest = bytes.fromhex(entry["digest"])
    payload = codec.encode({name: value for name, value in entry.items() if name != "digest"})
    return log.Record(entry["seq"], payload, digest)
