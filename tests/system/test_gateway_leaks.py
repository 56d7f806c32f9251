"""A gateway can be left alone: what it opens, it closes."""

from pathlib import Path

from tests import builders
from tests.lab import clients

ROUNDS = 5


def descriptors(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def children(gateway):
    return gateway.host.out("pgrep", "-c", "wireguard-go")


def round_of(gateway):
    """Make an interface, change it, audit, lose its device, and delete it."""
    interface = builders.interface("wg1", port=51821, addresses=("10.9.0.1/24",))
    gateway.set(interface, builders.peer("x", interface="wg1", ip="192.168.9.0/24"))
    gateway.audit()
    gateway.host.run("kill", "-9", str(gateway.wireguard_pid("wg1")))
    gateway.audit()
    gateway.delete(builders.peer("x"), interface)


def test_nothing_is_left_of_what_came_and_went(gateway):
    """Descriptors, processes, and zombies of them."""
    gateway.load([builders.interface(), clients.peer(2)])
    round_of(gateway)
    before = descriptors(gateway.pid), children(gateway)

    for _ in range(ROUNDS):
        round_of(gateway)

    assert (descriptors(gateway.pid), children(gateway)) == before
    assert gateway.quarantine() == {}
