"""Looking at ports of this host: which are free, and does a server answer. Called by `server`."""

import asyncio
import socket
from contextlib import suppress
from typing import Self

from wig import errors

PORT_S_MAX = 3.0  # for a server that was killed a moment ago to let go of its port
POLL_S = 0.05
ANSWER_BYTES_MAX = 1 << 20  # some 200 bytes for each stream that something is wrong with


def free_ports(host: str, count: int) -> list[int]:
    """Return ports that nobody listens on at this moment."""
    with _Sockets() as sockets:
        return [sockets.bind(host, 0) for _ in range(count)]


async def wait_until_free(host: str, port: int) -> None:
    """Return when the port can be used; raise `Unusable` when somebody keeps it."""
    deadline = asyncio.get_running_loop().time() + PORT_S_MAX
    while True:
        try:
            with _Sockets() as sockets:
                sockets.bind(host, port)
        except OSError as error:
            if asyncio.get_running_loop().time() > deadline:
                raise errors.Unusable(
                    f"port: {port} on {host} cannot be used: {error.strerror}",
                    field="port",
                    hint="stop what listens there, or choose another port",
                ) from error
            await asyncio.sleep(POLL_S)
        else:
            return


class _Sockets:
    """Sockets that are closed together."""

    def __init__(self) -> None:
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._open:
            one.close()

    def bind(self, host: str, port: int) -> int:
        one = socket.socket()
        self._open.append(one)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((host, port))
        return int(one.getsockname()[1])


WRITE_ERRORS = (b" write error: ", b"JetStream not enabled")
"""In an answer of `health`: a stream could not be written, or JetStream ended for lack of room."""


async def healthy(host: str, monitor_port: int, query: str = "js-enabled-only=true") -> bool:
    """Say whether a nats-server is ready, JetStream too; `query` as in `health`."""
    return b" 200 " in (await health(host, monitor_port, query) or b"").partition(b"\r\n")[0]


async def health(host: str, monitor_port: int, query: str) -> bytes | None:
    """Return what a nats-server answers about its health; None: nothing.

    An empty `query` asks for all that nats-server checks: that each stream can be written, and of
    a cluster, also that JetStream has a leader and that this server lacks nothing that the others
    have. With `details=true` it names everything that it finds, otherwise only the first.
    """
    try:
        reader, writer = await asyncio.open_connection(host, monitor_port)
    except OSError:
        return None
    try:
        writer.write(f"GET /healthz?{query} HTTP/1.0\r\n\r\n".encode())
        return await reader.read(ANSWER_BYTES_MAX) or None
    except OSError:
        return None
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
