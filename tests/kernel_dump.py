"""The kernel's WireGuard as a writer of messages: what GET_DEVICE answers, and what it is asked.

After get_peer and wg_get_device_dump in Linux, drivers/net/wireguard/netlink.c. Written apart from
`wig.linux.netlink`, so that the two check each other.
"""

import socket
import struct
from base64 import b64decode
from collections.abc import Iterator

from wig.device import Device, DevicePeer

NESTED = 0x8000
FAMILY = 0x1F


def messages(device: Device, bytes_max: int = 4096, flags: int = 2) -> list[bytes]:
    """Return the dump of a device: messages of at most so many bytes, and the end."""
    head = _short(6, device.listen_port) + _number(7, device.fwmark) + _number(1, 9)
    head += _attribute(2, b"wg0\0")
    if device.private_key is not None:
        head += _attribute(3, b64decode(device.private_key.reveal())) + _attribute(4, bytes(32))
    found, peers = [], b""
    for piece in _pieces(device, bytes_max - len(head) - 28):
        if len(head) + len(peers) + len(piece) + 28 > bytes_max:
            found.append(_message(head + _attribute(8 | NESTED, peers), flags))
            head, peers = b"", b""
        peers += piece
    found.append(_message(head + (_attribute(8 | NESTED, peers) if peers else b""), flags))
    return [*found, ended(0)]


def ended(number: int) -> bytes:
    """Return the end of a dump, with an errno."""
    return struct.pack("=IHHIIi", 20, 3, 2, 0, 0, -number)


def refused(number: int) -> bytes:
    """Return an error, or with 0 the acknowledgement, of a request."""
    return struct.pack("=IHHIIi", 36, 2, 0x100, 0, 0, -number) + bytes(16)


def _pieces(device: Device, room: int) -> Iterator[bytes]:
    for key, peer in device.peers.items():
        head = _attribute(1, b64decode(key))
        rest = list(map(_allowed_ip, peer.allowed_ips))
        whole = head + _rest(peer)
        while True:
            some = []
            while rest and len(whole) + 8 + sum(map(len, some)) + len(rest[0]) <= room:
                some.append(rest.pop(0))
            yield _attribute(NESTED, whole + _attribute(9 | NESTED, b"".join(some)))
            if not rest:
                break
            whole = head


def _rest(peer: DevicePeer) -> bytes:
    preshared = bytes(32) if peer.preshared_key is None else _key(peer.preshared_key)
    text = _attribute(2, preshared) + _attribute(6, struct.pack("=qq", peer.handshake_s, 5))
    text += _short(5, peer.keepalive_s)
    text += _attribute(8, struct.pack("=Q", peer.sent_bytes))
    text += _attribute(7, struct.pack("=Q", peer.received_bytes)) + _number(10, 1)
    if peer.endpoint is not None:
        host, _, port = peer.endpoint.reveal().rpartition(":")
        text += _attribute(4, _sockaddr(host.strip("[]"), int(port)))
    return text


def _key(secret: object) -> bytes:
    return b64decode(secret.reveal())  # type: ignore[attr-defined]


def _sockaddr(host: str, port: int) -> bytes:
    if ":" not in host:
        address = socket.inet_pton(socket.AF_INET, host)
        return struct.pack("=H", 2) + struct.pack(">H", port) + address + bytes(8)
    host, _, zone = host.partition("%")
    address = socket.inet_pton(socket.AF_INET6, host)
    head = struct.pack("=H", 10) + struct.pack(">H", port) + bytes(4)
    return head + address + struct.pack("=I", int(zone or 0))


def _allowed_ip(text: str) -> bytes:
    host, _, length = text.partition("/")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    address = socket.inet_pton(family, host)
    mask = bytes([int(length or 8 * len(address))])
    return _attribute(NESTED, _attribute(3, mask) + _short(1, family) + _attribute(2, address))


def _message(attributes: bytes, flags: int) -> bytes:
    size = 20 + len(attributes)
    return struct.pack("=IHHIIBBH", size, FAMILY, flags, 0, 0, 0, 1, 0) + attributes


def _short(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("=H", value))


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("=I", value))


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
