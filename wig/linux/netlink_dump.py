"""What the kernel's WireGuard answers: devices and peers out of generic netlink's bytes.

Called by the kernel backend; see `netlink`. A device comes as a dump of many messages, and a peer
with many allowed IPs is continued in the next one, so nothing is complete before the end.
"""

from binascii import b2a_base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from socket import AF_INET, AF_INET6, inet_ntop
from struct import Struct
from typing import Any, NamedTuple

from wig import keys
from wig.device import Device, DevicePeer, Endpoint
from wig.linux.netlink import (
    ATTRIBUTE,
    CTRL_ATTR_FAMILY_ID,
    GENERIC,
    MESSAGE,
    NO_KEY,
    WGALLOWEDIP_A_CIDR_MASK,
    WGALLOWEDIP_A_FAMILY,
    WGALLOWEDIP_A_IPADDR,
    WGDEVICE_A_FWMARK,
    WGDEVICE_A_LISTEN_PORT,
    WGDEVICE_A_PEERS,
    WGDEVICE_A_PRIVATE_KEY,
    WGPEER_A_ALLOWEDIPS,
    WGPEER_A_ENDPOINT,
    WGPEER_A_LAST_HANDSHAKE_TIME,
    WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL,
    WGPEER_A_PRESHARED_KEY,
    WGPEER_A_PROTOCOL_VERSION,
    WGPEER_A_PUBLIC_KEY,
    WGPEER_A_RX_BYTES,
    WGPEER_A_TX_BYTES,
)
from wig.samples import Sample

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_DUMP_INTR = 0x10
_TYPE_MASK = 0x3FFF  # NLA_TYPE_MASK: without the flags for nesting and byte order

_I32 = Struct("=i")
_U16 = Struct("=H")
_U32 = Struct("=I")
_U64 = Struct("=Q")
_I64 = Struct("=q")
_SOCKADDR_IN6 = Struct("=2x2sI16sI")


class Reply(NamedTuple):
    """One message from the kernel."""

    kind: int
    flags: int
    error: int
    """Of an error, or of the end of a dump: an `errno`, 0 if all is well."""
    start: int
    """Where its attributes begin, and `end` in the bytes."""
    end: int

    @property
    def last(self) -> bool:
        """Whether nothing more comes."""
        return self.kind in {NLMSG_ERROR, NLMSG_DONE}


def replies(data: bytes) -> Iterator[Reply]:
    """Yield the messages in what was received at once; raise ValueError at one that is cut."""
    start = 0
    while start < len(data):
        size, kind, flags = _header(data, start)
        body, end = start + MESSAGE.size, start + size
        error = 0
        if kind in {NLMSG_ERROR, NLMSG_DONE} and body + _I32.size <= end:
            error = -_I32.unpack_from(data, body)[0]
        yield Reply(kind, flags, error, body + GENERIC.size, end)
        start = end + (-size % 4)


def _header(data: bytes, start: int) -> tuple[int, int, int]:
    if start + MESSAGE.size > len(data):
        raise ValueError("a message without a whole header")
    size, kind, flags, _, _ = MESSAGE.unpack_from(data, start)
    if size < MESSAGE.size or start + size > len(data):
        raise ValueError("a message that is longer than what was received")
    return size, kind, flags


def family(data: bytes, reply: Reply) -> int:
    """Return the number that the kernel gave to WireGuard."""
    found = {kind: start for kind, start, _ in _attributes(data, reply.start, reply.end)}
    return int(_U16.unpack_from(data, found[CTRL_ATTR_FAMILY_ID])[0])


@dataclass(slots=True)
class Dump:
    """A device, as its messages come in."""

    private_key: keys.PrivateKey | None = None
    listen_port: int = 0
    fwmark: int = 0
    peers: dict[str, DevicePeer] = field(default_factory=dict)

    def add(self, data: bytes, reply: Reply) -> None:
        """Take one message; raise ValueError if it is not understood."""
        for kind, start, end in _attributes(data, reply.start, reply.end):
            if kind == WGDEVICE_A_PEERS:
                for key, peer in _peers(data, start, end):
                    self._add_peer(key, peer)
            elif kind == WGDEVICE_A_PRIVATE_KEY:
                self.private_key = keys.PrivateKey(_text(data[start:end]))
            elif kind == WGDEVICE_A_LISTEN_PORT:
                self.listen_port = _U16.unpack_from(data, start)[0]
            elif kind == WGDEVICE_A_FWMARK:
                self.fwmark = _U32.unpack_from(data, start)[0]

    def _add_peer(self, key: str, peer: DevicePeer) -> None:
        known = self.peers.get(key)
        if known is not None:  # continued: only its allowed IPs come again
            peer = known._replace(allowed_ips=known.allowed_ips + peer.allowed_ips)
        self.peers[key] = peer

    def device(self) -> Device:
        """Return the whole device, when the dump has ended."""
        return Device(self.private_key, self.listen_port, self.fwmark, self.peers)


