"""Making and throwing away nats-py clients. Called by `connection` only.

What a client needs to fail fast is set here: it never reconnects by itself, never buffers while
it is disconnected, and its socket gives up on data that the peer does not acknowledge.
"""

import asyncio
import inspect
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import ParseResult

import nats.aio.client
import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport

from bridge import subjects
from bridge.options import Options
from wig import errors

logger = logging.getLogger(__name__)

T = TypeVar("T")

VERSION_MIN = (2, 12, 7)
"""Older servers accept anonymous leafs, ignore what they do not know, or crash before a login
(CVE-2026-29785, CVE-2026-33246)."""

UNACKNOWLEDGED_MS_MAX = 5000  # TCP_USER_TIMEOUT: a black hole is found while data is on its way
NATS_PING_S = 3600  # nats-py's own pings do not matter: `Connection.run` does better
RETRY_WAIT_S = 0.02  # nats-py tries a port that refuses twice
AUTHORIZATION = "authorization violation"  # nats-server, server/errors.go; nats-py lowers it


Take = Callable[[Msg], None]

Callback = Callable[[Msg], Awaitable[None]] | Take
"""A plain function is called as soon as a message is read; a coroutine function one by one."""


class Client(nats.aio.client.Client):
    """nats-py's client, which parses headers in a fifth of the time, and can skip its queue."""

    def __init__(self) -> None:
        """Connect nothing yet."""
        super().__init__()
        self._takers: dict[int, Take] = {}

    async def listen(self, subject: str, callback: Callback) -> Subscription:
        """Subscribe, and give each message to `callback`.

        nats-py's own callbacks have a queue and a task each, which take a third of a message's
        time, and drop messages when there are too many.
        """
        if inspect.iscoroutinefunction(callback):
            return await self.subscribe(subject, cb=callback)
        take = cast("Take", callback)
        subscription = await self.subscribe(subject)
        early = subscription._pending_queue  # noqa: SLF001
        while not early.empty():
            take(early.get_nowait())
        self._takers[subscription._id] = take  # noqa: SLF001
        return subscription

    def _remove_sub(self, sid: int, max_msgs: int = 0) -> None:
        self._takers.pop(sid, None)
        super()._remove_sub(sid, max_msgs)

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes
    ) -> None:
        take = self._takers.get(sid)
        try:
            if take is None:
                await super()._process_msg(sid, subject, reply, data, headers)
                return
            parsed = await self._process_headers(headers) if headers else None
            message = self._build_message(sid, subject, reply, data, parsed)
        except (ValueError, IndexError) as error:
            # Any client can send what is no UTF-8, or headers that are none: the server lets it
            # pass, and nats-py would read no more.
            logger.debug("message not understood", extra={"error": str(error)})
            return
        try:
            take(message)
        except Exception as error:  # noqa: BLE001  # here it would end the reading
            await self._error_cb(error)

    async def _process_pong(self) -> None:
        """Take a PONG whose caller has given up: nats-py would fail, and read no more."""
        if self._pongs and self._pongs[0].done():
            self._pongs.pop(0)
        else:
            await super()._process_pong()

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        """Return the headers; nats-py's own looks at each character of each name (10 µs)."""
        headers = {}
        for line in raw.decode(errors="replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon and name.isprintable() and " " not in name:
                headers[name] = value.strip()
        return headers


class Transport(TcpTransport):
    """TCP or TLS that can be written to directly, and cut."""

    def __init__(self) -> None:
        """Connect nothing yet."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._gathered: list[bytes] = []

    def __bool__(self) -> bool:
        """Be there before the connection is: nats-py would make another one."""
        return True

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """Connect, and bound how long sent data may stay unacknowledged."""
        await super().connect(uri, buffer_size, connect_timeout)
        assert self._bare_io_writer is not None
        endpoint = self._bare_io_writer.get_extra_info("socket")
        endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS_MAX)

    def send(self, frames: bytes) -> None:
        """Send whole frames of the protocol, together with what else is sent at this moment.

        One write for all that this turn of the event loop sends halves the cost of a message,
        here and in the server.
        """
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self.flush)
        self._gathered.append(frames)

    def flush(self) -> None:
        """Write what was gathered."""
        frames = b"".join(self._gathered)
        self._gathered.clear()
        if frames and self._io_writer is not None and not self._io_writer.is_closing():
            self._io_writer.write(frames)

    async def room(self) -> None:
        """Wait until most of what was sent has been taken by the socket."""
        self.flush()
        if self._io_writer is not None:
            await self._io_writer.drain()

    def abort(self) -> None:
        """Cut the connection without waiting for anything."""
        for writer in (self._io_writer, self._bare_io_writer):
            if writer is not None:
                writer.transport.abort()


async def bounded(work: Awaitable[T], timeout_s: float) -> T:
    """Wait for something of nats-py, but not longer; raise `TimeoutError`.

    In a task of its own, because nats-py swallows cancellations in several places: a time-out, or
    the end of the program, would be lost in there.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(_look_at)
    try:
        await asyncio.wait({task}, timeout=timeout_s)
    finally:
        if not task.done():
            task.cancel()
    if task.done():
        return task.result()
    raise TimeoutError


def _look_at(task: asyncio.Future[Any]) -> None:
    """Tell asyncio that somebody cares, even if nobody waits any more."""
    if not task.cancelled():
        task.exception()


class LoginUnanswered(errors.Unavailable):
    """The server is there, and hung up during the login."""


async def connect(
    options: Options,
    note: Callable[[Exception], Awaitable[None]],
    broke: Callable[[], Awaitable[None]],
    timeout_s: float,
) -> tuple[Client, Transport]:
    """Return a connected client and its transport; raise `Unavailable`, `Denied`, `Unsupported`.

    `note` hears of errors besides, `broke` is called once when the client broke. A login that
    nobody answered is tried twice: when a server starts, who judges logins comes a moment later.
    """
    try:
        return await _connect(options, note, broke, timeout_s)
    except LoginUnanswered:
        return await _connect(options, note, broke, timeout_s)


async def _connect(
    options: Options,
    note: Callable[[Exception], Awaitable[None]],
    broke: Callable[[], Awaitable[None]],
    timeout_s: float,
) -> tuple[Client, Transport]:
    client = Client()
    # nats-py has no public way to pass a transport.
    pipe = Transport()
    client._transport = pipe  # noqa: SLF001
    tls = _tls(options)
    seen: list[Exception] = []

    async def noted(error: Exception) -> None:
        seen.append(error)
        await note(error)

    connecting = client.connect(
        servers=options.server.split(","),
        name=options.name,
        user=(options.user or options.identity) if options.password else None,
        password=options.password or None,
        tls=tls,
        inbox_prefix=subjects.inbox_prefix(options.identity),
        error_cb=noted,
        closed_cb=broke,
        disconnected_cb=broke,
        allow_reconnect=False,
        max_reconnect_attempts=1,
        reconnect_time_wait=RETRY_WAIT_S,  # type: ignore[arg-type]
        connect_timeout=timeout_s,  # type: ignore[arg-type]
        ping_interval=NATS_PING_S,
        pending_size=0,
    )
    try:
        await bounded(connecting, timeout_s)
        _check(client, options)
    except (OSError, nats.errors.Error, errors.WigError) as error:
        await discard(client, pipe, timeout_s)
        raise _translated(error, seen[0] if seen else error, options) from error
    except BaseException:
        await discard(client, pipe, timeout_s)
        raise
    return client, pipe


def _check(client: Client, options: Options) -> None:
    if not client.is_connected:
        # nats-py returns like that when the server hangs up instead of answering the login.
        raise LoginUnanswered(
            f"server: {options.server} hung up during the login",
            hint="a datastore answers logins: does one run there, with the server's --server-keys?",
        )
    version = client.connected_server_version
    found = (version.major, version.minor, version.patch)
    if found < VERSION_MIN:
        raise errors.Unsupported(
            f"server: nats-server {'.'.join(map(str, found))} at {options.server} is older than "
            f"{'.'.join(map(str, VERSION_MIN))}",
            hint="upgrade nats-server, or let `wig up` run its own",
        )


def _translated(error: Exception, reason: Exception, options: Options) -> errors.WigError:
    if isinstance(error, errors.WigError):
        return error
    text = str(reason) or type(reason).__name__
    if AUTHORIZATION in text.lower():
        return errors.Denied(
            f"server: {options.server} refuses the credentials of {options.identity!r}",
            hint="check --token-file, and that the token still exists",
        )
    return errors.Unavailable(
        f"server: {options.server} cannot be reached: {text}",
        field="server",
        hint="is `wig up` or nats-server running there? see --server and WIG_SERVER",
    )


def _tls(options: Options) -> ssl.SSLContext | None:
    if options.ca is None and options.certificate is None:
        return None  # nats-py makes a default context if the server wants TLS
    for path in (options.ca, options.certificate, options.key):
        if path is not None:
            _look_into(path)
    try:
        context = ssl.create_default_context(cafile=options.ca)
        if options.certificate is not None:
            context.load_cert_chain(options.certificate, options.key)
    except (OSError, ssl.SSLError) as error:
        raise errors.Unusable(f"tls: certificates cannot be loaded: {error}") from error
    return context


def _look_into(path: Path) -> None:
    """Raise `Unusable` if a file cannot be read: OpenSSL would not say which."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise errors.Unusable(
            f"tls: '{path}' cannot be read: {error.strerror}",
            hint="may the user that wig runs as read it, and enter the directories above it?",
        ) from None


async def finish(client: Client, pipe: Transport, timeout_s: float) -> None:
    """Close a good client: what is waiting to be sent is sent."""
    pipe.flush()
    with suppress(TimeoutError, OSError, nats.errors.Error):
        await bounded(client.close(), timeout_s)


async def discard(client: Client, pipe: Transport, timeout_s: float) -> None:
    """Throw a client away, however broken it is."""
    pipe.abort()
    # nats-py asserts that it has begun to connect: with an address that it refuses it has not.
    with suppress(TimeoutError, OSError, nats.errors.Error, AssertionError):
        await bounded(client.close(), timeout_s)
