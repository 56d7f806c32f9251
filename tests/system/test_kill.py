"""Killing any process at any moment: nothing that was acknowledged is lost, all of it converges."""

import contextlib
import json
import os
import random
import signal
import sys
from pathlib import Path

import pytest

from tests.eventually import eventually_sync
from tests.lab.internet import Internet
from tests.lab.need import need
from tests.program import WIG, Up, environment, wig
from wig.sqlite.reader import Reader

CONVERGE_S_MAX = 30.0
WRITES_S_MAX = 30.0


class World:
    """One host with a primary, its nats-server, a gateway, and a client that never stops."""

    def __init__(self, net: Internet, directory: Path) -> None:
        self.host = net.host("gateway")
        self.state_dir = directory / "state"
        self.path = directory / "acknowledged"
        self.log = directory / "gateway.log"
        self.up = self.start()
        pool = ("--address", "10.0.0.1/16", "--address", "fd00::1/64")
        assert self.up.wig("interface", "update", "wg0", *pool).code == 0
        self.path.touch()
        self.gateway = self.start_gateway()
        self.writer = self.host.python("tests.writer", *self.bus, str(self.path))

    def start(self) -> Up:
        return Up(self.state_dir, "--no-gateway", host=self.host)

    @property
    def bus(self) -> tuple[str, str]:
        return self.up.ready["server"], str(self.state_dir / "nats" / "credentials.json")

    def start_gateway(self):
        server, proof = self.bus
        words = ("gateway", "--name", "gw1", "--follow", "primary", "--server", server)
        words = (*words, "--token-file", proof)
        with self.log.open("ab") as log:
            return self.host.spawn(*WIG, *words, stderr=log, env=environment(self.state_dir))

    def acknowledged(self) -> set[str]:
        return set(self.path.read_text().split())

    def wait_for_writes(self, count: int) -> None:
        goal = len(self.acknowledged()) + count
        eventually_sync(
            lambda: len(self.acknowledged()) >= goal, f"{count} more writes", WRITES_S_MAX
        )

    def kill_primary(self) -> None:
        """The server dies with it."""
        self.up.kill()
        self.up = self.start()

    def kill_server(self) -> None:
        """The primary starts it again."""
        children = Path(f"/proc/{self.up.pid}/task/{self.up.pid}/children").read_text().split()
        servers = [
            pid for pid in children if "nats-server" in Path(f"/proc/{pid}/cmdline").read_text()
        ]
        [server] = servers
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(server), signal.SIGKILL)

    def kill_gateway(self) -> None:
        self.gateway.stop(signal.SIGKILL)
        self.gateway = self.start_gateway()

    def device(self) -> set[str]:
        shown = self.host.run("wg", "show", "wg0", "peers", check=False).stdout
        return set(shown.split())

    def peers(self) -> set[str]:
        with Reader(self.state_dir / "wig.db") as reader:
            return {peer.public_key for peer in reader.peers(None, 1_000_000)}

    def check(self) -> None:
        """Compare what was acknowledged, the database, the stream and the device."""
        missing = self.acknowledged() - self.peers()
        assert not missing, f"{len(missing)} acknowledged peers are lost"
        eventually_sync(
            lambda: self.device() == self.peers(), "the device to have every peer", CONVERGE_S_MAX
        )
        assert stream_of(self) == log_of(self)
        self.up.stop()
        done = wig(self.state_dir, "verify", str(self.state_dir / "wig.db"))
        assert done.code == 0, done.err


def stream_of(world: World) -> list[list[object]]:
    dumped = world.host.out(sys.executable, "-m", "tests.stream_dump", *world.bus, "primary")
    return json.loads(dumped)


def log_of(world: World) -> list[list[object]]:
    with Reader(world.state_dir / "wig.db") as reader:
        return [
            [record.seq, record.digest.hex(), record.payload.decode()]
            for record in reader.records(0, 1_000_000)
        ]


def kill_at_random(tmp_path: Path, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    with Internet() as net:
        world = World(net, tmp_path)
        victims = (world.kill_primary, world.kill_server, world.kill_gateway)
        for number in range(rounds):
            world.wait_for_writes(chance.randrange(1, 40))
            victims[number % len(victims)]()
        world.wait_for_writes(10)
        world.writer.stop(signal.SIGKILL)
        world.check()


def test_25_kills_lose_nothing(tmp_path):
    """Primary, nats-server and gateway are killed in turn while a client writes."""
    need()

    kill_at_random(tmp_path, rounds=25, seed=1)


@pytest.mark.torture
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(3))
def test_torture_300_kills_lose_nothing(tmp_path, seed):
    """The same for a long time."""
    need()

    kill_at_random(tmp_path, rounds=100, seed=seed)
