"""Values to the columns of a table and back.

Called by everything in this folder that reads or writes objects. The body of an object is its
canonical JSON; what stands beside it is made here and only here.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from socket import AF_INET, AF_INET6, inet_pton
from typing import NamedTuple, TypeVar

from wig import addresses, codec, errors, log
from wig.model import Interface, Object, Peer, Token
from wig.ports import Bounds

# Blobs are bound as `bytearray`: Python's sqlite3 sends `bytes` (and None) through its table of
# adapters, 0.3 µs each, and takes `bytearray` directly.
Blobs = tuple[bytes | bytearray | None, bytes | bytearray | None]
"""First and last address of a range as they are stored; None: the peer has none."""

ADDRESS_BYTES = {4: 4, 6: 16}
_FAMILY = {4: AF_INET, 6: AF_INET6}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_ObjectT = TypeVar("_ObjectT", Interface, Peer, Token)


def _decoder(kind: type[_ObjectT]) -> Callable[[bytes], _ObjectT]:
    """Return the decoder of stored bodies, whose errors are not a client's."""
    inner = codec.decoder(kind)

    def decode(body: bytes) -> _ObjectT:
        try:
            return inner(body)
        except errors.Invalid as error:
            name = kind.__name__.lower()
            raise errors.Damaged(f"{name}: what is stored is not one: {error.message}") from None

    return decode


decode_interface = _decoder(Interface)
decode_peer = _decoder(Peer)
decode_token = _decoder(Token)


class PeerRow(NamedTuple):
    """The columns of a peer, in the order of `peer_insert`."""

    public_key: str
    interface: str
    ip_first: bytearray | None
    ip_last: bytearray | None
    ip6_first: bytearray | None
    ip6_last: bytearray | None
    expire: int | None
    body: str


class StoredPeer(NamedTuple):
    """What is read of a peer that changes or goes; text as bytes, as it comes."""

    number: int
    interface: bytes
    ip_first: bytes | None
    ip_last: bytes | None
    ip6_first: bytes | None
    ip6_last: bytes | None
    body: bytes


def micros(time: datetime) -> int:
    """Return microseconds since 1970."""
    return (time - _EPOCH) // _MICROSECOND


def body_of(thing: Object) -> bytes:
    """Return the bytes that are stored, and that the state digest sums."""
    return codec.encode(thing)


def digest_of(body: bytes) -> int:
    """Return the part of the state digest that a stored object has."""
    return int.from_bytes(blake2b(body, digest_size=log.DIGEST_BYTES).digest(), "big")


def blob(version: int, address: int) -> bytearray:
    """Return an address as it is stored."""
    return bytearray(address.to_bytes(ADDRESS_BYTES[version], "big"))


def blobs(text: str | None, version: int) -> tuple[bytearray | None, bytearray | None]:
    """Return first and last address of a peer's canonical `ip` or `ip6`."""
    if text is None:
        return None, None
    if "/" not in text:
        address = bytearray(inet_pton(_FAMILY[version], text))
        return address, address
    _, first, last = addresses.parse_range(text, "ip")
    return blob(version, first), blob(version, last)


def bounds(first: bytes | bytearray, last: bytes | bytearray) -> Bounds:
    """Return stored addresses as integers."""
    least = int.from_bytes(first, "big")
    return least, (least if last == first else int.from_bytes(last, "big"))


def peer_row(peer: Peer, body: bytes) -> PeerRow:
    """Return the columns of a peer whose encoding is `body`."""
    ip_first, ip_last = blobs(peer.ip, 4)
    ip6_first, ip6_last = blobs(peer.ip6, 6)
    expire = None if peer.expire is None else micros(peer.expire)
    return PeerRow(
        peer.public_key, peer.interface, ip_first, ip_last, ip6_first, ip6_last, expire,
        body.decode(),
    )  # fmt: skip
