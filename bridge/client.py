"""The client's side of commands and queries. Called by every program that asks the primary.

A command is repeated with the same request id until its outcome is known or time is up, so a
lost answer never makes two peers of one. Errors of the primary arrive as what they were there.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from msgspec.structs import replace

from bridge import connection, subjects, wire
from bridge.connection import Connection, NoAnswer, NoResponders
from bridge.options import Options
from bridge.wire import Reply
from wig import access, codec, errors
from wig.commands import AnyCommand

TIMEOUT_S = 15.0  # for a command with all its repetitions
ATTEMPT_S = 1.0  # for the first of them, doubled each time: a busy primary is not asked more
ATTEMPT_S_MAX = 5.0
ABSENT_S = 4.0  # how long there may be no primary: a restart takes 3 s
RETRY_S = 0.1


class Client:
    """Asks the primary, and nodes, as one identity. Make one with `connect`."""

    def __init__(self, bus: Connection) -> None:
        """Use `connect`."""
        self._bus = bus
        self._identity = bus.options.identity

    @property
    def bus(self) -> Connection:
        """The connection below, for what is neither command nor query."""
        return self._bus

    @property
    def payload_limit(self) -> int:
        """How many bytes a command may have on this server."""
        return wire.payload_limit(self._bus.server_payload_limit)

    async def command(
        self, verb: str, command: AnyCommand, *, timeout_s: float = TIMEOUT_S
    ) -> Reply:
        """Have the primary do something; return when it is done, for good.

        `verb` is like `peer.create`. Raises what the primary raised; `Unavailable` when nothing
        was done; `Unknown` when it could not be found out, with the request id in the hint.
        """
        request = command.request or request_id()
        payload = codec.encode(replace(command, request=request))
        try:
            return await self._ask(subjects.api(self._identity, verb), payload, timeout_s)
        except errors.Unknown as error:
            raise errors.Unknown(
                f"{verb}: {error.message}", hint=f"repeat it with the request id {request}"
            ) from error

    async def query(
        self, verb: str, body: dict[str, Any] | None = None, *, timeout_s: float = TIMEOUT_S,
        absent_s: float = ABSENT_S,
    ) -> Reply:  # fmt: skip
        """Ask the primary something; `verb` is like `peer.list`.

        `absent_s` is how long there may be nobody who answers.
        """
        return await self._query(subjects.api(self._identity, verb), body, timeout_s, absent_s)

    async def query_node(
        self,
        node: str,
        verb: str,
        body: dict[str, Any] | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> Reply:
        """Ask one node something."""
        access.parse_identity(node, "node")
        try:
            return await self._query(subjects.node(node, self._identity, verb), body, timeout_s)
        except NoResponders as error:
            raise NoResponders(
                f"node: {errors.quoted(node)} does not answer",
                field="node",
                hint="`wig status` shows who is there; gateways have nothing to ask for",
            ) from error

    async def _query(
        self, subject: str, body: dict[str, Any] | None, timeout_s: float,
        absent_s: float = ABSENT_S,
    ) -> Reply:  # fmt: skip
        try:
            return await self._ask(subject, codec.encode(body or {}), timeout_s, absent_s)
        except errors.Unknown as error:
            raise errors.Unavailable(f"{subject}: {error.message}") from error

    async def _ask(
        self, subject: str, payload: bytes, timeout_s: float, absent_s: float = ABSENT_S
    ) -> Reply:
        """Ask until there is an answer that says more than "try again"."""
        now = asyncio.get_running_loop().time
        deadline = now() + timeout_s
        absent_until = min(deadline, now() + absent_s)
        unknown: errors.Unknown | None = None
        attempt_s = ATTEMPT_S
        while True:
            try:
                self._check_size(payload)
                within_s = max(0.001, min(attempt_s, deadline - now()))
                answer = await self._bus.request(subject, payload, timeout_s=within_s)
                return wire.unpack(answer.data)
            except errors.Unknown as error:
                # What the primary says of it is worth more than that it says nothing.
                unknown = error if unknown is None or not isinstance(error, NoAnswer) else unknown
                last: errors.WigError = unknown
                attempt_s = min(attempt_s * 2, ATTEMPT_S_MAX)
            except errors.Unavailable as error:
                last = unknown or _explained(error)
                if now() > absent_until and unknown is None:
                    raise last from error
            if now() + RETRY_S > deadline:
                raise last
            await asyncio.sleep(RETRY_S)

    def _check_size(self, payload: bytes) -> None:
        if self._bus.up and len(payload) > self.payload_limit:
            raise errors.TooLarge(
                f"request: {len(payload)} bytes are more than {self.payload_limit}",
                hint="send it in parts",
            )


def _explained(error: errors.Unavailable) -> errors.Unavailable:
    if isinstance(error, NoResponders):
        return NoResponders(
            "primary: nobody answers", hint="is the primary running? see `wig status`"
        )
    return error


def request_id() -> str:
    """Return a new id that sorts by time: the primary's table of them stays local."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(5)}"


@asynccontextmanager
async def connect(options: Options, *, wait_s: float = 0.0) -> AsyncIterator[Client]:
    """Connect for as long as the context lasts; the connection comes back when it breaks."""
    async with connection.opened(options, wait_s=wait_s) as bus:
        keeper = asyncio.create_task(bus.run(), name="bus")
        try:
            yield Client(bus)
        finally:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