def samples(data: bytes, reply: Reply) -> list[Sample]:
    """Return what one message says of its peers; those that are continued are left out."""
    return [
        sample
        for kind, start, end in _attributes(data, reply.start, reply.end)
        if kind == WGDEVICE_A_PEERS
        for _, begin, stop in _attributes(data, start, end)
        if (sample := _sample(data, begin, stop)) is not None
    ]


def _sample(data: bytes, start: int, end: int) -> Sample | None:
    """Return a peer's sample; None: it is continued."""
    if (usual := _usual(data, start, end)) is None:
        key, peer, whole = _any_peer(data, start, end)
        if not whole:
            return None
        return Sample(key, peer.handshake_s, peer.received_bytes, peer.sent_bytes, peer.endpoint)
    _, key, _, _, _, handshake_s, _, _, _, sent, _, received, _ = usual
    start += _USUAL.size
    address = start < end and ATTRIBUTE.unpack_from(data, start)[1] == WGPEER_A_ENDPOINT
    endpoint = _endpoint(data, start + ATTRIBUTE.size) if address else None
    return Sample(_text(key), handshake_s, received, sent, endpoint)


def _peers(data: bytes, start: int, end: int) -> Iterator[tuple[str, DevicePeer]]:
    """Yield each peer's key, and what the message says of it."""
    for _, begin, stop in _attributes(data, start, end):
        if (usual := _usual(data, begin, stop)) is not None:
            yield _usual_peer(usual, data, begin, stop)
        else:
            yield _any_peer(data, begin, stop)[:2]


# The kernel writes the beginning of a peer, and of an allowed IP, in one order (get_peer and
# get_allowedips, drivers/net/wireguard/netlink.c). One look at them all costs a third of looking
# at each, which matters when a device has 100,000 peers.


def _header_of(size: int, kind: int) -> int:
    """Return an attribute's header as one number."""
    return int(_U32.unpack(ATTRIBUTE.pack(size, kind))[0])


_USUAL = Struct("=I32sI32sIq8xIHxxIQIQIxxxx")
_USUAL_HEADERS = (
    _header_of(36, WGPEER_A_PUBLIC_KEY),
    _header_of(36, WGPEER_A_PRESHARED_KEY),
    _header_of(20, WGPEER_A_LAST_HANDSHAKE_TIME),
    _header_of(6, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL),
    _header_of(12, WGPEER_A_TX_BYTES),
    _header_of(12, WGPEER_A_RX_BYTES),
    _header_of(8, WGPEER_A_PROTOCOL_VERSION),
)
_USUAL_ALLOWED_IP = {
    20 + size: (
        Struct(f"=IBxxxIHxxI{size}s"),
        (
            _header_of(5, WGALLOWEDIP_A_CIDR_MASK),
            _header_of(6, WGALLOWEDIP_A_FAMILY),
            _header_of(4 + size, WGALLOWEDIP_A_IPADDR),
            int(family),
        ),
        family,
        8 * size,
    )
    for size, family in ((4, AF_INET), (16, AF_INET6))
}
"""By the length of what is in the attribute: layout, headers and family, and then family again for
`inet_ntop`, and the bits of a whole address."""


def _usual(data: bytes, start: int, end: int) -> tuple[Any, ...] | None:
    """Return headers and values of a peer that begins as usual."""
    if end - start < _USUAL.size:
        return None
    found = _USUAL.unpack_from(data, start)
    return found if found[::2] == _USUAL_HEADERS else None


def _usual_peer(
    usual: tuple[Any, ...], data: bytes, start: int, end: int
) -> tuple[str, DevicePeer]:
    _, key, _, preshared, _, handshake_s, _, keepalive_s, _, sent, _, received, _ = usual
    endpoint: Endpoint | None = None
    allowed_ips: tuple[str, ...] = ()
    for kind, begin, stop in _attributes(data, start + _USUAL.size, end):
        if kind == WGPEER_A_ENDPOINT:
            endpoint = _endpoint(data, begin)
        elif kind == WGPEER_A_ALLOWEDIPS:
            allowed_ips = _allowed_ips(data, begin, stop)
    return _text(key), DevicePeer(
        _preshared(preshared), allowed_ips, keepalive_s, endpoint, handshake_s, received, sent
    )


