"""A follower's database becomes the primary's. Called by `wig datastore promote`."""

import asyncio
import secrets
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge import client, subjects, wire
from bridge.connection import Message
from bridge.options import Options
from wig import errors, log, primacy
from wig.log import Fork, Position
from wig.primacy import Place
from wig.sqlite.datastore import Datastore

LISTEN_S = 2.5  # two beacons and a half: whoever lives has spoken
ASK_S = 2.0


async def promote(db: Path, bus: Options, *, force: bool = False) -> Fork:
    """Make a primary of a follower that does not run; return where its epoch begins.

    Raises `Conflict` while a primary lives, or when a node that can be reached has more, unless
    `force` means to lose that; `Unavailable` if nobody can be asked.
    """
    places = await _places(bus)
    with closing(Datastore.open(db)) as datastore:
        lineage, position = datastore.lineage, datastore.position()
        if error := primacy.refusal(position, lineage, places, force=force):
            raise error
        now, entropy = datetime.now(UTC), secrets.token_bytes(4)
        datastore.promote(log.next_epoch(lineage, now, entropy, promoted=True))
        return datastore.lineage[-1]


async def _places(bus: Options) -> list[Place]:
    """Return every node that can be heard, and all that those know of.

    A node that is too busy to answer is where its beacon says.
    """
    async with client.connect(bus) as asker:
        heard = await _listen(asker)
        found = await asyncio.gather(*(_below(asker, name) for name in sorted(heard)))
    return [*heard.values(), *(place for places in found for place in places)]


async def _listen(asker: client.Client) -> dict[str, Place]:
    """Return the nodes that send beacons, by name."""
    places: dict[str, Place] = {}

    async def heard(message: Message) -> None:
        try:
            beacon = wire.decode_beacon(message.data)
        except errors.Invalid:
            return
        places[beacon.node] = Place(beacon.node, beacon.role, beacon.position)

    subscription = await asker.bus.subscribe(subjects.beacon("*"), heard)
    await asyncio.sleep(LISTEN_S)
    await subscription.stop()
    return places


async def _below(asker: client.Client, name: str) -> list[Place]:
    try:
        reply = await asker.query_node(name, "status", timeout_s=ASK_S)
    except errors.Temporary:
        return []
    return [_place(node) for node in (reply.ok or {}).get("nodes", ())]


def _place(node: dict[str, Any]) -> Place:
    position = node.get("position")
    return Place(node["name"], node["role"], Position(**position) if position else None)
