"""What links count."""

import socket

from wig.linux import traffic


def test_every_link_has_its_counters():
    """What goes through the loopback is seen on it."""
    before = traffic.read()["lo"]

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        one.sendto(b"x" * 1000, one.getsockname())
        one.recv(1000)

    after = traffic.read()["lo"]
    assert after.received_bytes >= before.received_bytes + 1000
    assert after.sent_bytes >= before.sent_bytes + 1000
