"""Requests to the kernel's WireGuard: bytes of generic netlink, many peers in each.

Called by the kernel backend; `netlink_dump` understands the answers. The protocol is described in
Linux, include/uapi/linux/wireguard.h, netlink.h and genetlink.h, whose names the constants have.
Numbers are in the host's byte order, ports and addresses in the network's.

**Invariant:** no I/O, and no message larger than the kernel takes.
"""

from binascii import a2b_base64
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from socket import AF_INET, AF_INET6, inet_pton
from struct import Struct

from wig import keys
from wig.steps import PeerChange, SetDevice

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLA_F_NESTED = 0x8000

GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 0x10, 3, 1, 2

FAMILY, VERSION = "wireguard", 1
WG_CMD_GET_DEVICE, WG_CMD_SET_DEVICE = 0, 1

WGDEVICE_A_IFNAME = 2
WGDEVICE_A_PRIVATE_KEY = 3
WGDEVICE_A_FLAGS = 5
WGDEVICE_A_LISTEN_PORT = 6
WGDEVICE_A_FWMARK = 7
WGDEVICE_A_PEERS = 8

WGDEVICE_F_REPLACE_PEERS = 1

WGPEER_A_PUBLIC_KEY = 1
WGPEER_A_PRESHARED_KEY = 2
WGPEER_A_FLAGS = 3
WGPEER_A_ENDPOINT = 4
WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL = 5
WGPEER_A_LAST_HANDSHAKE_TIME = 6
WGPEER_A_RX_BYTES = 7
WGPEER_A_TX_BYTES = 8
WGPEER_A_ALLOWEDIPS = 9
WGPEER_A_PROTOCOL_VERSION = 10

WGPEER_F_REMOVE_ME, WGPEER_F_REPLACE_ALLOWEDIPS, WGPEER_F_UPDATE_ONLY = 1, 2, 4

WGALLOWEDIP_A_FAMILY = 1
WGALLOWEDIP_A_IPADDR = 2
WGALLOWEDIP_A_CIDR_MASK = 3

PEERS_BYTES_MAX = 1 << 15
"""Of `WGDEVICE_A_PEERS`. The kernel would take 65,535, as the length of an attribute is a u16; but
larger ones are no faster, and each keeps the lock of all network configuration while it is carried
out. A message of this size fits into any host's default buffer."""
NO_KEY = bytes(keys.KEY_BYTES)
_WAKE_KEEPALIVE_S = 25  # any but 0

MESSAGE = Struct("=IHHII")
"""struct nlmsghdr: length, type, flags, sequence, port."""
GENERIC = Struct("=BBH")
"""struct genlmsghdr: command, version, reserved."""
ATTRIBUTE = Struct("=HH")
"""struct nlattr: length with this header, type."""

_U16 = Struct("=HHHxx")
_U32 = Struct("=HHI")
_KEY = Struct("=HH32s")
_SOCKADDR_IN = Struct("=H2s4s8x")
_SOCKADDR_IN6 = Struct("=H2sI16sI")

# What is the same in all peers is packed once: it comes a hundred thousand times.
_PUBLIC_KEY = ATTRIBUTE.pack(36, WGPEER_A_PUBLIC_KEY)
_IP4, _IP6 = (
    ATTRIBUTE.pack(24 + size, NLA_F_NESTED)
    + _U16.pack(6, WGALLOWEDIP_A_FAMILY, family)
    + ATTRIBUTE.pack(4 + size, WGALLOWEDIP_A_IPADDR)
    for size, family in ((4, AF_INET), (16, AF_INET6))
)
_MASKS = [Struct("=HHBxxx").pack(5, WGALLOWEDIP_A_CIDR_MASK, length) for length in range(129)]


def get_family() -> bytes:
    """Return the request for the number that WireGuard has in this kernel."""
    name = _attribute(CTRL_ATTR_FAMILY_NAME, FAMILY.encode() + b"\0")
    return _message(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_REQUEST, name)


def get_device(family: int, name: str) -> bytes:
    """Return the request for all that there is to know of a device; the answer is a dump."""
    return _message(family, WG_CMD_GET_DEVICE, NLM_F_REQUEST | NLM_F_DUMP, _interface(name))


def set_device(family: int, step: SetDevice) -> bytes:
    """Return the request that sets what is not None; it wants an acknowledgement."""
    parts = [_interface(step.name)]
    if step.private_key is not None:
        parts.append(_key(WGDEVICE_A_PRIVATE_KEY, step.private_key.reveal()))
    if step.listen_port is not None:
        parts.append(_U16.pack(6, WGDEVICE_A_LISTEN_PORT, step.listen_port))
    if step.fwmark is not None:
        parts.append(_U32.pack(8, WGDEVICE_A_FWMARK, step.fwmark))
    return _set(family, parts)


def remove_peers(family: int, name: str) -> bytes:
    """Return the request that removes all peers; it wants an acknowledgement."""
    flags = _U32.pack(8, WGDEVICE_A_FLAGS, WGDEVICE_F_REPLACE_PEERS)
    return _set(family, [_interface(name), flags])


def set_peers(
    family: int,
    name: str,
    changes: Iterable[PeerChange],
    bytes_max: int = PEERS_BYTES_MAX,
) -> Iterator[bytes]:
    """Yield the requests that make the changes, in their order; each wants an acknowledgement.

    `bytes_max` bounds the attribute with the peers, 400 at least. A peer that is larger than that
    by itself is continued in the next message.
    """
    return _set_peers(family, name, _pieces(changes, bytes_max - ATTRIBUTE.size), bytes_max)


