"""A tree on real parts, to tell stories about: what breaks, and how everybody gets over it.

    hub ──▶ paris ──▶ lyon        datastores; each has a gateway: gw-hub, gw-paris, gw-lyon

Real are nats-server with its files, the databases, and everything in `bridge`; gateways record
what they would have put on their devices. Each node is started and stopped alone.
"""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from bridge.follower import Follower
from bridge.follower_datastore import FollowerDatastore
from bridge.server import NatsServer, ServerOptions
from tests import replicas, trees
from tests.eventually import eventually
from tests.replicas import Small, StateSink
from wig.log import Position, Record
from wig.model import Object
from wig.snapshot import Header

UPSTREAM = {
    "paris": "hub",
    "lyon": "paris",
    "gw-hub": "hub",
    "gw-paris": "paris",
    "gw-lyon": "lyon",
}
FOLLOWERS = ("paris", "lyon")
GATEWAYS = ("gw-hub", "gw-paris", "gw-lyon")
CONVERGE_S_MAX = 30.0
FILES = ("", "-wal", "-shm")


class Recorder(StateSink):
    """A gateway whose device is watched throughout."""

    def __init__(self) -> None:
        super().__init__()
        self.peers: list[int] = []
        """How many there were after each change."""

    def apply(self, epoch: str, records: Sequence[Record]) -> None:
        super().apply(epoch, records)
        self.peers.append(self.state.peer_count("wg0"))

    def load(self, header: Header, objects: Iterable[Object]) -> None:
        super().load(header, objects)
        self.peers.append(self.state.peer_count("wg0"))


class Tree:
    """The nodes by name, running or not."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.server = NatsServer(ServerOptions(directory=directory / "nats"))
        self.hub: Small
        self.sinks = {name: Recorder() for name in GATEWAYS}
        self.running: dict[str, tuple[AsyncExitStack, Any]] = {}
        self.upstream = dict(UPSTREAM)

    async def __aenter__(self) -> Self:
        await self.server.__aenter__()
        await self.start("hub")
        await self.hub.interface()
        await self.hub.peers(20)
        return self

    async def __aexit__(self, *error: object) -> None:
        for name in reversed(list(self.running)):
            await self.stop(name)
        await self.server.stop()

    # -- nodes

    def db(self, name: str) -> Path:
        return self.directory / f"{name}.db"

    async def start(self, *names: str) -> None:
        for name in names or ("hub", *UPSTREAM):
            stack = AsyncExitStack()
            self.running[name] = stack, await stack.enter_async_context(self._node(name))
            if name == "hub":
                self.hub = self.running[name][1]

    def _node(self, name: str) -> Any:
        if name == "hub":
            return replicas.primary(self.server, self.db("hub"))
        if name in FOLLOWERS:
            return trees.follower(self.server, self.db(name), name, self.upstream[name])
        upstream = self.upstream[name]
        return replicas.downstream(self.server, self.sinks[name], name, upstream=upstream)

    async def stop(self, *names: str) -> None:
        for name in names:
            stack, _ = self.running.pop(name)
            await stack.aclose()

    def follower(self, name: str) -> FollowerDatastore:
        found = self.running[name][1]
        assert isinstance(found, FollowerDatastore)
        return found

    def gateway(self, name: str) -> Follower:
        found = self.running[name][1]
        assert isinstance(found, Follower)
        return found

    # -- files

    def keep(self, what: str, name: str) -> None:
        """Copy a database that nobody has open."""
        for suffix in FILES:
            source = self.directory / f"{name}.db{suffix}"
            if source.exists():
                shutil.copy(source, self.directory / f"{what}.db{suffix}")

    def put_back(self, what: str, name: str) -> None:
        self.delete(name)
        self.keep(name, what)

    def delete(self, name: str) -> None:
        for suffix in FILES:
            (self.directory / f"{name}.db{suffix}").unlink(missing_ok=True)

    # -- the server

    async def kill_server(self) -> None:
        process = self.server._process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()

    async def start_server(self) -> None:
        await self.server._start()

    @property
    def store(self) -> Path:
        """Everything that JetStream keeps."""
        return self.directory / "nats" / "jetstream"

    async def ask_jetstream(self, what: str, body: bytes = b"") -> bytes:
        """Ask as an administrator of the server would."""
        async with replicas.bus(self.server, "admin") as bus:
            return bytes((await bus.request(f"$JS.API.{what}", body, timeout_s=5)).data)

    # -- how it ends

    async def converged(self, what: str = "", *, rewound: bool = False) -> None:
        """Wait until all that runs is where the primary is, then compare all contents.

        `rewound`: devices could not but go back, for nobody could know that they had to.
        """
        began = time.monotonic()
        await eventually(lambda: not self._behind(), f"{what}: all at the head", CONVERGE_S_MAX)
        if what:
            print(f"{what}: converged in {time.monotonic() - began:.2f} s")
        position, state_digest, objects = await asyncio.to_thread(trees.contents, self.db("hub"))
        assert position == self.hub.position
        for name in self.running:
            if name in FOLLOWERS:
                theirs = await asyncio.to_thread(trees.contents, self.db(name))
                assert theirs == (position, state_digest, objects), name
            elif name in GATEWAYS:
                state = self.sinks[name].state
                assert state.state_digest == state_digest, name
                assert sorted(map(repr, state.objects())) == sorted(map(repr, objects)), name
                if not rewound:
                    self._check_record(name)

    def _behind(self) -> list[str]:
        goal = self.hub.position
        return [name for name in self.running if self._where(name) != goal]

    def _where(self, name: str) -> Position | None:
        if name == "hub":
            return self.hub.position
        if name in FOLLOWERS:
            return trees.published(self.follower(name))
        return self.sinks[name].where

    def _check_record(self, name: str) -> None:
        """No device ever went back, or had an entry of the last epoch that the primary has not."""
        seen = [(it.epoch, it.seq) for it in self.sinks[name].seen]
        assert seen == sorted(seen), f"{name} went back"
        datastore = self.hub.it.node.datastore
        for position in self.sinks[name].seen:
            digest = datastore.digest_at(position.seq)
            if position.epoch == self.hub.position.epoch and digest:
                assert digest.hex() == position.digest, f"{name}: {position}"
