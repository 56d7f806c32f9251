"""Datastores as operators run them: `wig datastore` on a nats-server of their own."""

import itertools
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from bridge.server import NatsServer
from tests import builders
from tests.eventually import eventually_sync
from tests.program import WIG, Done, environment, wig

SERVE_S_MAX = 20.0
END_S_MAX = 20.0


_number = itertools.count(1)


class Process:
    """A running `wig …`; killed at the end if it has not ended."""

    def __init__(self, directory: Path, *words: str) -> None:
        self.log_file = directory / f"{words[2]}.{next(_number)}.log"
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [*WIG, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=environment(directory / "state"),
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def log(self) -> str:
        return self.log_file.read_text()

    def send(self, number: int) -> None:
        os.kill(self._process.pid, number)

    def ended(self, timeout_s: float = END_S_MAX) -> int:
        """Wait for its end, and return the exit code."""
        return self._process.wait(timeout_s)

    def stop(self) -> int:
        self.send(signal.SIGTERM)
        return self.ended()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.running:
            self.kill()


class Site:
    """One nats-server, and programs on it."""

    def __init__(self, server: NatsServer, directory: Path) -> None:
        self.server = server
        self.directory = directory
        self._peers = 0
        self.bus = ("--server", server.url, "--token-file", str(server.credentials_file))

    def wig(self, *words: str, identity: str = "admin") -> Done:
        return wig(self.directory / "state", *words, *self.bus, "--identity", identity)

    def local(self, *words: str) -> Done:
        """Run a command that works on files."""
        return wig(self.directory / "state", *words)

    def peer(self) -> Done:
        """Create one more peer."""
        self._peers += 1
        key = builders.key((str(self.directory), self._peers))
        return self.wig("peer", "create", "wg0", "--public-key", key, "--output", "json")

    def interface(self) -> None:
        words = ("--address", "10.0.0.1/16", "--port", "51820")
        done = self.wig("interface", "create", "wg0", *words)
        assert done.code == 0, done.err

    def init(self, name: str) -> Path:
        db = self.directory / name
        done = self.local("init", "--db", str(db))
        assert done.code == 0, done.err
        return db

    def datastore(self, db: Path, name: str, *words: str) -> Process:
        words = ("datastore", "--name", name, "--db", str(db), *words)
        return Process(self.directory, *words, *self.bus)

    def primary(self, db: Path, name: str = "hub") -> Process:
        """Start one, and wait until it serves."""
        started = self.datastore(db, name)
        eventually_sync(
            lambda: self.role(name) == "primary" or not started.running, "it to serve", SERVE_S_MAX
        )
        assert started.running, started.log()
        return started

    def role(self, name: str) -> str | None:
        return next((one["role"] for one in self.nodes() if one["name"] == name), None)

    def converged(self, *names: str) -> bool:
        """Say whether these nodes, and no others, are all at the head."""
        lags = {one["name"]: one["lag_entries"] for one in self.nodes()}
        return lags == dict.fromkeys(names, 0)

    def nodes(self) -> list[dict[str, Any]]:
        done = self.wig("status", "--output", "json")
        return done.document["nodes"] if done.code in {0, 1} else []

    def until(self, check: Callable[[], Any], what: str, timeout_s: float = SERVE_S_MAX) -> Any:
        return eventually_sync(check, what, timeout_s)