def wake(family: int, name: str, public_keys: Iterable[str]) -> Iterator[bytes]:
    """Yield the requests that make the device greet peers at once; see `uapi.encode_wake`."""
    pieces = (
        _nested(
            0,
            _PUBLIC_KEY + a2b_base64(key),
            _U32.pack(8, WGPEER_A_FLAGS, WGPEER_F_UPDATE_ONLY),
            _U16.pack(6, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, interval),
        )
        for key in public_keys
        for interval in (_WAKE_KEEPALIVE_S, 0)
    )
    return _set_peers(family, name, pieces, PEERS_BYTES_MAX)


def _set_peers(family: int, name: str, pieces: Iterable[bytes], bytes_max: int) -> Iterator[bytes]:
    """Yield requests with as many pieces in each as there is room for."""
    some: list[bytes] = []
    size = ATTRIBUTE.size
    for piece in pieces:
        if some and size + len(piece) > bytes_max:
            yield _set(family, [_interface(name), _nested(WGDEVICE_A_PEERS, *some)])
            some, size = [], ATTRIBUTE.size
        some.append(piece)
        size += len(piece)
    if some:
        yield _set(family, [_interface(name), _nested(WGDEVICE_A_PEERS, *some)])


def _pieces(changes: Iterable[PeerChange], bytes_max: int) -> Iterator[bytes]:
    """Yield each peer as one attribute, or as several if it has very many allowed IPs.

    Only the first replaces what the peer had.
    """
    for change in changes:
        head = _peer_head(change)
        allowed = [] if change.remove else [_allowed_ip(text) for text in change.allowed_ips]
        while len(some := b"".join(allowed)) > (room := bytes_max - 8 - len(head)):
            count = _fitting(allowed, room)
            yield _nested(0, head, _nested(WGPEER_A_ALLOWEDIPS, *allowed[:count]))
            allowed = allowed[count:]
            head = _PUBLIC_KEY + a2b_base64(change.public_key)
        yield _nested(0, head, _nested(WGPEER_A_ALLOWEDIPS, some)) if some else _nested(0, head)


def _fitting(parts: Sequence[bytes], room: int) -> int:
    """Return how many parts, from the first on, fit."""
    ends = accumulate(map(len, parts))
    return sum(end <= room for end in ends)


def _peer_head(change: PeerChange) -> bytes:
    """Return everything of a peer but its allowed IPs."""
    parts = [_PUBLIC_KEY + a2b_base64(change.public_key)]
    if change.remove:
        parts.append(_U32.pack(8, WGPEER_A_FLAGS, WGPEER_F_REMOVE_ME))
        return b"".join(parts)
    if change.preshared_key is None:
        parts.append(_KEY.pack(36, WGPEER_A_PRESHARED_KEY, NO_KEY))
    elif isinstance(change.preshared_key, keys.PresharedKey):
        parts.append(_key(WGPEER_A_PRESHARED_KEY, change.preshared_key.reveal()))
    if change.replace_allowed_ips:
        parts.append(_U32.pack(8, WGPEER_A_FLAGS, WGPEER_F_REPLACE_ALLOWEDIPS))
    if change.endpoint is not None:
        parts.append(_attribute(WGPEER_A_ENDPOINT, _sockaddr(change.endpoint.reveal())))
    if change.keepalive_s is not None:
        interval = WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL
        parts.append(_U16.pack(6, interval, change.keepalive_s))
    return b"".join(parts)


def _allowed_ip(text: str) -> bytes:
    host, _, length = text.partition("/")
    if ":" in host:
        return _IP6 + inet_pton(AF_INET6, host) + _MASKS[int(length) if length else 128]
    return _IP4 + inet_pton(AF_INET, host) + _MASKS[int(length) if length else 32]


def _sockaddr(endpoint: str) -> bytes:
    """Return `192.0.2.1:5555`, `[2001:db8::1]:5555` or `[fe80::1%2]:5555` as the kernel has it."""
    host, _, digits = endpoint.rpartition(":")
    port = int(digits).to_bytes(2, "big")
    if not host.startswith("["):
        return _SOCKADDR_IN.pack(AF_INET, port, inet_pton(AF_INET, host))
    host, _, scope = host.strip("[]").partition("%")
    return _SOCKADDR_IN6.pack(AF_INET6, port, 0, inet_pton(AF_INET6, host), int(scope or 0))


def _set(family: int, parts: Sequence[bytes]) -> bytes:
    return _message(family, WG_CMD_SET_DEVICE, NLM_F_REQUEST | NLM_F_ACK, *parts)


def _message(kind: int, command: int, flags: int, *parts: bytes) -> bytes:
    size = MESSAGE.size + GENERIC.size + sum(map(len, parts))
    return b"".join(
        (MESSAGE.pack(size, kind, flags, 0, 0), GENERIC.pack(command, VERSION, 0), *parts)
    )


def _interface(name: str) -> bytes:
    return _attribute(WGDEVICE_A_IFNAME, name.encode() + b"\0")


def _key(kind: int, key: str) -> bytes:
    return _KEY.pack(36, kind, a2b_base64(key))


def _attribute(kind: int, value: bytes) -> bytes:
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def _nested(kind: int, *parts: bytes) -> bytes:
    """Return an attribute of attributes, which have their padding already."""
    size = ATTRIBUTE.size + sum(map(len, parts))
    return b"".join((ATTRIBUTE.pack(size, kind | NLA_F_NESTED), *parts))
