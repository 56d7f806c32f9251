"""Disconnects whoever has lost the right to be there, through the server's system account.

Run by datastores beside `callout`. A deleted token's connections are closed as soon as the
deletion is in the database, leaf nodes too (a reload of the server would not do that). And every
few seconds all connections are compared with the tokens, whatever happened meanwhile.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime
from typing import Never

import msgspec

from bridge import natsconfig
from bridge.callout import Callout
from bridge.connection import Connection, Disconnected, Message
from bridge.roll import Roll
from bridge.token_table import TokenTable
from wig import codec, errors, logins
from wig.logins import Certificates, Granted

logger = logging.getLogger(__name__)

EVERY_S = 5.0
AGAIN_S = 0.5
LOOK_S = 0.3  # between two looks at the database, if nobody says that it has changed
GAP_S = 0.1  # between two looks at the tokens: at most ten per second, however fast is written
PAGE = 1024  # connections in one answer of the server
ALL = "$SYS.REQ.SERVER.PING.CONNZ"
ONE = "$SYS.REQ.SERVER.{}.CONNZ"
KICK = "$SYS.REQ.SERVER.{}.KICK"
FRESH_S = 10.0  # who was let in so recently may not be in the server's list yet


class _Connected(msgspec.Struct):
    """One connection, as nats-server lists it."""

    cid: int
    start: datetime
    authorized_user: str = ""
    issuer_key: str = ""
    """Empty: one of the server's own users."""


class _List(msgspec.Struct):
    server_id: str
    offset: int
    total: int
    connections: list[_Connected] = []


class _Answer(msgspec.Struct):
    data: _List


_decode = codec.decoder(_Answer)


class Sweep:
    """Looks at all connections of the servers that the system account reaches."""

    def __init__(
        self, bus: Connection, table: TokenTable, callout: Callout, certificates: Certificates
    ) -> None:
        """`bus` is in the system account."""
        self._bus = bus
        self._table = table
        self._callout = callout
        self._certificates = certificates
        self._inbox = bus.new_inbox()
        self._changed = asyncio.Event()
        self._roll = Roll()

    def changed(self) -> None:
        """Something was committed: perhaps a token."""
        self._changed.set()

    async def run(self) -> Never:
        """Sweep when a token has changed, and every few seconds."""
        subscription = await self._bus.subscribe(self._inbox, self._listed)
        loop = asyncio.get_running_loop()
        version, due = -1, 0.0
        try:
            while True:
                self._changed.clear()
                await self._table.refresh()
                if self._table.version != version or loop.time() >= due:
                    # After a change once more: a login may have been under way.
                    due = loop.time() + (EVERY_S if self._table.version == version else AGAIN_S)
                    version = self._table.version
                    servers = {server for server, _ in self._callout.holders}
                    self._roll.asked(servers, loop.time())
                    await self._ask(ALL, 0)
                await asyncio.sleep(GAP_S)
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._changed.wait()
        finally:
            await subscription.stop()

    async def _ask(self, subject: str, offset: int) -> None:
        body = {"auth": True, "acc": natsconfig.ACCOUNT, "offset": offset, "limit": PAGE}
        with suppress(Disconnected):
            await self._bus.publish(subject, codec.encode(body), reply=self._inbox)

    async def _listed(self, message: Message) -> None:
        """Look at one page of one server's connections."""
        try:
            found = _decode(message.data).data
        except errors.Invalid:
            logger.warning("the server's list of connections cannot be read")
            return
        for one in found.connections:
            if one.issuer_key:
                await self._look(found.server_id, one)
        following = found.offset + len(found.connections)
        more = bool(found.connections) and following < found.total
        numbers = [one.cid for one in found.connections]
        self._roll.page(found.server_id, found.offset, numbers, last=not more)
        if more:
            await self._ask(ONE.format(found.server_id), following)
        else:
            self._forget()

    async def _look(self, server: str, one: _Connected) -> None:
        granted = self._granted(server, one)
        if granted is not None and logins.holds(granted, self._table.tokens, self._certificates):
            return
        if not self._table.decides:
            return
        who = granted.identity if granted else one.authorized_user
        logger.warning("disconnected: may not stay", extra={"identity": logins.shown(who)})
        with suppress(Disconnected):
            # Without somewhere to answer, the server does nothing.
            subject, body = KICK.format(server), codec.encode({"cid": one.cid})
            await self._bus.publish(subject, body, reply=self._bus.new_inbox())

    def _granted(self, server: str, one: _Connected) -> Granted | None:
        holder = self._callout.holders.get((server, one.cid))
        if holder is not None:
            return holder.granted
        return logins.adopt(one.authorized_user, one.start, self._table.tokens)

    def _forget(self) -> None:
        """Forget who has left."""
        old = asyncio.get_running_loop().time() - FRESH_S
        for key, holder in list(self._callout.holders.items()):
            if holder.answered_at < old and self._roll.gone(*key):
                del self._callout.holders[key]
        self._roll.drop_silent()
