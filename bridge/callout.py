"""Answers nats-server's question who may come in (auth callout). Run by datastores.

The server asks on `$SYS.REQ.USER.AUTH`, in an account that nobody else is in. The answer is
signed, and carries the subjects of the role: from then on the server enforces them by itself.

The primary answers at once. A follower on the same server answers when the primary does not: at
once when it has not heard the root for a while, else a little later than the primary would (the
server takes the first answer). It never says no while the primary may know better, and nothing at
all while it holds nothing.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Never

from bridge import certificates, jwt, natsconfig
from bridge.connection import Connection, Disconnected, Message
from bridge.token_table import TokenTable
from wig import access, errors, logins, nkeys
from wig.logins import Certificates, Granted, Login

logger = logging.getLogger(__name__)

SUBJECT = "$SYS.REQ.USER.AUTH"
AUDIENCE = "nats-authorization-request"
WAITING_MAX = 10_000  # questions; the server gives up after three seconds anyway
DEFERENCE_S = 0.3  # that the primary has before a follower answers in its place
LINES_PER_S_MAX = 20  # in the log, about refusals
RESULTS = ("granted", "refused", "late")


class Holder(NamedTuple):
    """A connection that was let in."""

    granted: Granted
    answered_at: float
    """By the event loop's clock."""


class _Question(NamedTuple):
    """What the server wants to know."""

    server: str
    connection: int
    kind: str
    """`Client` or `Leafnode`."""
    user_key: str
    login: Login


class Callout:
    """Answers for one server."""

    def __init__(
        self,
        bus: Connection,
        table: TokenTable,
        issuer: nkeys.KeyPair,
        certificates: Certificates,
        defers: Callable[[], bool],
    ) -> None:
        """`bus` is the callout's own; `defers` says whether somebody else should answer first."""
        self._bus = bus
        self._table = table
        self._issuer = issuer
        self._certificates = certificates
        self._defers = defers
        self._waiting: asyncio.Queue[tuple[float, Message]] = asyncio.Queue(WAITING_MAX)
        self._refusals = _Refusals()
        self.holders: dict[tuple[str, int], Holder] = {}
        """Who was let in, by server and number of the connection; `sweep` forgets them."""
        self.counts = dict.fromkeys(RESULTS, 0)
        """What became of the questions since the start."""

    async def open(self) -> None:
        """Take questions; they are answered when it runs."""
        await self._table.refresh()
        await self._bus.subscribe(SUBJECT, self._asked)

    async def run(self) -> Never:
        """Answer, as long as somebody waits for it.

        By our own clock: the times in a question are the server's, and clocks differ.
        """
        now = asyncio.get_running_loop().time
        while True:
            asked, message = await self._waiting.get()
            if now() - asked < natsconfig.LOGIN_S_MAX:
                await self._answer(message)
            else:
                self.counts["late"] += 1
                self._refusals.note("", "the login has waited too long")

    async def _asked(self, message: Message) -> None:
        loop = asyncio.get_running_loop()
        if self._defers():
            loop.call_later(DEFERENCE_S, self._queue, loop.time(), message)
        else:
            self._queue(loop.time(), message)

    def _queue(self, asked: float, message: Message) -> None:
        if self._waiting.full():
            self.counts["late"] += 1
            self._refusals.note("", "too many logins at once")
        else:
            self._waiting.put_nowait((asked, message))

    async def _answer(self, message: Message) -> None:
        try:
            question = _read(message.data)
        except errors.Invalid as error:
            self._refusals.note("", error.message)
            return
        verdict = await self._judge(question.login)
        if not self._table.known:
            return  # it is for others to answer
        if isinstance(verdict, Granted):
            key = question.server, question.connection
            now = asyncio.get_running_loop().time()
            self.holders[key] = Holder(verdict, now)
            self.counts["granted"] += 1
            logger.debug("login", extra={"identity": verdict.identity, "kind": question.kind})
            answer = {"jwt": self._user(question, verdict)}
        elif not self._table.decides:
            reason = f"not answered, for this copy may be an old one: {verdict.reason}"
            self._refusals.note(verdict.identity, reason, question.kind)
            return
        else:
            self._refusals.note(verdict.identity, verdict.reason, question.kind)
            self.counts["refused"] += 1
            # The server repeats this to nobody; who tries learns only that it is refused.
            answer = {"error": "refused"}
        try:
            await self._bus.publish(message.reply, self._response(question, answer).encode())
        except Disconnected:
            logger.info("an answer to a login was lost with the connection")

    async def _judge(self, login: Login) -> Granted | logins.Refused:
        """Judge by what is known; a token that seems wrong may be newer than that."""
        verdict = logins.judge(login, self._table.tokens, self._certificates)
        if not isinstance(verdict, Granted) and login.user:
            await self._table.refresh()
            verdict = logins.judge(login, self._table.tokens, self._certificates)
        return verdict

    def _user(self, question: _Question, granted: Granted) -> str:
        """Return the user that the server is to make of this connection.

        Without an end: the server would close the connection then, and nats-py never comes back
        from that. Who may not stay is disconnected (`sweep`).
        """
        may = access.permissions(granted.role, granted.identity)
        body = {
            "type": "user",
            "version": 2,
            "pub": {"allow": may.publish},
            "sub": {"allow": may.subscribe},
            "subs": -1,
            "data": -1,
            "payload": -1,
        }
        claims = {
            "sub": question.user_key, "aud": natsconfig.ACCOUNT, "name": granted.identity,
            "nats": body,
        }  # fmt: skip
        return jwt.sign(self._issuer, claims, int(time.time()))

    def _response(self, question: _Question, answer: dict[str, str]) -> str:
        body = {"type": "authorization_response", "version": 2} | answer
        claims = {"sub": question.user_key, "aud": question.server, "nats": body}
        return jwt.sign(self._issuer, claims, int(time.time()))


