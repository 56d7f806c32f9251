"""The port that Prometheus, load balancers and people with curl look at.

Run by `telemetry`. Three pages and nothing else: `/metrics`, `/healthz` (the program is alive) and
`/readyz` (it should be used; 503 says why not). No authentication, and nothing that would need
one. Everything is bounded: connections, the size of a request, and the time that each may take.

On the event loop, so that a page shows the parts of the program at one moment without locks, and
an answer means that the loop runs. What takes long is made in a thread, in pieces that are sent as
they are made (`telemetry`).
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple, Never, Protocol

from bridge import metrics
from wig import errors

logger = logging.getLogger(__name__)

CONNECTIONS_MAX = 32
SCRAPES_MAX = 8  # at once: those who read slowly must not take the room of load balancers
HEAD_BYTES_MAX = 8192
HEAD_S_MAX = 5.0  # to say what is wanted
ANSWER_S_MAX = 60.0  # for the largest scrape to the slowest reader
RETRY_S = 15.0  # between two attempts to have the port
PLAIN = "text/plain; charset=utf-8"

_REQUEST = re.compile(rb"([A-Z]+) ([^ ?]+)(?:\?[^ ]*)? HTTP/1\.([01])\r\n")


class Address(NamedTuple):
    """Where to listen."""

    host: str | None
    """None: on all addresses."""
    port: int
    """0: any free one."""


OFF = ("", "none")


def parse_address(text: str) -> Address | None:
    """Return where to listen, or None for nowhere; raise `Invalid`."""
    if text in OFF:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535 or not _is_name(host):
        raise errors.Invalid(
            f"metrics_addr: {errors.quoted(text)} is not [ADDRESS]:PORT, or none",
            field="metrics_addr",
        )
    return Address(host.removeprefix("[").removesuffix("]") or None, int(port))


def _is_name(host: str) -> bool:
    """Say whether a resolver can be asked for it."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


class Pages(Protocol):
    """What there is to see (`telemetry.Telemetry`)."""

    def scrape(self) -> AsyncIterator[bytes]:
        """Yield the text of a scrape, in pieces."""

    def unhealthy(self) -> tuple[str, ...]:
        """Return why the program must be restarted; nothing: it is alive."""

    def unready(self) -> tuple[str, ...]:
        """Return why it should not be used now; nothing: it is ready."""


class Port:
    """Serves the pages of one program."""

    def __init__(self, address: Address, pages: Pages) -> None:
        """Listen nowhere yet."""
        self._address = address
        self._pages = pages
        self._scrapes = asyncio.Semaphore(SCRAPES_MAX)
        self._open: set[asyncio.WriteTransport] = set()
        self.bound: int | None = None
        """The port that it listens on; None: not yet."""

    async def run(self) -> Never:
        """Serve; as long as the port is taken, say so once, and try again."""
        told = False
        while True:
            try:
                server = await self._listen()
            except OSError as error:
                if not told:
                    told = True
                    self._tell(error)
                await asyncio.sleep(RETRY_S)
                continue
            try:
                self.bound = server.sockets[0].getsockname()[1]
                logger.info("metrics", extra={"port": self.bound})
                await asyncio.get_running_loop().create_future()
            finally:
                # Not `async with server`: it may wait for those who read slowly, and a program
                # that is told to stop must not.
                server.close()
                for transport in self._open:
                    transport.abort()

    async def _listen(self) -> asyncio.Server:
        host, port = self._address
        return await asyncio.start_server(
            self._connected, host, port, limit=HEAD_BYTES_MAX, reuse_address=True
        )

    def _tell(self, error: OSError) -> None:
        told = {
            "port": self._address.port,
            "error": error.strerror or str(error),
            "hint": "give each program of a host its own --metrics-addr, or none",
        }
        logger.warning("no metrics: their port cannot be listened on", extra=told)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer.transport)
        try:
            if len(self._open) <= CONNECTIONS_MAX:
                with suppress(TimeoutError, OSError, asyncio.IncompleteReadError):
                    await self._serve(reader, writer)
        finally:
            writer.transport.abort()  # what nobody has read by now would be kept for ever
            self._open.discard(writer.transport)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_S_MAX):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            head = b""
        async with asyncio.timeout(ANSWER_S_MAX):
            await _Answer(writer, head, self._scrapes).send(self._pages)
            writer.close()
            await writer.wait_closed()


class _Answer:
    """The answer to one request; the connection ends with it."""

    def __init__(
        self, writer: asyncio.StreamWriter, head: bytes, scrapes: asyncio.Semaphore
    ) -> None:
        self._writer = writer
        self._scrapes = scrapes
        request = _REQUEST.match(head)
        self._method, self._path, minor = request.groups() if request else (b"", b"", b"1")
        self._chunked = minor == b"1"

    async def send(self, pages: Pages) -> None:
        if not self._method:
            await self._page(HTTPStatus.BAD_REQUEST, ("this is not HTTP/1.1",))
        elif self._method not in {b"GET", b"HEAD"}:
            await self._page(HTTPStatus.METHOD_NOT_ALLOWED, ("GET and HEAD only",))
        elif self._path == b"/metrics" and self._scrapes.locked():
            await self._page(HTTPStatus.SERVICE_UNAVAILABLE, ("too many scrapes at once",))
        elif self._path == b"/metrics":
            async with self._scrapes:
                await self._scrape(pages)
        elif self._path == b"/healthz":
            await self._verdict(pages.unhealthy())
        elif self._path == b"/readyz":
            await self._verdict(pages.unready())
        else:
            await self._page(HTTPStatus.NOT_FOUND, ("/metrics, /healthz and /readyz are here",))

    async def _verdict(self, reasons: tuple[str, ...]) -> None:
        if reasons:
            await self._page(HTTPStatus.SERVICE_UNAVAILABLE, reasons)
        else:
            await self._page(HTTPStatus.OK, ("ok",))

    async def _page(self, status: HTTPStatus, lines: tuple[str, ...]) -> None:
        body = "".join(f"{line}\n" for line in lines).encode()
        self._head(status, PLAIN, f"Content-Length: {len(body)}")
        if self._method != b"HEAD":
            self._writer.write(body)
        await self._writer.drain()

    async def _scrape(self, pages: Pages) -> None:
        """Send in pieces: a reader can tell a whole answer from one that broke off."""
        coding = "Transfer-Encoding: chunked" if self._chunked else "Cache-Control: no-store"
        self._head(HTTPStatus.OK, metrics.CONTENT_TYPE, coding)
        if self._method == b"HEAD":
            return
        async for piece in pages.scrape():
            self._write(piece)
            await self._writer.drain()
        if self._chunked:
            self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    def _write(self, piece: bytes) -> None:
        if self._chunked and piece:
            self._writer.writelines((b"%x\r\n" % len(piece), piece, b"\r\n"))
        else:
            self._writer.write(piece)

    def _head(self, status: HTTPStatus, content: str, *more: str) -> None:
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            f"Content-Type: {content}",
            "Connection: close",
            *more,
        ]
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            lines.append("Allow: GET, HEAD")
        self._writer.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
