"""A hub with leaf nodes, as on hosts that are far apart, and a wire between them that can be cut.

Configurations are those of `bridge.natsconfig`; the wide area is a proxy on this machine.
"""

import asyncio
from asyncio.subprocess import DEVNULL, Process
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Self

from bridge import natsconfig, probe
from bridge.credentials import Credentials
from bridge.server import find_binary
from bridge.server_keys import ServerKeys
from tests.eventually import eventually

HOST = "127.0.0.1"
READY_S_MAX = 20.0


class Wire:
    """A TCP proxy that can be cut, and joined again."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._open = True
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """Let nothing through, and nobody in."""
        self._open = False
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def join(self) -> None:
        self._open = True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self._open:
                await self._carry(reader, writer)
        except (OSError, asyncio.CancelledError):
            return
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(HOST, self._target)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, far_writer))
                group.create_task(_copy(far_reader, writer))
        except* OSError:
            pass  # one side is gone, and so the other goes
        finally:
            far_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    raise ConnectionResetError


class Nats:
    """One nats-server with a given configuration; `replicas` can connect to it."""

    def __init__(self, directory: Path, text: str, port: int, monitor: int, user: Credentials):
        self.url = f"nats://{HOST}:{port}"
        self.credentials = user
        self._directory = directory
        self._text = text
        self._monitor = monitor
        self._process: Process | None = None

    async def start(self) -> None:
        self._directory.mkdir(exist_ok=True)
        config = self._directory / "nats.conf"
        config.write_text(self._text)
        with (self._directory / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(find_binary()), "-c", str(config), stdin=DEVNULL, stdout=log, stderr=log
            )
        await eventually(
            lambda: probe.healthy(HOST, self._monitor), "the server to be ready", READY_S_MAX
        )

    async def kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


def _hub(directory: Path, keys: ServerKeys) -> tuple[Nats, int]:
    port, monitor, leafs = probe.free_ports(HOST, 3)
    text = natsconfig.hub(
        natsconfig.Hub(
            name="hub",
            clients=natsconfig.Listener(host=HOST, port=port),
            leafs=natsconfig.Listener(host=HOST, port=leafs),
            jetstream=natsconfig.JetStream(domain="hub", directory=directory / "js"),
            keys=keys,
            monitor_port=monitor,
        )
    )
    # Else the hub tells leafs its own address, and they get around the wire.
    text = text.replace("leafnodes {", "leafnodes {\n  no_advertise: true")
    return Nats(directory, text, port, monitor, keys.bus), leafs


def _leaf(directory: Path, keys: ServerKeys, remote: int, domain: str | None) -> Nats:
    port, monitor = probe.free_ports(HOST, 2)
    local = Credentials(id="local", secret="local")
    text = natsconfig.leaf(
        natsconfig.Leaf(
            name=directory.name,
            clients=natsconfig.Listener(host=HOST, port=port),
            remotes=(f"{HOST}:{remote}",),
            local=local,
            token=keys.bus,
            jetstream=natsconfig.JetStream(domain=domain, directory=directory / "js")
            if domain
            else None,
            monitor_port=monitor,
        )
    )
    return Nats(directory, text, port, monitor, local)


class Sites:
    """A hub, and hosts that reach it over a wire each."""

    def __init__(self, directory: Path, keys: ServerKeys) -> None:
        self._directory = directory
        self._keys = keys
        self._stack = AsyncExitStack()
        self.hub, self._leaf_port = _hub(directory / "hub", keys)
        self.wires: dict[str, Wire] = {}

    async def __aenter__(self) -> Self:
        await self.hub.start()
        self._stack.push_async_callback(self.hub.kill)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def leaf(self, name: str, domain: str | None = None) -> Nats:
        """Start a host's server; with a `domain` it has a JetStream of its own."""
        wire = self.wires[name] = await self._stack.enter_async_context(Wire(self._leaf_port))
        found = _leaf(self._directory / name, self._keys, wire.port, domain)
        await found.start()
        self._stack.push_async_callback(found.kill)
        return found