def _any_peer(data: bytes, start: int, end: int) -> tuple[str, DevicePeer, bool]:
    found = {kind: (begin, stop) for kind, begin, stop in _attributes(data, start, end)}

    def number(kind: int, layout: Struct) -> int:
        return int(layout.unpack_from(data, found[kind][0])[0]) if kind in found else 0

    def key(kind: int) -> bytes:
        begin, stop = found.get(kind, (0, 0))
        return data[begin:stop]

    endpoint = found.get(WGPEER_A_ENDPOINT)
    peer = DevicePeer(
        preshared_key=_preshared(key(WGPEER_A_PRESHARED_KEY) or NO_KEY),
        allowed_ips=_allowed_ips(data, *found.get(WGPEER_A_ALLOWEDIPS, (0, 0))),
        keepalive_s=number(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, _U16),
        endpoint=None if endpoint is None else _endpoint(data, endpoint[0]),
        handshake_s=number(WGPEER_A_LAST_HANDSHAKE_TIME, _I64),
        received_bytes=number(WGPEER_A_RX_BYTES, _U64),
        sent_bytes=number(WGPEER_A_TX_BYTES, _U64),
    )
    return _text(key(WGPEER_A_PUBLIC_KEY)), peer, WGPEER_A_LAST_HANDSHAKE_TIME in found


def _allowed_ips(data: bytes, start: int, end: int) -> tuple[str, ...]:
    """Return the ranges in an attribute, as `addresses.Range.text`."""
    return tuple(
        [
            _usual_allowed_ip(data, begin, stop) or _any_allowed_ip(data, begin, stop)
            for _, begin, stop in _attributes(data, start, end)
        ]
    )


def _usual_allowed_ip(data: bytes, start: int, end: int) -> str | None:
    if (found := _USUAL_ALLOWED_IP.get(end - start)) is None:
        return None
    layout, headers, version, bits = found
    a, length, b, family, c, address = layout.unpack_from(data, start)
    if (a, b, c, family) != headers:
        return None
    host = inet_ntop(version, address)
    return host if length == bits else f"{host}/{length}"


def _any_allowed_ip(data: bytes, start: int, end: int) -> str:
    found = {kind: begin for kind, begin, _ in _attributes(data, start, end)}
    begin, length = found[WGALLOWEDIP_A_IPADDR], data[found[WGALLOWEDIP_A_CIDR_MASK]]
    if _U16.unpack_from(data, found[WGALLOWEDIP_A_FAMILY])[0] == AF_INET:
        host, bits = inet_ntop(AF_INET, data[begin : begin + 4]), 32
    else:
        host, bits = inet_ntop(AF_INET6, data[begin : begin + 16]), 128
    return host if length == bits else f"{host}/{length}"


def _endpoint(data: bytes, start: int) -> Endpoint:
    """Return what is in a struct sockaddr_in or sockaddr_in6, as the userspace protocol has it."""
    family = _U16.unpack_from(data, start)[0]
    port = int.from_bytes(data[start + 2 : start + 4], "big")
    if family == AF_INET:
        return Endpoint(f"{inet_ntop(AF_INET, data[start + 4 : start + 8])}:{port}")
    _, _, host, scope = _SOCKADDR_IN6.unpack_from(data, start)
    zone = f"%{scope}" if scope else ""
    return Endpoint(f"[{inet_ntop(AF_INET6, host)}{zone}]:{port}")


def _preshared(key: bytes) -> keys.PresharedKey | None:
    return None if key == NO_KEY else keys.PresharedKey(_text(key))


def _text(key: bytes) -> str:
    return b2a_base64(key, newline=False).decode("ascii")


def _attributes(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield type, beginning and end of the value of each attribute."""
    while start + ATTRIBUTE.size <= end:
        size, kind = ATTRIBUTE.unpack_from(data, start)
        if size < ATTRIBUTE.size or start + size > end:
            raise ValueError("an attribute that is longer than its place")
        yield kind & _TYPE_MASK, start + ATTRIBUTE.size, start + size
        start += size + (-size % 4)
