"""`wig gateway drain` and `undrain`: take a gateway out of use, and watch its clients leave.

Loaded when one of them is called. The gateway is told through the node that it follows, which
need not be the primary.
"""

import argparse
import asyncio
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from wig import errors
from wig_cli import objects, output

if TYPE_CHECKING:
    from wig_cli.remote import Session

POLL_S = 1.0
UNHEARD_S_MIN = 5.0  # a gateway reports every two seconds, and may be restarted meanwhile


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


async def _nodes(session: "Session") -> list[dict[str, Any]]:
    """Return the node that answers, and all below it."""
    nodes = (await session.query("node.status", {}))["nodes"]
    return [objects.complete("node", node) for node in nodes]


def _gateways(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [node for node in nodes if node["role"] == "gateway"]


async def _find(session: "Session", gateway: str) -> dict[str, Any]:
    known = _gateways(await _nodes(session))
    for node in known:
        if node["name"] == gateway:
            return node
    names = ", ".join(node["name"] for node in known)
    raise errors.NotFound(
        f"gateway: {errors.quoted(gateway)} is not known",
        field="gateway",
        hint=f"gateways are {names}" if names else "no gateway has been heard of",
    )


class _Unheard:
    """For how long nothing has been heard of the gateway, whoever says so.

    By the clock of the node that answers; and by ours while that has not heard of it since its own
    start.
    """

    def __init__(self) -> None:
        self._missing_since: float | None = None

    def for_s(self, nodes: list[dict[str, Any]], node: dict[str, Any] | None) -> float:
        now = asyncio.get_running_loop().time()
        if node is None:
            self._missing_since = self._missing_since or now
            return now - self._missing_since
        self._missing_since = None
        answered, seen = (datetime.fromisoformat(one["seen"]) for one in (nodes[0], node))
        return (answered - seen).total_seconds()


async def _gone(session: "Session", options: argparse.Namespace) -> int:
    """Count down until nobody is connected; raise `Unknown` when the gateway is not heard of."""
    countdown = _Countdown(options)
    unheard, unheard_s_max = _Unheard(), max(options.timeout, UNHEARD_S_MIN)
    try:
        while True:
            nodes = await _nodes(session)
            node = next((one for one in _gateways(nodes) if one["name"] == options.gateway), None)
            if unheard.for_s(nodes, node) > unheard_s_max:
                raise _lost(options.gateway, unheard_s_max)
            if node is not None:
                _check_drained(node)
                countdown.show(node["connected"])
                if node["connected"] == 0:
                    return 0
            await asyncio.sleep(POLL_S)
    except asyncio.CancelledError:
        countdown.end()
        output.note(f"{options.gateway} stays drained: wig gateway undrain {options.gateway}")
        raise
    finally:
        countdown.end()


def _check_drained(node: dict[str, Any]) -> None:
    if not node["draining"]:
        raise errors.Conflict(
            f"gateway: {errors.quoted(node['name'])} is not drained any more", field="gateway"
        )


def _lost(gateway: str, after_s: float) -> errors.Unknown:
    return errors.Unknown(
        f"gateway: {errors.quoted(gateway)} has not been heard of for {after_s:.0f} s:"
        " who is connected is not known",
        field="gateway",
        hint="does `wig gateway` run on its host? It stays drained, and its clients stay connected,"
        " as long as that host is up",
    )


class _Countdown:
    """How many are connected: one line that changes on a terminal, a line each elsewhere."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._name = options.gateway
        self._silent = output.is_json(options)
        self._live = sys.stderr.isatty() and not self._silent
        self._last: Any = None
        self._open = False

    def show(self, connected: int | None) -> None:
        line = f"{self._name}: {'?' if connected is None else connected} connected"
        if self._silent or line == self._last:
            return
        self._last = line
        print(f"\r\x1b[K{line}", end="", file=sys.stderr) if self._live else output.note(line)
        sys.stderr.flush()
        self._open = self._live

    def end(self) -> None:
        """Leave the line, so that what follows begins a new one."""
        if self._open:
            output.note("")
        self._open = False


def _told(options: argparse.Namespace, *, draining: bool, connected: int | None) -> None:
    if output.is_json(options):
        output.document({"gateway": options.gateway, "draining": draining, "connected": connected})
        return
    count = "" if connected is None else f", {connected} connected"
    output.note(f"{options.gateway}: {'draining' if draining else 'in use'}{count}")
