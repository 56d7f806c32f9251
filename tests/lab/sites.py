"""A hub and a gateway host far away, as deploy/README.md has them, all of it real programs.

    hub:    nats-server, the primary
    paris:  a leaf node with a JetStream of its own, a follower, a gateway that follows it

They meet in the network `wide`; the gateway's clients are at `home`, and what they want is in the
`world`.
"""

import json
import shutil
import signal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bridge.server import find_binary
from tests import builders
from tests.eventually import eventually_sync
from tests.guarded import Authority
from tests.lab.host import Host, Spawned
from tests.lab.internet import Internet
from tests.program import WIG, Done, environment, wig

LEAF_PORT = 7422
SERVE_S_MAX = 20.0
WATCH_STEP_S = 0.02
GONE = "gone"
_END = "----"


class Site:
    """A host with its programs, its disk, and their logs."""

    def __init__(self, host: Host, disk: Path) -> None:
        self.host = host
        self.disk = disk
        self.running: dict[str, Spawned] = {}
        self.environment: dict[str, str] = {}
        """More of it, for programs that are started from now on."""
        disk.mkdir()

    def start(self, name: str, *words: str) -> None:
        """Start a program; the one of this name must have ended."""
        assert name not in self.running, f"{name} runs"
        with (self.disk / f"{name}.log").open("ab") as log:
            self.running[name] = self.host.spawn(
                *words, stdout=log, stderr=log, env=environment(self.disk, **self.environment)
            )

    def kill(self, *names: str) -> None:
        """Kill these programs, or all."""
        for name in names or tuple(self.running):
            self.running.pop(name).stop(signal.SIGKILL)

    def stop(self, name: str) -> None:
        """End a program as an init system does."""
        self.running.pop(name).stop()

    def log(self, name: str) -> str:
        """Return what a program logged, in all its lives."""
        return (self.disk / f"{name}.log").read_text()

    def wig(self, *words: str) -> Done:
        """Run a command on the host."""
        return wig(self.disk, *words, host=self.host)

    def done(self, *words: str) -> str:
        """Run a command that must succeed, and return what it printed."""
        found = self.wig(*words)
        assert found.code == 0, f"{words}: {found.err}"
        return found.out

    def start_server(self) -> None:
        """Start nats-server with the configuration that `wig nats-config` wrote."""
        self.start("nats-server", str(find_binary()), "-c", str(self.nats / "nats-server.conf"))

    @property
    def nats(self) -> Path:
        """The directory of nats-server's configuration."""
        return self.disk / "nats"


class Hub(Site):
    """The hub, serving."""

    def __init__(self, host: Host, disk: Path) -> None:
        super().__init__(host, disk)
        self.authority = Authority(disk)
        self.authority.issue("hub", host.ip, "127.0.0.1")
        pem = ("--cert", str(disk / "hub.pem"), "--key", str(disk / "hub.key"))
        self._come = ("--server", "tls://127.0.0.1:4222", "--tls-ca", str(self.authority.path))
        self.done("init", "--db", str(self.db), "--out", str(disk / "admin.json"))
        self.done(
            "nats-config", "hub", "--dir", str(self.nats), "--store", str(disk / "js"), *pem,
            "--ca", str(self.authority.path), "--leaf-listen", f"0.0.0.0:{LEAF_PORT}",
        )  # fmt: skip
        self.start_all()
        self.served()

    @property
    def db(self) -> Path:
        """The primary's database."""
        return self.disk / "wig.db"

    def start_all(self) -> None:
        """Start nats-server and the primary."""
        self.start_server()
        self.start_primary()

    def start_primary(self) -> None:
        """Start the primary."""
        words = ("--db", str(self.db), "--name", "primary", "--server-keys", str(self.nats))
        self.start("primary", *WIG, "datastore", "--domain", "hub", *words, *self._come)

    def start_sessions(self, *words: str) -> None:
        """Start the process that finds sessions, with these options besides."""
        own = ("--db", str(self.disk / "sessions.db"), "--server-keys", str(self.nats))
        self.start("sessions", *WIG, "sessions", "--domain", "hub", *own, *self._come, *words)

    def served(self, lives: int = 1) -> None:
        """Wait until so many primaries have served, one after the other.

        A command that comes too early would wait for the answer to its login.
        """
        eventually_sync(
            lambda: self.log("primary").count(" serving ") == lives, "the primary", SERVE_S_MAX
        )

    def ask(self, *words: str) -> Done:
        """Run an administrator's command."""
        return self.wig(*words, *self._come, "--token-file", str(self.disk / "admin.json"))

    def asked(self, *words: str) -> str:
        """Run an administrator's command that must succeed, and return what it printed."""
        found = self.ask(*words)
        assert found.code == 0, f"{words}: {found.err}"
        return found.out

    def client(self, name: str, gateway: Host) -> str:
        """Return the configuration of a new client, for wg-quick."""
        return self.asked("peer", "create", "wg0", "--name", name, "--endpoint", gateway.ip)

    def peers(self) -> set[str]:
        """Return the public keys of all peers."""
        found = json.loads(self.asked("peer", "list", "--output", "json"))
        return {peer["public_key"] for peer in found["peers"]}

    def restore(self, backup: Path) -> None:
        """Put a backup in the database's place, as README.md says."""
        _remove(self.db)
        shutil.copy(backup, self.db)

    def leafs(self) -> int:
        """Return how many leaf nodes nats-server has."""
        found = self.host.out("curl", "-sf", "http://127.0.0.1:8222/leafz")
        return int(json.loads(found)["leafnodes"])

    def status(self) -> dict[str, dict[str, Any]]:
        """Return the nodes by name."""
        found = self.ask("status", "--output", "json")
        assert found.code in {0, 1}, found.err
        return {node["name"]: node for node in found.document["nodes"]}


