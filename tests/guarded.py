"""A hub with a primary that answers its logins, and leaf nodes before it, on real parts."""

import asyncio
import json
import secrets
import ssl
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest
import trustme

from bridge import auth, client, connection, credentials, natsconfig, probe, server, server_keys
from bridge.client import Client
from bridge.connection import Connection
from bridge.credentials import Credentials
from bridge.downstream import FollowerOptions
from bridge.follower import Follower
from bridge.natsconfig import Hub, JetStream, Leaf, Listener, Tls
from bridge.options import Options
from bridge.primary import Primary
from bridge.source import Me
from bridge.telemetry import Telemetry
from bridge.worker import Worker
from tests import buses, replicas
from tests.eventually import eventually
from wig import access, commands
from wig.sqlite.datastore import Datastore
from wig_cli import inputs

NODE = "hub"
READY_S_MAX = 15.0


class Authority:
    """A small certificate authority with its files."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self._directory = directory
        self.ca = trustme.CA()
        self.path = directory / f"{name}.pem"
        self.ca.cert_pem.write_to_path(self.path)

    def issue(self, name: str, *hosts: str, **fields: Any) -> Tls:
        """Return a certificate with this Common Name."""
        made = self.ca.issue_cert(*(hosts or (f"{name}.example",)), common_name=name, **fields)
        certificate, key = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        made.cert_chain_pems[0].write_to_path(certificate)
        made.private_key_pem.write_to_path(key)
        return Tls(certificate=certificate, key=key, ca=self.path)


def context(tls: Tls) -> ssl.SSLContext:
    """Return how a client uses it; trusts the authority in it."""
    made = ssl.create_default_context(cafile=tls.ca)
    if tls.certificate is not None:
        made.load_cert_chain(tls.certificate, tls.key)
    return made


class Server:
    """A nats-server on a configuration."""

    def __init__(self, directory: Path, name: str, text: str, monitor_port: int) -> None:
        self._config = directory / f"{name}.conf"
        credentials.write_private(self._config, text.encode())
        self.log_file = directory / f"{name}.log"
        self._monitor_port = monitor_port
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [server.find_binary(), "-c", self._config], stdout=log, stderr=log
            )

    async def ready(self) -> None:
        await eventually(
            lambda: probe.healthy("127.0.0.1", self._monitor_port), "nats-server", READY_S_MAX
        )

    def log(self) -> str:
        return self.log_file.read_text()

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(READY_S_MAX)

    async def __aenter__(self) -> Self:
        self.start()
        await self.ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()


class Guarded:
    """The hub, its primary, and what is needed to come in. Make one with `guarded`."""

    def __init__(self, directory: Path, *, leaf_mtls: bool, client_mtls: bool) -> None:
        self.directory = directory
        self.authority = Authority(directory)
        served = self.authority.issue("hub", "localhost", "127.0.0.1")
        self.port, self.leaf_port, self.monitor_port = probe.free_ports("127.0.0.1", 3)
        (directory / "keys").mkdir()
        self.keys = server_keys.open_or_make(directory / "keys")
        self.tls = self.authority.issue("datastore") if client_mtls else None
        text = natsconfig.hub(
            Hub(
                name="hub",
                clients=Listener(
                    host="127.0.0.1", port=self.port,
                    tls=replace(served, verify=True) if client_mtls else None,
                ),
                jetstream=JetStream(domain="hub", directory=directory / "js"),
                keys=self.keys,
                monitor_port=self.monitor_port,
                leafs=Listener(
                    host="127.0.0.1", port=self.leaf_port,
                    tls=replace(served, verify=True, first=True) if leaf_mtls else None,
                ),
            )
        )  # fmt: skip
        self.server = Server(directory, "hub", text, self.monitor_port)
        self.client_mtls = client_mtls
        self.leaf_mtls = leaf_mtls
        self.tokens: dict[str, Credentials] = {}
        self.primary: Primary
        self.telemetry: Telemetry
        self.stop_primary: Callable[[], Awaitable[None]]
        self.admin: Client

    def options(self, user: Credentials | None = None, tls: Tls | None = None) -> Options:
        """Return how somebody comes: with a token, a certificate, or both."""
        user_tls = tls or self.tls or Tls()
        name = user.id if user else access.CERTIFICATE_PREFIX + tls.certificate.stem
        return Options(
            identity=name,
            server=f"{'tls' if self.client_mtls else 'nats'}://localhost:{self.port}",
            user=user.id if user else None,
            password=user.secret if user else "",
            ca=user_tls.ca,
            certificate=user_tls.certificate,
            key=user_tls.key,
        )

    async def token(self, id: str, role: str) -> Credentials:
        """Create a token, and return it."""
        made = credentials.make(id)
        digest = inputs.secret_digest(made.secret)
        await self.admin.command(
            "token.create", commands.CreateToken(id=id, secret_digest=digest, role=role)
        )
        self.tokens[id] = made
        return made

    async def delete(self, id: str) -> None:
        await self.admin.command("token.delete", commands.DeleteToken(id=id))

    @asynccontextmanager
    async def leaf(
        self, identity: str, *, token: Credentials | None = None, tls: Tls | None = None,
        domain: str | None = None,
    ) -> AsyncIterator[tuple[Server, Options]]:  # fmt: skip
        """Run a leaf node; yields it and how the programs beside it come to the bus."""
        port, monitor = probe.free_ports("127.0.0.1", 2)
        local = credentials.make(identity)
        jetstream = None
        if domain:
            store = self.directory / f"js-{domain}"
            jetstream = JetStream(domain=domain, directory=store)
        text = natsconfig.leaf(
            Leaf(
                name=identity,
                clients=Listener(host="127.0.0.1", port=port),
                remotes=(f"localhost:{self.leaf_port}",),
                local=local,
                token=token,
                tls=replace(tls, first=True) if tls else None,
                jetstream=jetstream,
                monitor_port=monitor,
            )
        )
        async with Server(self.directory, f"leaf-{identity}", text, monitor) as running:
            yield (
                running,
                Options(
                    identity=identity, server=f"nats://127.0.0.1:{port}", user=local.id,
                    password=local.secret,
                ),
            )  # fmt: skip

    @asynccontextmanager
    async def connected(self, options: Options) -> AsyncIterator[Connection]:
        """Connect, and stay connected."""
        async with connection.opened(options) as bus:
            keeper = asyncio.create_task(bus.run())
            try:
                yield bus
            finally:
                await buses.cancel(keeper)

    @asynccontextmanager
    async def serving(self, certificates: tuple[str, ...] = ()) -> AsyncIterator[Primary]:
        """Run the primary, with the logins."""
        async with AsyncExitStack() as stack:
            store = stack.enter_context(Datastore.open(buses.database(self.directory)))
            options = self.options(self.keys.bus)
            bus = await stack.enter_async_context(connection.opened(options))
            it = Primary(store, bus, node=NODE, domain="hub")
            stack.callback(it.close)
            served = asyncio.Event()
            it.on_serving(served.set)
            wanted = auth.AuthOptions(
                keys=self.keys, certificates=access.parse_certificates(certificates)
            )
            self.telemetry = telemetry = Telemetry()
            services = await auth.services(stack, wanted, options, it.node, telemetry, wait_s=5)
            parts = await stack.enter_async_context(AsyncExitStack())
            await parts.enter_async_context(
                replicas.running(bus=bus.run, **services, **it.services())
            )
            self.stop_primary = parts.aclose
            async with asyncio.timeout(READY_S_MAX):
                await served.wait()
            self.primary = it
            yield it


@asynccontextmanager
async def guarded(
    directory: Path,
    *,
    leaf_mtls: bool = False,
    client_mtls: bool = False,
    certificates: tuple[str, ...] = (),
) -> AsyncIterator[Guarded]:
    """Run a hub with a primary that answers its logins."""
    found = Guarded(directory, leaf_mtls=leaf_mtls, client_mtls=client_mtls)
    async with (
        found.server,
        found.serving(certificates),
        client.connect(replace(found.options(found.keys.bus), identity="admin")) as admin,
    ):
        found.admin = admin
        yield found


async def leafs(hub: Guarded) -> int:
    """Return how many leaf nodes the hub has."""
    url = f"http://127.0.0.1:{hub.monitor_port}/leafz"

    def ask() -> int:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(json.load(answer)["leafnodes"])

    return await asyncio.to_thread(ask)


@asynccontextmanager
async def gateway(
    hub: Guarded, options: Options, *, upstream: str = NODE, domain: str | None = None
) -> AsyncIterator[replicas.StateSink]:
    """Follow the primary as a gateway does; yields what it holds."""
    sink, worker = replicas.StateSink(), Worker("sink")
    me = Me(f"{options.identity}-gateway", secrets.token_hex(8), "1", "gateway")
    try:
        async with hub.connected(options) as bus:
            given = FollowerOptions(
                me=me, upstream=upstream, kind="gateway", domain=domain,
                database=lambda: sink.database, state_digest=sink.state_digest,
            )  # fmt: skip
            follower = Follower(bus, sink, worker, given)
            async with replicas.running(follower=follower.run):
                yield sink
    finally:
        worker.close()


def told(caplog: pytest.LogCaptureFixture) -> str:
    """Return everything that was logged, with its fields."""
    return "\n".join(str(vars(record)) for record in caplog.records)
