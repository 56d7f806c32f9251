"""A client of nats-server that ignores every courtesy: it says what it likes and reads the answer.

As a client, or as a leaf node. nats-py and nats-server keep to what they may do before they ask;
only this shows what the server itself refuses.
"""

import asyncio
import json
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

READ_S_MAX = 10.0


class Hangup(Exception):
    """The server closed the connection; the message is what it said before."""


class WireClient:
    """One connection; `async with await WireClient.open(…)`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._subscriptions = 0
        self.leaf = False
        self.received: list[str] = []
        """The subjects of what was delivered."""

    @classmethod
    async def open(
        cls, port: int, *, leaf: bool = False, tls: ssl.SSLContext | None = None,
        first: bool = False, **login: Any,
    ) -> Self:  # fmt: skip
        """Connect and log in; raises `Hangup` with what the server says if it refuses."""
        name = "localhost" if tls else None
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=tls if first else None, server_hostname=name if first else None
        )
        self = cls(reader, writer)
        self.leaf = leaf
        try:
            await self._line()  # INFO
            if tls and not first:
                await writer.start_tls(tls, server_hostname=name)
            about = {"name": "hostile", "verbose": False, "protocol": 1, "headers": True}
            await self._send(f"CONNECT {json.dumps(about | login)}\r\n")
            if heard := await self.settle():
                raise Hangup(heard[0])  # noqa: TRY301
        except BaseException:
            await self.close()
            raise
        return self

    async def close(self) -> None:
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def publish(self, subject: str, reply: str = "", body: bytes = b"") -> list[str]:
        """Publish, and return what the server objects to."""
        return await self._say(self._message(subject, reply, body))

    async def tell(self, subject: str, bodies: Sequence[bytes]) -> list[str]:
        """Publish all at once, and return what the server objects to."""
        return await self._say(b"".join(self._message(subject, "", body) for body in bodies))

    def _message(self, subject: str, reply: str, body: bytes) -> bytes:
        words = " ".join(word for word in (subject, reply, str(len(body))) if word)
        verb = "LMSG" if self.leaf else "PUB"
        return f"{verb} {words}\r\n".encode() + body + b"\r\n"

    async def subscribe(self, subject: str) -> list[str]:
        """Subscribe, and return what the server objects to."""
        self._subscriptions += 1
        words = f"LS+ {subject}" if self.leaf else f"SUB {subject} {self._subscriptions}"
        return await self._say(words.encode() + b"\r\n")

    async def ask(self, subject: str, reply: str, bodies: Sequence[bytes]) -> list[bytes]:
        """Publish all at once, and return as many answers; the reply must be subscribed to.

        Raises `Hangup` if the server objects, and `TimeoutError` if an answer does not come.
        """
        self._writer.write(b"".join(self._message(subject, reply, body) for body in bodies))
        answers: list[bytes] = []
        while len(answers) < len(bodies):
            line = await self._line()
            if line.startswith("-ERR"):
                raise Hangup(line)
            if line == "PING":
                await self._send("PONG\r\n")
            elif line.startswith(("MSG ", "LMSG ")):
                body = self._reader.readexactly(int(line.split()[-1]) + 2)
                answers.append((await asyncio.wait_for(body, READ_S_MAX))[:-2])
        return answers

    async def _say(self, frame: bytes) -> list[str]:
        try:
            self._writer.write(frame)
            return await self.settle()
        except (Hangup, OSError) as error:
            return [str(error) or "hung up"]

    async def settle(self) -> list[str]:
        """Wait for the server to have seen everything; return its errors."""
        await self._send("PING\r\n")
        found = []
        while (line := await self._line()) != "PONG":
            if line.startswith("-ERR"):
                found.append(line)
            elif line == "PING":
                await self._send("PONG\r\n")
            elif line.startswith(("MSG ", "LMSG ", "HMSG ", "HLMSG ")):
                self.received.append(line.split()[1])
                await asyncio.wait_for(
                    self._reader.readexactly(int(line.split()[-1]) + 2), READ_S_MAX
                )
        return found

    async def listen(self) -> None:
        """Stay until the server hangs up."""
        while True:
            line = await self._reader.readline()
            if not line:
                return
            if line.startswith(b"PING"):
                await self._send("PONG\r\n")

    async def _send(self, text: str) -> None:
        self._writer.write(text.encode())
        await self._writer.drain()

    async def _line(self) -> str:
        line = await asyncio.wait_for(self._reader.readline(), READ_S_MAX)
        if not line:
            raise Hangup("hung up")
        text = line.decode().strip()
        if text.startswith("-ERR") and "Authorization" in text:
            raise Hangup(text)
        return text
