"""`wig status`: every node, where it is, and whether it keeps up."""

import argparse
from typing import TYPE_CHECKING, Any

from wig_cli import arguments, output

if TYPE_CHECKING:
    from wig_cli.remote import Session

COLUMNS = ("node", "role", "version", "position", "lag", "since", "problems")


def status(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wig status`."""
    arguments.describe(
        parser, run_status, remote=True, help="show every node, its position and its lag",
        text="The exit code is 1 when a node is behind or has a problem.",
        examples=("wig status", "wig status --output json"),
    )  # fmt: skip


async def run_status(session: "Session", options: argparse.Namespace) -> int:
    """Show every node; 1 when one is behind or has a problem."""
    found = await session.query("node.status", {})
    nodes = found["nodes"]
    if output.is_json(options):
        output.document(found)
    else:
        output.Table(*COLUMNS).rows([_row(node) for node in nodes])
    late = [node for node in nodes if node.get("lag_entries") or node.get("problems")]
    if late and not output.is_json(options):
        output.note(f"behind or with problems: {', '.join(node['name'] for node in late)}")
    return 1 if late else 0


def _row(node: dict[str, Any]) -> list[Any]:
    position = node.get("position") or {}
    place = f"{position['epoch'][-8:]}:{position['seq']}" if position else None
    lag = node.get("lag_entries")
    return [
        node["name"], node.get("role"), node.get("version"), place,
        "-" if lag is None else str(lag), node.get("since"), list(node.get("problems", ())),
    ]  # fmt: skip