class Far(Site):
    """The gateway host: `paris` is its follower, `gw1` its gateway."""

    def __init__(self, host: Host, disk: Path, hub: Hub) -> None:
        super().__init__(host, disk)
        hub.asked("token", "create", "paris", "--role", "relay", "--out", str(disk / "token.json"))
        self.done(
            "nats-config", "leaf", "--dir", str(self.nats), "--name", "paris",
            "--remote", f"{hub.host.addresses['wide'][0]}:{LEAF_PORT}",
            "--token-file", str(disk / "token.json"), "--ca", str(hub.authority.path),
            "--domain", "paris", "--store", str(disk / "js"),
        )  # fmt: skip
        self.start_all()

    def start_all(self) -> None:
        """Start everything, as an init system does: at once."""
        self.start_server()
        self.start_follower()
        self.start_gateway()

    def start_follower(self) -> None:
        """Start the follower."""
        self.start(
            "follower", *WIG, "datastore", "--name", "paris", "--db", str(self.db), "--follow",
            "primary@hub", "--domain", "paris", *self._come,
        )  # fmt: skip

    def start_gateway(self, *words: str) -> None:
        """Start the gateway, with these options besides."""
        own = ("--name", "gw1", "--follow", "paris@paris", *self._come, *words)
        self.start("gateway", *WIG, "gateway", *own)

    @property
    def db(self) -> Path:
        """The follower's database."""
        return self.disk / "paris.db"

    def lose_database(self) -> None:
        """Delete the follower's database."""
        _remove(self.db)

    @property
    def _come(self) -> tuple[str, str]:
        return "--token-file", str(self.nats / "credentials.json")

    def device(self) -> set[str]:
        """Return the public keys on the device; none, if it is not there."""
        return set(self.host.run("wg", "show", "wg0", "peers", check=False).stdout.split())

    def has(self, peers: set[str], timeout_s: float = SERVE_S_MAX) -> None:
        """Wait until these peers, and no others, are on the device."""
        eventually_sync(lambda: self.device() == peers, "the device to have it", timeout_s)


class Watch:
    """Which peers a device had, at each look, until `stop`."""

    def __init__(self, host: Host, file: Path) -> None:
        self._file = file
        look = f"wg show wg0 peers || echo {GONE}; echo {_END}"
        look = f"while sleep {WATCH_STEP_S}; do {look}; done"
        with file.open("wb") as output:
            self._loop = host.spawn("sh", "-c", look, stdout=output)
        eventually_sync(self.seen, "the first look")

    def seen(self) -> list[set[str]]:
        """Return the peers of each look so far."""
        return [set(look.split()) for look in self._file.read_text().split(_END)[:-1]]

    def settle(self, looks: int = 10) -> None:
        """Wait for so many more looks."""
        goal = len(self.seen()) + looks
        eventually_sync(lambda: len(self.seen()) >= goal, f"{looks} more looks")

    def stop(self) -> list[set[str]]:
        """End, and return all looks."""
        self.settle()
        self._loop.stop()
        return self.seen()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.stop()


class World:
    """Hub, gateway host, a client's host, and a web server's."""

    def __init__(self, net: Internet, directory: Path) -> None:
        self.net = net
        self.wide = net.network("wide")
        self.hub = Hub(net.host("hub", "wide"), directory / "hub")
        self.hub.asked("interface", "create", "wg0", "--address", "10.20.0.1/16",
                       "--address", "fd20::1/64", "--port", "51820")  # fmt: skip
        gateway = net.host("paris", "home", "wide", "world")
        self.client = net.host("client", "home")
        self.web = net.host("web", "world")
        self.far = Far(gateway, directory / "paris", self.hub)

    def reboot(self) -> None:
        """Reboot the gateway's host: what is on its disk stays, and nothing else."""
        self.far.running.clear()
        self.far.host = self.net.reboot(self.far.host)

    def strangers(self, count: int) -> None:
        """Create peers that never connect, in one command."""
        before = len(self.hub.peers())
        keys = (builders.key(("stranger", before + number)) for number in range(count))
        file = self.hub.disk / "peers.jsonl"
        file.write_text("".join(f'{{"public_key":"{key}"}}\n' for key in keys))
        self.hub.asked("peer", "import", str(file), "--interface", "wg0")


def _remove(db: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        db.with_name(db.name + suffix).unlink(missing_ok=True)
