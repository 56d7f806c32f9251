"""Rate limits of peers: what is too much is dropped, exactly; TCP keeps going; others get more."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests import builders
from tests.lab import PacketStream, WgQuick, clients, pour
from tests.lab.gateway import DrivenGateway
from tests.lab.host import Host, Spawned
from tests.lab.send_packets import PADDING_BYTES
from tests.lab.stream import NOTHING
from wig.linux.limits import BURST_BYTES

PORT = "5000"
RATE = 400_000
"""A third of what a stream of packets sends."""
PACKETS_PER_S = 1050
PACKET_BYTES = {4: 20 + 8 + 8 + PADDING_BYTES, 6: 40 + 8 + 8 + PADDING_BYTES}
"""As nftables counts: with the headers of IP and UDP."""
SETTLED = 3 * PACKETS_PER_S
"""What the kernel lets pass at once has long passed when packets have these numbers."""
TOLERANCE = 0.1
TCP_RATE = 2_000_000
"""So low that a busy machine still carries it, and far more beside it."""
TCP_S = 6.0
SAVED_BITS = TCP_RATE + BURST_BYTES * 8
"""What the kernel lets pass at once, after a time of less: a second's worth, and the burst."""


@pytest.fixture
def target(net) -> Iterator[Host]:
    """A host behind the gateway that takes and gives as much as comes through."""
    host = net.host("target", "world")
    with host.spawn(sys.executable, pour.__file__, "serve", PORT, stdout=subprocess.PIPE) as server:
        assert server.popen.stdout is not None
        server.popen.stdout.readline()
        yield host


@pytest.fixture
def other(net, gateway, tunnel) -> Iterator[WgQuick]:
    """Client 3, connected beside client 2."""
    gateway.set(clients.peer(3))
    with WgQuick(net.host("other", "access"), clients.config(3, gateway, dns=None)) as quick:
        yield quick


def passed(stream: PacketStream, version: int) -> list[float]:
    """Return the bit/s that passed there and back, once the limit alone decided."""
    shares = []
    for lost, sent in zip(stream.stop(), stream.sent, strict=True):
        assert sent > 2 * SETTLED
        shares.append(1 - sum(number >= SETTLED for number in lost) / (sent - SETTLED))
    return [share * PACKETS_PER_S * PACKET_BYTES[version] * 8 for share in shares]


def pouring(host: Host, direction: str, address: str) -> Spawned:
    """Start to pour through the tunnel."""
    arguments = (sys.executable, pour.__file__, direction, address, PORT, str(TCP_S))
    return host.spawn(*arguments, stdout=subprocess.PIPE)


def poured(started: Spawned) -> float:
    """Return the bits that arrived, from the beginning."""
    assert started.popen.stdout is not None
    counts = json.loads(started.popen.stdout.read())
    assert started.wait() == 0
    return float(counts[-1] * 8)


@pytest.mark.parametrize("version", [4, 6])
def test_a_limited_peer_gets_its_rate_and_another_what_it_likes(
    gateway: DrivenGateway, tunnel, other, target, version
):
    """In both directions, at the same time: the other loses nothing."""
    gateway.set(clients.peer(2, rate_limit=RATE))
    address = target.ip if version == 4 else target.ip6

    with (
        PacketStream(tunnel.host, target, PACKETS_PER_S, address) as limited,
        PacketStream(other.host, target, PACKETS_PER_S, address, port=4998) as free,
    ):
        free.settle(2 * SETTLED)
        assert free.stop() == NOTHING
        assert passed(limited, version) == pytest.approx([RATE, RATE], rel=TOLERANCE)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_tcp_keeps_going_below_its_limit(gateway: DrivenGateway, tunnel, other, target, direction):
    """It never gets more; what it makes of that is its own affair, and the machine's."""
    gateway.set(clients.peer(2, rate_limit=TCP_RATE))

    both = [pouring(host, direction, target.ip) for host in (tunnel.host, other.host)]
    limited, free = map(poured, both)

    assert TCP_RATE * TCP_S / 2 < limited <= TCP_RATE * TCP_S + SAVED_BITS
    assert free > 2 * limited


def test_a_range_is_limited_as_one(gateway: DrivenGateway, tunnel, target):
    """Also outside the pool, which loads the table anew; without the limit it is free again."""
    client = tunnel.host
    client.run("ip", "addr", "add", "192.168.7.9/32", "dev", "vpn0")
    client.run("ip", "route", "replace", f"{target.ip}/32", "dev", "vpn0", "src", "192.168.7.9")
    ranged = {"ip": "192.168.7.0/24", "rate_limit": RATE}
    gateway.set(clients.peer(3, rate_limit=RATE))
    gateway.set(clients.peer(2, **ranged))
    with PacketStream(client, target, PACKETS_PER_S) as stream:
        stream.settle(SETTLED)
        assert passed(stream, 4) == pytest.approx([RATE, RATE], rel=TOLERANCE)

    gateway.set(clients.peer(2, **ranged | {"rate_limit": None}))

    with PacketStream(client, target, PACKETS_PER_S) as stream:
        stream.settle(SETTLED)
        assert stream.stop() == NOTHING
    assert gateway.audit() == 0


def test_a_limit_of_another_peer_costs_no_packet(gateway: DrivenGateway, other, target):
    """Set, changed, with other addresses, and removed, again and again."""
    with PacketStream(other.host, target) as stream:
        for round_ in range(20):
            gateway.set(clients.peer(2, rate_limit=RATE + round_))
            gateway.set(clients.peer(2, rate_limit=RATE, ip6=None))
            gateway.set(clients.peer(2))
        stream.settle()
        assert stream.stop() == NOTHING
    assert gateway.audit() == 0


def test_limits_that_somebody_changed_are_repaired(gateway: DrivenGateway):
    """And counted once; what others do to tables of their own is no drift."""
    first, second = clients.peer(2, rate_limit=RATE), clients.peer(3, rate_limit=RATE)
    gateway.load([builders.interface(), first, second])
    host = gateway.host
    wanted = host.out("nft", "list", "table", "inet", "wig")

    host.run("nft", "add table inet other; add chain inet other here")
    assert gateway.audit() == 0
    host.run("nft", "delete element inet wig up4_hosts { 10.0.0.2 }")
    assert gateway.audit() == 1
    assert gateway.audit() == 0

    assert host.out("nft", "list", "table", "inet", "wig") == wanted
    host.run("nft", "delete", "table", "inet", "wig")
    gateway.set(clients.peer(2, rate_limit=2 * RATE))
    assert list(gateway.quarantine()) == ["limits of peers"]
    assert gateway.audit() == 1
    assert gateway.quarantine() == {}