class _Refusals:
    """Tells the log who was refused and why, and how many more, when they are many."""

    def __init__(self) -> None:
        self._second = 0.0
        self._told = 0
        self._untold = 0

    def note(self, identity: str, reason: str, kind: str = "") -> None:
        now = asyncio.get_running_loop().time()
        if now - self._second >= 1:
            if self._untold:
                logger.warning("more logins were refused", extra={"count": self._untold})
            self._second, self._told, self._untold = now, 0, 0
        if self._told == LINES_PER_S_MAX:
            self._untold += 1
            return
        self._told += 1
        told = {"identity": logins.shown(identity), "reason": reason, "kind": kind}
        logger.warning("login refused", extra=told)


def _read(token: bytes) -> _Question:
    """Return the question in a server's token; raise `Invalid`."""
    try:
        claims = jwt.read(token.decode(), nkeys.SERVER)
        asked = claims["nats"]
        server = str(asked["server_id"]["id"])
        if claims["aud"] != AUDIENCE or claims["iss"] != server:
            raise errors.Invalid("question: it is not from a server")
        options, client = asked["connect_opts"], asked["client_info"]
        return _Question(
            server=server,
            connection=int(client["id"]),
            kind=str(client["kind"]),
            user_key=str(asked["user_nkey"]),
            login=Login(
                str(options.get("user") or ""),
                str(options.get("pass") or ""),
                _common_name(asked.get("client_tls") or {}),
            ),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise errors.Invalid("question: it cannot be understood") from error


def _common_name(tls: dict[str, Any]) -> str | None:
    """Return the name in the certificate that the server has verified, None without one.

    Only chains count: `certs` are what somebody showed. Raises `ValueError`.
    """
    chains = tls.get("verified_chains") or []
    if not chains or not chains[0]:
        return None
    return certificates.common_name_of(str(chains[0][0]).encode())
