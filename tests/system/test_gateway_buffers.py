"""A userspace WireGuard that gets no processor for a while: its packets wait, and are not lost."""

import re
import signal
from pathlib import Path

from tests import builders
from tests.eventually import eventually_sync
from tests.lab import PacketStream, clients
from tests.lab.host import Host
from tests.lab.stream import NOTHING
from wig.linux.buffers import BUFFER_BYTES, QUEUE_PACKETS

DEFAULT_BYTES = int(Path("/proc/sys/net/core/rmem_default").read_text())


def memory(host: Host, field: str) -> list[int]:
    """Return a field of `skmem`, ss(8), of each UDP socket of the host; `rb` is the buffer."""
    return [int(value) for value in re.findall(rf"[(,]{field}(\d+)", host.out("ss", "-Hunam"))]


def test_packets_wait_for_a_process_that_gets_no_time(gateway, tunnel, server):
    """More than the kernel's own buffer would hold."""
    host, pid = gateway.host, str(gateway.wireguard_pid())
    with PacketStream(tunnel.host, server.host, rate=400) as stream:
        host.run("kill", f"-{signal.SIGSTOP:d}", pid)
        eventually_sync(lambda: max(memory(host, "r")) > DEFAULT_BYTES, "packets that wait")
        host.run("kill", f"-{signal.SIGCONT:d}", pid)
        stream.settle()
        assert stream.stop() == NOTHING


def test_every_socket_and_interface_has_room(gateway):
    """Also of a device made by hand, with another port, beside another device, and up again."""
    host = gateway.host
    host.run("wireguard-go", "wg0")
    host.run("ip", "link", "set", "wg0", "up")
    host.run("wg", "set", "wg0", "listen-port", "51820")
    assert max(memory(host, "rb")) == DEFAULT_BYTES

    gateway.load([builders.interface(), clients.peer(2)])
    adopted = memory(host, "rb")
    gateway.set(builders.interface(port=51999))
    gateway.set(builders.interface("wg1", port=51821, addresses=()))

    for name in ("wg0", "wg1"):
        assert f"qlen {QUEUE_PACKETS}" in host.out("ip", "link", "show", name)
    twice = 2 * BUFFER_BYTES  # "the kernel doubles this value", socket(7)
    assert adopted == [twice] * 2, "of IPv4 and of IPv6"
    assert memory(host, "rb") == [twice] * 4
    assert memory(host, "tb") == [twice] * 4

    host.run("ip", "link", "set", "wg0", "down")
    assert gateway.audit() > 0
    assert memory(host, "rb") == [twice] * 4
