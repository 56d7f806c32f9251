"""Commands and queries over the bus, for one run of the program.

Loaded by `invoke` for the commands that need it: it brings asyncio and nats-py.
"""

import argparse
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

# nats-py imports aiohttp for WebSockets, which we do not use: 100 ms of CPU in each command.
sys.modules.setdefault("aiohttp", None)  # type: ignore[arg-type]

from msgspec import to_builtins  # noqa: E402

from bridge import client, credentials  # noqa: E402
from bridge.connection import NoResponders  # noqa: E402
from bridge.options import Options  # noqa: E402
from bridge.wire import Reply  # noqa: E402
from wig import access, errors  # noqa: E402
from wig.commands import AnyCommand  # noqa: E402
from wig_cli import waiting  # noqa: E402

IDENTITY_DEFAULT = "admin"
"""Who one is without a token, where the server asks for none."""


class Session:
    """The primary, as the command modules see it: dictionaries, and wig's errors."""

    def __init__(self, inner: client.Client, timeout_s: float, node: str | None = None) -> None:
        """Use `call`; `node` is asked instead of the primary."""
        self._inner = inner
        self._timeout_s = timeout_s
        self._node = node
        self.position: dict[str, Any] | None = None
        """Where the primary was when it answered the last command."""

    @property
    def payload_limit(self) -> int:
        """How many bytes one command may have."""
        return self._inner.payload_limit

    async def command(
        self, verb: str, command: AnyCommand, *, timeout_s: float = 0.0
    ) -> dict[str, Any]:
        """Have the primary do something, for good; raises what it raised.

        `timeout_s` is for work that takes longer than people want to wait for an answer.
        """
        timeout_s = max(timeout_s, self._timeout_s)
        if self._node is not None:
            reply = await self._inner.query_node(self._node, verb, {}, timeout_s=timeout_s)
        else:
            reply = await self._inner.command(verb, command, timeout_s=timeout_s)
        self.position = to_builtins(reply.position)
        return reply.ok or {}

    async def query(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask the primary, or the node that was named."""
        return (await self._ask(verb, body)).ok or {}

    async def query_node(self, node: str, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask a node by its name."""
        reply = await self._inner.query_node(node, verb, body, timeout_s=self._timeout_s)
        return reply.ok or {}

    async def sessions(
        self, verb: str, body: dict[str, Any], *, absent_s: float = 1.0
    ) -> dict[str, Any]:
        """Ask the keeper of sessions; it may be away for `absent_s`."""
        try:
            reply = await self._inner.query(
                f"session.{verb}", body, timeout_s=self._timeout_s, absent_s=absent_s
            )
        except NoResponders as error:
            raise NoResponders(
                "sessions: nobody answers",
                hint="is `wig sessions` running, beside the primary? `wig up` starts it",
            ) from error
        return reply.ok or {}

    async def head(self) -> int:
        """Return the sequence of the last entry."""
        reply = await self._ask("log.list", {"limit": 1})
        return reply.position.seq if reply.position else 0

    async def _ask(self, verb: str, body: dict[str, Any]) -> Reply:
        if self._node is None:
            return await self._inner.query(verb, body, timeout_s=self._timeout_s)
        verb = verb.removeprefix("node.")  # of a node, it is just its status
        return await self._inner.query_node(self._node, verb, body, timeout_s=self._timeout_s)


def bus_options(options: argparse.Namespace, *, name: str = "wig") -> Options:
    """Return how to come to the bus; raises `Unusable` if the token cannot be read."""
    token = credentials.read(Path(options.token_file)) if options.token_file else None
    return Options(
        identity=options.identity or (token.id if token else _identity(options)),
        server=options.server,
        user=token.id if token else None,
        password=token.secret if token else "",
        ca=_path(options.tls_ca),
        certificate=_path(options.tls_cert),
        key=_path(options.tls_key),
        name=name,
    )


def _identity(options: argparse.Namespace) -> str:
    """Return who one is without a token: who the hub takes the certificate for."""
    if options.tls_cert:
        name = import_module("bridge.certificates").common_name(Path(options.tls_cert))
        with suppress(errors.Invalid):
            return access.parse_identity(access.CERTIFICATE_PREFIX + name, "tls_cert")
    return IDENTITY_DEFAULT


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


async def call(options: argparse.Namespace) -> Any:
    """Connect, run the command, disconnect."""
    async with client.connect(bus_options(options)) as inner:
        session = Session(inner, options.timeout, options.node)
        code = await options.run(session, options)
        if not code and getattr(options, "wait", None) is not None:
            return await waiting.wait(session, options)
        return code
