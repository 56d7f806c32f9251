"""`--wait`: a change is done when the gateways have it.

Called by `remote` after a command that was told to wait.
"""

import argparse
import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from wig_cli import inputs, output

if TYPE_CHECKING:
    from wig_cli.remote import Session

POLL_S = 0.1
KNOWN_S = 3.0  # after its start, the primary has heard of every node that lives: reports take 2 s

Node = dict[str, Any]


async def wait(session: "Session", options: argparse.Namespace) -> int:
    """Wait until enough gateways are at the position of the last command; return 1 if not."""
    position, count = session.position, options.wait
    if position is None:
        return 0
    deadline = asyncio.get_running_loop().time() + options.timeout
    while True:
        nodes = (await session.query("node.status", {}))["nodes"]
        gateways = [node for node in nodes if node["role"] == "gateway"]
        late = [node["name"] for node in gateways if not applied(node, position)]
        enough = (
            not late and _all_known(nodes) if count == inputs.ALL else _have(gateways, late, count)
        )
        if enough:
            return 0
        if asyncio.get_running_loop().time() > deadline:
            return _gave_up(options, len(gateways), late)
        await asyncio.sleep(POLL_S)


def applied(node: Node, position: Node) -> bool:
    """Say whether a node has what was decided at `position`.

    In another epoch than that, only a node that lacks nothing surely has it.
    """
    where = node.get("position") or {}
    same = where.get("epoch") == position["epoch"] or not node["lag_entries"]
    return bool(same and where.get("seq", 0) >= position["seq"])


def _have(gateways: list[Node], late: list[str], count: int) -> bool:
    return len(gateways) - len(late) >= count


def _all_known(nodes: list[Node]) -> bool:
    """Say whether the primary runs for long enough to have heard of everybody."""
    primaries = [node for node in nodes if node["role"] == "primary"]
    since = [datetime.fromisoformat(node["since"]) for node in primaries]
    return all(datetime.now(UTC) - one > timedelta(seconds=KNOWN_S) for one in since)


def _gave_up(options: argparse.Namespace, count: int, late: list[str]) -> int:
    names = f": not {', '.join(late)}" if late else ""
    output.failure(
        options,
        code="not_applied",
        message=f"wait: after {options.timeout:g} s {count - len(late)} of {count} gateways have"
        f" applied it{names}",
        field="wait",
        hint="it is done, and they will have it when they are back: see `wig status`",
    )
    return 1
