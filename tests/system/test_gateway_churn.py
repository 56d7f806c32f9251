"""A day of changes in a few minutes: what comes goes again, and nothing piles up."""

import random
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests import builders
from tests.eventually import eventually_sync
from tests.lab import clients
from tests.lab.footprint import footprint

PEERS, BATCH_MAX = 300, 20
MINUTES = 60
GROWTH_KB_MAX = 4_000
"""Of a day: 300 bytes for each change would be noticed. It grows by 2 MB in the first hours, while
the allocator finds out how much it needs at most, and then stays."""


class Churn:
    """A gateway that is never left alone; each minute of its time takes a moment."""

    def __init__(self, gateway, seed):
        self._gateway = gateway
        self._chance = random.Random(seed)
        self._pool = clients.strangers(PEERS)
        self._minute = 0

    def settle(self):
        """Go back to where it began: one interface, one client."""
        wide = builders.interface(addresses=("10.0.0.1/16", "fd00::1/64"))
        self._gateway.load([wide, clients.peer(2)])
        self._gateway.audit()

    def hour(self, minutes=MINUTES):
        """Live through changes and audits, lose a device, and load a snapshot."""
        for _ in range(minutes):
            self._minute += 1
            self._change_peers()
            if self._chance.random() < 0.2:
                self._meddle()
            self._gateway.audit()
            if self._chance.random() < 0.2:
                self._gateway.wipe(self._minute * 60.0)
        self._lose_a_device(f"wg{self._minute}")
        self._gateway.load()

    def _change_peers(self):
        chosen = self._chance.sample(self._pool, self._chance.randint(1, BATCH_MAX))
        known = [each for each in chosen if self._gateway.state.peer(each.public_key)]
        if known and self._chance.random() < 0.5:
            self._gateway.delete(*known)
            return
        changes = [{"ip6": None}, {"enabled": False}, {"rate_limit": 1_000_000}, {"name": "x"}]
        self._gateway.set(*(replace(each, **self._chance.choice(changes)) for each in chosen))

    def _meddle(self):
        """Do by hand what an audit repairs, and give a peer an address that is forgotten."""
        host, peer = self._gateway.host, self._chance.choice(self._pool).public_key
        host.run("wg", "set", "wg0", "peer", peer, "endpoint", "192.0.2.1:9")
        host.run("ip", "address", "replace", "10.77.0.1/24", "dev", "wg0")
        host.run("nft", "add", "rule", "inet", "wig", "postrouting", "accept")

    def _lose_a_device(self, name):
        """An interface comes, has a peer and a route, loses its process, changes, and goes."""
        interface = builders.interface(name, port=51000, addresses=("10.9.0.1/24",))
        peer = builders.peer(name, interface=name, ip="192.168.9.0/24")
        self._gateway.set(interface, peer)
        before = self._gateway.wireguard_pid(name)
        self._gateway.host.run("kill", "-9", str(before))
        eventually_sync(lambda: peer.public_key in self._peers(name), f"{name} to be back")
        self._gateway.set(replace(interface, port=51001, addresses=("10.9.1.1/24",)))
        self._gateway.delete(peer, interface)

    def _peers(self, name):
        return self._gateway.host.run("wg", "show", name, "peers", check=False).stdout

    def footprint(self):
        """Return all that may pile up on the host and in the process, apart from memory."""
        host = self._gateway.host
        found = {
            **footprint(host),
            "sockets": host.out("ss", "-xlupn"),
            "states": host.out("ps", "-e", "-o", "comm=,stat="),
        }
        process = Path(f"/proc/{self._gateway.pid}")
        found["threads"] = len(list((process / "task").iterdir()))
        found["descriptors"] = len(list((process / "fd").iterdir()))
        return found

    def memory_kb(self):
        """Return the resident memory of the gateway's process."""
        text = Path(f"/proc/{self._gateway.pid}/status").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS"))


def live(gateway, warm_up, hours, minutes=MINUTES):
    """Live through hours to warm up, and more; nothing may be left, and memory stays flat."""
    churn = Churn(gateway, seed=1)
    churn.settle()
    for _ in range(warm_up):
        churn.hour(minutes)
    churn.settle()
    before, memory_kb = churn.footprint(), churn.memory_kb()

    for _ in range(hours):
        churn.hour(minutes)
    churn.settle()

    assert churn.footprint() == before
    assert gateway.quarantine() == {}
    assert churn.memory_kb() - memory_kb < GROWTH_KB_MAX


def test_some_churn_leaves_nothing_behind(gateway):
    """Peers, interfaces, snapshots, audits, deaths, and what somebody does by hand."""
    live(gateway, warm_up=1, hours=2, minutes=20)


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_torture_a_day_of_churn_leaves_nothing_behind(gateway):
    """The same for 24 hours of sixty minutes, each with a batch of changes and an audit."""
    live(gateway, warm_up=4, hours=24)
