"""`wig gateway drain` and `undrain`: take a gateway out of use, and watch its clients leave.

Loaded when one of them is called. The gateway is told through the node that it follows, which
need not be the primary.
"""

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING, Any

from wig import errors
from wig_cli import objects, output

if TYPE_CHECKING:
    from wig_cli.remote import Session

POLL_S = 1.0


async def drain(session: "Session", options: argparse.Namespace) -> int:
    """Drain; with `--wait` return when nobody is connected any more."""
    connected = await _change(session, options.gateway, draining=True)
    if options.until_gone and connected != 0:
        connected = await _gone(session, options)
    _told(options, draining=True, connected=connected)
    return 0


async def undrain(session: "Session", options: argparse.Namespace) -> int:
    """Use it again."""
    connected = await _change(session, options.gateway, draining=False)
    _told(options, draining=False, connected=connected)
    return 0


async def _change(session: "Session", gateway: str, *, draining: bool) -> int | None:
    """Tell the gateway, and return how many peers it said were connected."""
    node = await _find(session, gateway)
    request = {"gateway": gateway, "draining": draining}
    answer = await session.query_node(node["upstream"], "drain", request)
    return answer.get("connected")


async def _find(session: "Session", gateway: str) -> dict[str, Any]:
    nodes = (await session.query("node.status", {}))["nodes"]
    for node in nodes:
        if node["role"] == "gateway" and node["name"] == gateway:
            return objects.complete("node", node)
    names = [node["name"] for node in nodes if node["role"] == "gateway"]
    raise errors.NotFound(
        f"gateway: {errors.quoted(gateway)} is not known",
        field="gateway",
        hint=f"gateways are {', '.join(names)}" if names else "no gateway has been heard of",
    )


async def _gone(session: "Session", options: argparse.Namespace) -> int | None:
    """Count down until nobody is connected."""
    live = sys.stderr.isatty() and not output.is_json(options)
    last: Any = object()
    while True:
        node = await _find(session, options.gateway)
        connected: int | None = node["connected"]
        if not node["draining"]:
            raise errors.Conflict(
                f"gateway: {errors.quoted(options.gateway)} is not drained any more",
                field="gateway",
            )
        if connected != last and not output.is_json(options):
            last = connected
            line = f"{options.gateway}: {'?' if connected is None else connected} connected"
            print(f"\r\x1b[K{line}" if live else line, end="" if live else "\n", file=sys.stderr)
            sys.stderr.flush()
        if connected == 0:
            if live:
                print(file=sys.stderr)
            return connected
        await asyncio.sleep(POLL_S)


def _told(options: argparse.Namespace, *, draining: bool, connected: int | None) -> None:
    if output.is_json(options):
        output.document({"gateway": options.gateway, "draining": draining, "connected": connected})
        return
    count = "" if connected is None else f", {connected} connected"
    output.note(f"{options.gateway}: {'draining' if draining else 'in use'}{count}")
