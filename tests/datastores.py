"""Datastores for tests: made in a temporary directory, asked in one line."""

import tempfile
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from tests import builders
from wig import log, sqlite
from wig.commands import AnyCommand
from wig.model import Object
from wig.snapshot import Header

_decode = msgspec.json.Decoder().decode


def make(path: Path, *commands: AnyCommand) -> sqlite.Datastore:
    """Return an open primary's datastore with an admin token, after some commands."""
    path.touch(0o600)
    path.write_bytes(_initial())
    datastore = sqlite.Datastore.open(path)
    for command in commands:
        ask(datastore, command)
    return datastore


@cache
def _initial() -> bytes:
    """Return the file of a new database; making it syncs the disk six times."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "wig.db")
        sqlite.init(
            path,
            now=builders.NOON,
            entropy=lambda size: builders.entropy("database", size),
            token=builders.token(),
        )
        return path.read_bytes()


def request(command: AnyCommand, id: str = "", actor: str = "admin") -> sqlite.Request:
    return sqlite.Request(actor, id, command)


def ask(datastore: sqlite.Datastore, command: AnyCommand, id: str = "") -> Any:
    """Return what a command that must succeed answers."""
    (outcome,) = datastore.commit([request(command, id)], builders.NOON)
    reply = _decode(outcome.reply)
    assert "ok" in reply, reply
    return reply["ok"]


def commit(
    datastore: sqlite.Datastore, *requests: sqlite.Request, now: datetime = builders.NOON
) -> list[Any]:
    """Return the decoded replies of one group."""
    return [_decode(outcome.reply) for outcome in datastore.commit(requests, now)]


def codes(replies: list[Any]) -> list[str]:
    """Return the error's code of each reply, or `ok`."""
    return [reply.get("error", {}).get("code", "ok") for reply in replies]


def contents(datastore: sqlite.Datastore) -> tuple[Header, list[Object]]:
    """Return everything, as a snapshot carries it."""
    with datastore.reader() as reader, reader.snapshot() as (header, objects):
        return header, list(objects)


def header(objects: Iterable[Object], **fields: Any) -> Header:
    """Return a true header of some objects, at position 7 of an epoch `e1`."""
    things = list(objects)
    total = 0
    for thing in things:
        total = log.state_digest_add(total, log.object_digest(thing))
    zero = log.ZERO_DIGEST.hex()
    return Header(
        **{
            "database": "d1",
            "position": log.Position(epoch="e1", seq=7, digest="ab" * 32),
            "lineage": (log.Fork(epoch="e1", parent="", seq=0, digest=zero),),
            "state_digest": log.state_digest_text(total),
            "objects": len(things),
        }
        | fields
    )
