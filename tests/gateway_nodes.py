"""A gateway as a program, on a host in memory and a real bus."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from bridge import gateway_node, supervisor
from bridge.gateway_node import GatewayOptions
from bridge.metrics_http import Address
from bridge.server import NatsServer
from bridge.telemetry import Telemetry
from tests import pages
from tests.buses import bus_options
from tests.eventually import eventually
from tests.hosts import FakeHost
from wig.linux.mark import DrainMark
from wig.linux.record import Records
from wig.linux.sink import HostSink


class FakeGateway(HostSink):
    """The gateway of a host in memory."""

    def fault(self) -> BaseException | None:
        """Nobody looks after it, and nobody has to."""
        return None


class Node:
    """A gateway that runs."""

    def __init__(self, host: FakeHost, sink: HostSink, telemetry: Telemetry) -> None:
        self.host = host
        self.sink = sink
        self.telemetry = telemetry

    async def page(self, path: str) -> pages.Page:
        """Look at its metrics port."""
        assert self.telemetry.port is not None
        assert self.telemetry.port.bound is not None
        return await pages.page(self.telemetry.port.bound, path)

    async def ready(self) -> None:
        """Wait until it says so."""

        async def is_ready() -> bool:
            return (await self.page("/readyz")).status == 200

        await eventually(is_ready, "the gateway is ready")


@asynccontextmanager
async def gateway(
    server: NatsServer, folder: Path, *, name: str = "gw1", host: FakeHost | None = None,
    **fields: Any,
) -> AsyncIterator[Node]:  # fmt: skip
    """Run a gateway of node `hub`, with its run directory in `folder`."""
    host = host or FakeHost()
    sink = FakeGateway(host, Records(folder, name))
    options = GatewayOptions(
        **{"upstream": "hub"} | fields, name=name, bus=bus_options(server, name),
        mark=DrainMark(folder, name),
    )  # fmt: skip
    telemetry, stop = Telemetry(), asyncio.Event()
    async with AsyncExitStack() as stack:
        services = await gateway_node.gateway(stack, options, lambda: sink, telemetry)
        services |= telemetry.services(Address("127.0.0.1", 0))
        task = asyncio.create_task(supervisor.run(services, stop=stop))
        try:
            await eventually(lambda: telemetry.port and telemetry.port.bound, "a port")
            yield Node(host, sink, telemetry)
        finally:
            stop.set()
            with suppress(Exception):
                await task
