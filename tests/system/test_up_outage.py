"""The control plane is gone, wholly or in part: connected clients must not notice."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from tests.eventually import eventually_sync
from tests.lab.internet import Internet
from tests.lab.need import need
from tests.lab.ping import PingStream
from tests.lab.wg_quick import WgQuick
from tests.program import WIG, Up, environment

PINGS_PER_S = 200
CONVERGE_S_MAX = 20.0


class World:
    """A primary with its nats-server, a gateway as a program of its own, and a connected client."""

    def __init__(self, net: Internet, directory: Path) -> None:
        self.host = net.host("gateway", "home", "world")
        self.client = net.host("client", "home")
        self.web = net.host("web", "world")
        self.state_dir = directory / "state"
        self.start_primary()
        self.start_gateway()

    def start_primary(self) -> None:
        options = ("--no-gateway", "--endpoint", self.host.ip)
        self.up = Up(self.state_dir, *options, host=self.host)

    def start_gateway(self) -> None:
        token = str(self.state_dir / "nats" / "credentials.json")
        words = ("--server", self.up.ready["server"], "--token-file", token)
        words = ("gateway", "--name", "gw1", "--follow", "primary", *words)
        self.gateway = self.host.spawn(*WIG, *words, env=environment(self.state_dir))

    def create_peer(self) -> tuple[str, str]:
        """Return a new peer's configuration and its key, once its gateway has it."""
        done = self.up.wig("peer", "create", "wg0")
        assert done.code == 0, done.err
        public = done.err.split()[-1]
        eventually_sync(
            lambda: public in self.host.run("wg", "show", "wg0", "peers", check=False).stdout,
            "the gateway to apply a peer", CONVERGE_S_MAX,
        )  # fmt: skip
        return done.out, public

    def kill_server(self) -> None:
        """Kill nats-server only; the primary starts it again."""
        children = Path(f"/proc/{self.up.pid}/task/{self.up.pid}/children").read_text().split()
        [server] = [
            pid for pid in children if "nats-server" in Path(f"/proc/{pid}/cmdline").read_text()
        ]
        os.kill(int(server), signal.SIGKILL)

    def stop(self) -> None:
        self.gateway.stop()
        with contextlib.suppress(ProcessLookupError):
            self.up.stop()


@pytest.fixture
def world(tmp_path):
    """Everything that a client needs, running."""
    need()
    with Internet() as net:
        found = World(net, tmp_path)
        yield found
        found.stop()


@pytest.fixture
def pings(world):
    """Pings through the tunnel, under way."""
    with (
        WgQuick(world.client, world.create_peer()[0]),
        PingStream(world.client, world.web.ip, 1 / PINGS_PER_S) as stream,
    ):
        stream.settle()
        yield stream


def test_packets_pass_while_primary_and_server_are_dead(world, pings):
    """Also when the gateway is killed and started meanwhile; then all of it converges by itself."""
    world.up.kill()
    pings.settle(PINGS_PER_S)
    world.gateway.stop(signal.SIGKILL)
    pings.settle(PINGS_PER_S)
    world.start_gateway()
    pings.settle(PINGS_PER_S)
    world.start_primary()
    _, later = world.create_peer()
    lost = pings.stop()

    assert lost == []
    assert later in world.host.out("wg", "show", "wg0", "peers")


def test_packets_pass_while_the_server_is_killed(world, pings):
    """The primary starts it again, and a change after that arrives."""
    world.kill_server()
    eventually_sync(lambda: world.up.wig("peer", "list").code == 0, "the bus to be there again")
    world.create_peer()

    assert pings.stop() == []
