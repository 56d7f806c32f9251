"""`wig status`: every node, where it is, and whether it keeps up."""

import argparse
from typing import TYPE_CHECKING, Any

from wig_cli import arguments, objects, output

if TYPE_CHECKING:
    from wig_cli.remote import Session

COLUMNS = (
    "node", "role", "follows", "version", "position", "lag", "behind", "since", "connected",
    "problems",
)  # fmt: skip


def status(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wig status`."""
    arguments.describe(
        parser, run_status, remote=True, help="show every node, its position and its lag",
        text="The exit code is 1 when a node is behind or has a problem."
        "\nlag: entries that it lacks; behind: for how long it has not been at the primary's"
        "\nhead; since: its start; connected: peers with a live session. A gateway that is"
        "\ndraining gets no new ones.",
        examples=("wig status", "wig status --output json"),
    )  # fmt: skip


async def run_status(session: "Session", options: argparse.Namespace) -> int:
    """Show every node; 1 when one is behind or has a problem."""
    found = await session.query("node.status", {})
    nodes = [objects.complete("node", one) for one in found["nodes"]]
    if output.is_json(options):
        output.document({"nodes": nodes})
    else:
        output.Table(*COLUMNS).rows([_row(node) for node in nodes])
    late = [node for node in nodes if node["lag_entries"] or node["problems"]]
    if late and not output.is_json(options):
        output.note(f"behind or with problems: {', '.join(node['name'] for node in late)}")
    return 1 if late else 0


def _row(node: dict[str, Any]) -> list[Any]:
    position = node["position"]
    place = f"{position['epoch'][-8:]}:{position['seq']}" if position else None
    return [
        node["name"], _role(node), node["upstream"], node["version"], place,
        str(node["lag_entries"]), _behind(node), node["since"], _connected(node), node["problems"],
    ]  # fmt: skip


def _role(node: dict[str, Any]) -> str:
    return f"{node['role']}, draining" if node["draining"] else str(node["role"])


def _connected(node: dict[str, Any]) -> str:
    return "" if node["connected"] is None else str(node["connected"])


def _behind(node: dict[str, Any]) -> str:
    """Return for how long a node has lagged, and since when."""
    if not node["lag_entries"]:
        return ""
    return f"{node['lag_s']:.0f} s, since {node['behind_since']}"
