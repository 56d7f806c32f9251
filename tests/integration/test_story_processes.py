"""Stories: programs that are killed, frozen and restarted while commands come."""

import random
import signal
import time

import pytest

from bridge.server import NatsServer, ServerOptions
from tests import trees
from tests.processes import Process, Site


@pytest.fixture
async def site(tmp_path):
    async with NatsServer(ServerOptions(directory=tmp_path / "nats")) as server:
        yield Site(server, tmp_path)


class Three:
    """hub ──▶ paris ──▶ lyon, each a process."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.files = {"hub": site.init("hub.db")}
        self.files |= {name: site.directory / f"{name}.db" for name in ("paris", "lyon")}
        self.upstream = {"paris": "hub", "lyon": "paris"}
        self.processes = {name: self.start(name) for name in self.files}
        site.until(site.nodes, "the primary to serve")
        site.interface()
        self.acknowledged: list[str] = []

    def start(self, name: str) -> Process:
        words = ("--follow", self.upstream[name]) if name in self.upstream else ()
        return self.site.datastore(self.files[name], name, *words)

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name] = self.start(name)

    def write(self) -> None:
        """Create a peer; it is acknowledged, or not."""
        done = self.site.peer()
        if done.code == 0:
            self.acknowledged.append(done.document["peer"]["public_key"])

    def converged(self, what: str) -> None:
        """Wait until all are at the head, then compare everything that they have."""
        began = time.monotonic()
        self.site.until(lambda: self.site.converged(*self.files), "all to be at the head", 40)
        print(f"{what}: converged in {time.monotonic() - began:.2f} s")
        everything = {name: trees.contents(db) for name, db in self.files.items()}
        assert everything["paris"] == everything["hub"]
        assert everything["lyon"] == everything["hub"]
        peers = {getattr(it, "public_key", "") for it in everything["hub"][2]}
        assert set(self.acknowledged) <= peers, "an acknowledged peer is lost"

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()


@pytest.fixture
def three(site):
    it = Three(site)
    yield it
    it.stop()


def test_any_process_is_killed_while_commands_come(three):
    """Hub, followers, in any order; nothing acknowledged is lost."""
    chance = random.Random(3)
    for _ in range(8):
        three.write()
        three.kill(chance.choice(list(three.files)))
        three.write()

    three.write()
    three.converged("killed 8 times")
    assert len(three.acknowledged) >= 9


def test_the_primary_is_frozen(three):
    """Commands fail meanwhile; those below keep what they have, and go on when it wakes up."""
    three.write()
    three.converged("before")
    hub = three.processes["hub"]
    hub.send(signal.SIGSTOP)
    refused = three.site.wig("peer", "list", "--timeout", "2")
    assert refused.code == 3
    site = three.site
    site.until(
        lambda: any(
            "has not heard the primary" in problem or "does not follow" in problem
            for node in site.wig("status", "--node", "paris", "--output", "json").document["nodes"]
            for problem in node["problems"]
        ),
        "those below to say so",
    )
    assert site.wig("peer", "list", "--node", "lyon", "--output", "json").document["peers"]
    hub.send(signal.SIGCONT)

    three.write()
    three.converged("primary frozen")


def test_a_follower_that_is_frozen_slows_nobody(three):
    """The others have each entry at once; it catches up when it wakes up."""
    paris = three.processes["paris"]
    three.site.until(lambda: three.site.converged(*three.files), "all to be there")
    paris.send(signal.SIGSTOP)
    began = time.monotonic()
    for _ in range(5):
        three.write()
    assert len(three.acknowledged) == 5
    print(f"5 commands with a frozen follower: {time.monotonic() - began:.2f} s")
    paris.send(signal.SIGCONT)

    three.converged("follower frozen")
