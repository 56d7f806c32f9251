"""`wig up`: everything of one host in one process, beside the nats-server that it starts.

Called by `up`. All that it keeps is in one directory:

    wig.db       the database                 nats/        the server: store, ports, log
    admin.json   the first admin's token      client.toml  how other commands find this wig
    up.toml      what `wig up` was told

    sessions.db  who was connected when, of `wig sessions`, which runs as a child

Nothing but the first two needs a backup; `sessions.db` only if its history is wanted.
"""

import asyncio
import json
import logging
import os
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Never

from bridge import client, credentials, gateway_node, node, supervisor
from bridge.auth import AuthOptions
from bridge.child import Child
from bridge.gateway_node import GatewayOptions
from bridge.metrics_http import Address
from bridge.node import DatastoreOptions
from bridge.options import Options
from bridge.retention import Policy
from bridge.server import NatsServer, ServerOptions
from bridge.supervisor import Service
from bridge.telemetry import Telemetry
from wig import commands, errors
from wig.linux import gateway as linux
from wig.linux.mark import DrainMark
from wig.model import PORT_DEFAULT
from wig_cli import files, greeting, inputs, new_keys, private_files, settings, surroundings

logger = logging.getLogger(__name__)

NODE = "primary"
GATEWAY = "local"
ADMIN = "admin"
LOCAL_ADMIN = "local-admin"
ENTROPY_BYTES = 64
SETTLE_S_MAX = 10.0  # for the gateway's first snapshot; the greeting then says what is behind
SETTLE_CHECK_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The interface of the first start; what is empty is chosen so that it gets in no way."""

    name: str | None
    port: int | None
    addresses: tuple[str, ...]
    dns: tuple[str, ...]

    def command(self) -> commands.CreateInterface:
        """Return the command, with everything chosen."""
        return commands.CreateInterface(
            name=self.name or surroundings.free_interface_name(),
            port=self.port or surroundings.free_port(PORT_DEFAULT),
            private_key=new_keys.private_key(),
            addresses=self.addresses or surroundings.free_addresses(os.urandom(ENTROPY_BYTES)),
            dns=self.dns,
            description="made by wig up",
        )


@dataclass(frozen=True, kw_only=True)
class Local:
    """What `wig up` runs, and where."""

    state_dir: Path
    nats_port: int
    endpoint: str | None
    """As given; None: the guess of each start."""
    first_interface: Wanted | None
    gateway: linux.Options | None
    """None: no VPN on this host."""
    down_on_exit: bool
    replace: bool
    """The gateway gives up the VPNs of another database."""
    retention: Policy
    metrics: Address | None
    per_peer: str
    statistics: dict[str, Any]
    """Options of the gateway, as `GatewayOptions` has them."""
    sessions: tuple[str, ...]
    """Options of `wig sessions`, as they are given to it."""
    as_json: bool

    @property
    def db(self) -> Path:
        """The database."""
        return self.state_dir / "wig.db"

    @property
    def admin_file(self) -> Path:
        """The token that commands on this host come with."""
        return self.state_dir / "admin.json"


async def run(options: Local) -> None:
    """Run until told to stop."""
    if options.gateway is not None:
        _check_host(options.gateway)
    options.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    _prepare(options)
    directory = options.state_dir / "nats"
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            NatsServer(ServerOptions(directory=directory, port=options.nats_port))
        )
        _write_files(options, server)
        serving = asyncio.Event()
        telemetry = Telemetry()
        sessions = _sessions(options, server)
        services: dict[str, Service] = {"nats-server": server.run}
        services |= await node.datastore(
            stack,
            DatastoreOptions(
                db=options.db,
                name=NODE,
                bus=_bus(server, NODE),
                retention=options.retention,
                auth=AuthOptions(keys=server.keys),
            ),
            telemetry,
            ready=serving.set,
            beside=sessions.problems,
        )
        if options.gateway is not None:
            services |= await _gateway(stack, options, server, telemetry)
        services["sessions"] = sessions.run
        services["first steps"] = _FirstSteps(options, server, serving).run
        await supervisor.run(services | telemetry.services(options.metrics))


def _check_host(wanted: linux.Options) -> None:
    """Find out whether this host can be a gateway before anything is made."""
    try:
        linux.check(wanted)
    except errors.Unusable as error:
        error.hint = f"{error.hint}; without a VPN on this host: wig up --no-gateway"
        raise


async def _gateway(
    stack: AsyncExitStack, options: Local, server: NatsServer, telemetry: Telemetry
) -> dict[str, Service]:
    gateway_options = options.gateway
    assert gateway_options is not None
    return await gateway_node.gateway(
        stack,
        GatewayOptions(
            name=GATEWAY,
            upstream=NODE,
            bus=_bus(server, GATEWAY),
            replace=options.replace,
            down_on_exit=options.down_on_exit,
            mark=DrainMark(gateway_options.run_directory, GATEWAY),
            per_peer=options.per_peer,
            **options.statistics,
        ),
        lambda: linux.Gateway(gateway_options),
        telemetry,
    )


def _sessions(options: Local, server: NatsServer) -> Child:
    """Return the process `wig sessions`: a flood of reports must not slow the primary."""
    words = ("--db", str(options.state_dir / "sessions.db"), "--server", server.url)
    proof = ("--token-file", str(server.credentials_file), "--identity", "sessions")
    # What a configuration file says of ports is about this process.
    own = (*options.sessions, "--metrics-addr", "none")
    command = (sys.executable, "-m", "wig_cli", "sessions", *words, *proof, *own)
    return Child("wig sessions", command)


def _prepare(options: Local) -> None:
    """Make what the first start needs.

    The token is written before the database that knows it, so that a crash between the two
    leaves a token that is still to be used, and not a database without an admin.
    """
    if options.db.exists():
        return
    path = options.admin_file
    admin = credentials.read(path) if path.exists() else credentials.make(ADMIN)
    credentials.write(path, admin)
    files.create_with(str(options.db), admin)


def _bus(server: NatsServer, identity: str) -> Options:
    """Return how a part of this process comes to its own server."""
    return Options(
        identity=identity,
        server=server.url,
        user=server.credentials.id,
        password=server.credentials.secret,
        name=f"wig up: {identity}",
    )


def _endpoint(options: Local) -> str | None:
    return options.endpoint or surroundings.own_address()


def _write_files(options: Local, server: NatsServer) -> None:
    """Leave for other commands how they find this wig, and for the next start what was said."""
    client_file = {
        "server": server.url,
        "token_file": str(options.admin_file),
        "endpoint": _endpoint(options),
    }
    _write_toml(options.state_dir / settings.CLIENT_FILE, client_file)
    if options.endpoint:
        _write_toml(options.state_dir / settings.UP_FILE, {"endpoint": options.endpoint})


def _write_toml(path: Path, values: dict[str, str | None]) -> None:
    # A JSON string is a TOML string (TOML 1.0, "Basic strings").
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in values.items() if value]
    private_files.replace(str(path), "".join(lines))


class _FirstSteps:
    """What happens when the primary serves: an interface if there is none, and a greeting."""

    def __init__(self, options: Local, server: NatsServer, serving: asyncio.Event) -> None:
        self._options = options
        self._server = server
        self._serving = serving
        self._greeted = False

    async def run(self) -> Never:
        await self._serving.wait()
        if not self._greeted:
            async with client.connect(_bus(self._server, ADMIN)) as admin:
                await self._create_interface(admin)
                await self._check_token(admin)
                await self._greet(admin)
        await asyncio.get_running_loop().create_future()
        raise AssertionError("unreachable: nobody completes that future")

    async def _create_interface(self, admin: client.Client) -> None:
        """Create the first interface, unless anything happened in this database before."""
        wanted = self._options.first_interface
        reply = await admin.query("log.list", {"limit": 1})
        if wanted is None or reply.position is None or reply.position.seq > 1:
            return
        await admin.command("interface.create", wanted.command())

    async def _check_token(self, admin: client.Client) -> None:
        """See to it that the token for commands on this host is one.

        It is not when the file is lost, or the database was restored from elsewhere. Whoever
        can read this directory owns the database, so a new one gives nothing away.
        """
        path, bus = self._options.admin_file, _bus(self._server, ADMIN)
        with suppress(errors.Unusable, errors.Denied):
            known = credentials.read(path)
            proof = replace(bus, identity=known.id, user=known.id, password=known.secret)
            async with client.connect(proof):
                return
        made = credentials.make(LOCAL_ADMIN)
        with suppress(errors.NotFound):
            await admin.command("token.delete", commands.DeleteToken(id=made.id))
        token = commands.CreateToken(
            id=made.id,
            secret_digest=inputs.secret_digest(made.secret),
            role="admin",
            description="made by wig up, because admin.json was not good any more",
        )
        await admin.command("token.create", token)
        credentials.write(path, made)
        logger.warning("a new token for this host", extra={"identity": made.id, "file": str(path)})

    async def _greet(self, admin: client.Client) -> None:
        options = self._options
        found = greeting.Greeting(
            server=self._server.url,
            state_dir=str(options.state_dir),
            endpoint=_endpoint(options),
            guessed=options.endpoint is None,
            nodes=await _settled(admin, 2 if options.gateway else 1),
            interfaces=(await _ask(admin, "interface.list"))["interfaces"],
            gateway=options.gateway is not None,
            down_on_exit=options.down_on_exit,
        )
        print(found.document() if options.as_json else found.screen(), flush=True)
        self._greeted = True


async def _ask(admin: client.Client, verb: str) -> dict[str, Any]:
    return (await admin.query(verb)).ok or {}


async def _settled(admin: client.Client, expected: int) -> list[dict[str, Any]]:
    """Return the nodes as soon as all that were started keep up, or after a while as they are."""
    deadline = asyncio.get_running_loop().time() + SETTLE_S_MAX
    while True:
        nodes: list[dict[str, Any]] = (await _ask(admin, "node.status"))["nodes"]
        late = len(nodes) < expected or any(one["lag_entries"] for one in nodes)
        if not late or asyncio.get_running_loop().time() > deadline:
            return nodes
        await asyncio.sleep(SETTLE_CHECK_S)
