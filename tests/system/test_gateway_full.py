"""A device with as many peers as it can have."""

import pytest

from tests import builders
from tests.lab import clients
from wig.linux.userspace import PEERS_MAX
from wig.wanted import full

WIDE = builders.interface(addresses=("10.0.0.1/8", "fd00::1/64"))


def many(count):
    """Return peers that never connect."""
    return [builders.peer(("many", number), ip6=f"fd00::1:{number:x}") for number in range(count)]


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_torture_one_peer_too_many_is_told_and_costs_nobody_a_place(gateway):
    """By wig, before the device refuses it; it gets its place when there is one."""
    others = many(PEERS_MAX - 1)
    gateway.load([WIDE, clients.peer(2), *others])
    assert set(gateway.quarantine()) == {"capacity of wg0"}

    late = builders.peer("late", ip6="fd00::2:1")
    gateway.set(late)

    reason = full("wg0", late.public_key, PEERS_MAX).reason
    assert gateway.quarantine()[f"peer {late.public_key}"] == reason
    assert gateway.host.out("wg", "show", "wg0", "peers").count("\n") == PEERS_MAX
    gateway.delete(others[0])
    gateway.audit()
    assert set(gateway.quarantine()) == {"capacity of wg0"}
    assert late.public_key in gateway.host.out("wg", "show", "wg0", "peers")
