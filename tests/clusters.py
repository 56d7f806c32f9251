"""A JetStream cluster of three nats-servers, any of which can be killed."""

import asyncio
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from pathlib import Path
from typing import Self

from bridge import probe
from bridge.credentials import Credentials
from bridge.server import find_binary
from tests.eventually import eventually

HOST = "127.0.0.1"
READY_S_MAX = 30.0


class Cluster:
    """`replicas` can connect to it: `url` names all three."""

    def __init__(self, directory: Path) -> None:
        self.credentials = Credentials(id="wig", secret="secret")
        self._directory = directory
        ports = probe.free_ports(HOST, 9)
        self._clients, self._monitors, self._routes = ports[:3], ports[3:6], ports[6:]
        self._processes: dict[int, Process] = {}

    @property
    def url(self) -> str:
        return ",".join(f"nats://{HOST}:{port}" for port in self._clients)

    def _config(self, number: int) -> str:
        routes = ", ".join(f'"nats://{HOST}:{port}"' for port in self._routes)
        return f"""
server_name: n{number}
listen: "{HOST}:{self._clients[number]}"
http: "{HOST}:{self._monitors[number]}"
max_payload: 4194304
feature_flags {{ js_ack_fc_v2: false }}
jetstream {{ store_dir: "{self._directory / f"n{number}"}", domain: hub, max_file: 20GB }}
cluster {{
  name: c, listen: "{HOST}:{self._routes[number]}", routes: [ {routes} ], no_advertise: true
}}
authorization {{ users: [ {{ user: wig, password: secret }} ] }}
"""

    async def start(self, number: int) -> None:
        self._directory.mkdir(exist_ok=True)
        config = self._directory / f"n{number}.conf"
        config.write_text(self._config(number))
        with (self._directory / f"n{number}.log").open("ab") as log:
            self._processes[number] = await asyncio.create_subprocess_exec(
                str(find_binary()), "-c", str(config), stdin=DEVNULL, stdout=log, stderr=log
            )

    async def kill(self, number: int) -> None:
        process = self._processes.pop(number)
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def ready(self) -> None:
        """Wait until there is a leader, and every server that runs has what the others have."""
        for number in self._processes:
            monitor = self._monitors[number]
            await eventually(
                lambda monitor=monitor: probe.healthy(HOST, monitor, query=""),
                f"server {number} of the cluster",
                READY_S_MAX,
            )

    async def __aenter__(self) -> Self:
        for number in range(3):
            await self.start(number)
        await self.ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        for number in list(self._processes):
            await self.kill(number)
