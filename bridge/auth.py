"""Logins of one server, answered by the datastore that sits on it. Called by `node`.

Puts together what belongs together: the tokens, the callout and the sweep, on connections of
their own, in accounts of their own.
"""

from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial

from bridge import connection, metrics_datastore
from bridge.callout import Callout
from bridge.credentials import Credentials
from bridge.datastore import DatastoreNode
from bridge.options import Options
from bridge.server_keys import ServerKeys
from bridge.supervisor import Service
from bridge.sweep import Sweep
from bridge.telemetry import Telemetry
from bridge.token_table import TokenTable
from wig.log import Position
from wig.logins import Certificates

SILENT_S = 3.0  # a root that was not heard for so long does not answer logins


@dataclass(frozen=True, kw_only=True)
class AuthOptions:
    """How a datastore answers the logins of its server."""

    keys: ServerKeys
    certificates: Certificates = field(default_factory=dict)
    """The role of each Common Name."""


async def services(
    stack: AsyncExitStack,
    options: AuthOptions,
    bus: Options,
    node: DatastoreNode,
    telemetry: Telemetry,
    *,
    wait_s: float,
) -> dict[str, Service]:
    """Return the services; `bus` is how the datastore itself comes to the same server."""
    table = stack.enter_context(closing(TokenTable(node.reader, _decides(node))))
    asked = await stack.enter_async_context(
        connection.opened(_as(bus, options.keys.callout), wait_s=wait_s)
    )
    system = await stack.enter_async_context(
        connection.opened(_as(bus, options.keys.system), wait_s=wait_s)
    )
    callout = Callout(asked, table, options.keys.issuer, options.certificates, _defers(node))
    await callout.open()
    telemetry.add(partial(metrics_datastore.logins, callout))
    node.reports.judge_by(lambda: table.tokens)
    sweep = Sweep(system, table, callout, options.certificates)
    node.publisher.on_accepted(lambda _: sweep.changed())
    return {
        "logins bus": asked.run,
        "logins": callout.run,
        "sweep bus": system.run,
        "sweep": sweep.run,
    }


def _as(bus: Options, user: Credentials) -> Options:
    return replace(
        bus, identity=user.id, user=user.id, password=user.secret, name=f"{bus.name}: {user.id}"
    )


def _defers(node: DatastoreNode) -> Callable[[], bool]:
    """Return whether the primary should answer before this node."""

    def defers() -> bool:
        if node.me.role == "primary":
            return False
        root = node.root()
        return root is None or root.age_s < SILENT_S

    return defers


def _decides(node: DatastoreNode) -> Callable[[Position], bool]:
    """Return whether this node, at a position, says no to whom it does not know.

    The primary does. A follower may lack the newest tokens, so it says no only in the primary's
    place: when the root is silent, and it has all that the root was heard to have.
    """

    def decides(position: Position) -> bool:
        if node.me.role == "primary":
            return True
        root = node.root()
        if root is None or root.age_s < SILENT_S:
            return False
        return position.epoch == root.epoch and position.seq >= root.seq

    return decides
