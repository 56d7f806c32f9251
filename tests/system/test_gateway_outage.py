"""What does cost a connected client packets: how many, and that each is counted."""

import re
import signal

import pytest

from tests.eventually import eventually_sync
from tests.lab import PacketStream

OUTAGE_S_MAX = 1.0


@pytest.fixture
def stream(tunnel, server):
    """A stream through the tunnel, under way."""
    with PacketStream(tunnel.host, server.host) as packets:
        yield packets


def lost(stream):
    """Return what was lost so far and a moment later."""
    stream.settle()
    return stream.stop()


def test_what_is_lost_is_noticed(gateway, stream):
    """The stream counts exactly, also the little that goes while the way is closed."""
    host = gateway.host
    host.run("nft", "add table ip cut; add chain ip cut c { type filter hook forward priority 0; }")
    stream.settle()
    rule = (
        "add rule ip cut c ip protocol udp limit rate over 100/second burst 5 packets counter drop"
    )
    host.run("nft", rule)
    eventually_sync(lambda: dropped(host) > 20, "some packets to be dropped")
    host.run("nft", "insert rule ip cut c accept")

    there, back = lost(stream)
    assert len(there) + len(back) == dropped(host)
    assert min(stream.sent) > 400


def dropped(host):
    """Return how many packets the rule of the table `cut` has dropped."""
    found = re.search(r"counter packets (\d+)", host.out("nft", "list", "table", "ip", "cut"))
    return int(found[1])


def test_wireguard_is_back_within_a_second(gateway, stream):
    """When its process dies, the client does not even have to greet it."""
    gateway.audit()  # it has noted now where its clients are
    before = gateway.wireguard_pid()
    gateway.host.run("kill", f"-{signal.SIGKILL:d}", str(before))

    eventually_sync(lambda: gateway.wireguard_pid() != before, "another wireguard-go")
    missing = lost(stream)

    assert max(map(len, missing)) <= OUTAGE_S_MAX * stream.rate
