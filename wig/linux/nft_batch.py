"""One nftables transaction, written as netlink messages: limits and map elements come and go.

Called by `table`. The program `nft` first reads every object of the table, however little it is to
change: with 20,000 limits that takes 0.15 s, and this 0.01 s, which is the kernel's grace period.
Formats are those of Linux, include/uapi/linux/netfilter/nfnetlink.h and nf_tables.h.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterable
from typing import NamedTuple

from wig import addresses, errors
from wig.addresses import Range

NETLINK_NETFILTER = 12  # Linux, include/uapi/linux/netlink.h
ANSWER_TIMEOUT_S = 5.0

_REQUEST, _ACK, _CREATE = 0x1, 0x4, 0x400  # NLM_F_…
_ERROR = 2  # NLMSG_ERROR
_NESTED = 0x8000  # NLA_F_NESTED
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11  # NFNL_MSG_BATCH_…
_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_NEW_ELEMENT, _DELETE_ELEMENT = 12, 14  # NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM
_NEW_OBJECT, _DELETE_OBJECT = 18, 20  # NFT_MSG_NEWOBJ, NFT_MSG_DELOBJ
_INET = 1  # NFPROTO_INET
_LIMIT = 4  # NFT_OBJECT_LIMIT
_BYTES, _OVER = 1, 1  # NFT_LIMIT_PKT_BYTES, NFT_LIMIT_F_INV
_INTERVAL_END = 1  # NFT_SET_ELEM_INTERVAL_END

_SO_SNDBUFFORCE = 32  # Linux, include/uapi/asm-generic/socket.h; Python does not name it

_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_FAMILY = struct.Struct(">BBH")  # nfgenmsg
_ATTRIBUTE = struct.Struct("=HH")  # nlattr
_ERROR_CODE = struct.Struct("=i")
_ADDRESS_BYTES = {4: 4, 6: 16}


class AddLimit(NamedTuple):
    """Make a limit that matches what is too much."""

    name: str
    bytes_per_second: int
    burst_bytes: int


class DeleteLimit(NamedTuple):
    """Remove a limit that no element leads to."""

    name: str


class AddElement(NamedTuple):
    """Lead from addresses to a limit."""

    map: str
    range: Range
    limit: str


class DeleteElement(NamedTuple):
    """Lead from addresses to nothing."""

    map: str
    range: Range


Change = AddLimit | DeleteLimit | AddElement | DeleteElement


def encode(table: str, changes: Iterable[Change]) -> bytes:
    """Return the transaction that makes these changes, in this order, of a table `inet`."""
    frame = _FAMILY.pack(0, 0, _SUBSYSTEM)
    messages = [(_BATCH_BEGIN, 0, frame)]
    messages += (_message(table, change) for change in changes)
    kind, flags, payload = messages[-1]
    messages[-1] = kind, flags | _ACK, payload  # its answer is the answer to all
    messages.append((_BATCH_END, 0, frame))
    return b"".join(
        _HEADER.pack(_HEADER.size + len(payload), kind, flags | _REQUEST, sequence, 0) + payload
        for sequence, (kind, flags, payload) in enumerate(messages)
    )


def _message(table: str, change: Change) -> tuple[int, int, bytes]:
    """Return type, flags and payload of one change."""
    match change:
        case AddLimit():
            kind, flags, body = _NEW_OBJECT, _CREATE, _limit(change)
        case DeleteLimit():
            kind, flags, body = _DELETE_OBJECT, 0, _object(change.name)
        case AddElement():
            kind, flags = _NEW_ELEMENT, _CREATE
            body = _elements(change.map, change.range, change.limit)
        case DeleteElement():
            kind, flags = _DELETE_ELEMENT, 0
            body = _elements(change.map, change.range, None)
    head = _FAMILY.pack(_INET, 0, 0) + _text(1, table)  # NFTA_…_TABLE is 1 of both
    return _SUBSYSTEM << 8 | kind, flags, head + body


def _object(name: str) -> bytes:
    return _text(2, name) + _u32(3, _LIMIT)  # NFTA_OBJ_NAME, NFTA_OBJ_TYPE


def _limit(change: AddLimit) -> bytes:
    data = (
        _attribute(1, change.bytes_per_second.to_bytes(8))  # NFTA_LIMIT_RATE
        + _attribute(2, (1).to_bytes(8))  # NFTA_LIMIT_UNIT: seconds
        + _u32(3, change.burst_bytes)  # NFTA_LIMIT_BURST
        + _u32(4, _BYTES)  # NFTA_LIMIT_TYPE
        + _u32(5, _OVER)  # NFTA_LIMIT_FLAGS
    )
    return _object(change.name) + _attribute(4 | _NESTED, data)  # NFTA_OBJ_DATA


def _elements(name: str, found: Range, limit: str | None) -> bytes:
    """Return a single address, or a range as its first address and the one after its last."""
    elements = [_key(found.version, found.first) + (b"" if limit is None else _text(9, limit))]
    after = found.last + 1
    if found.first != found.last and after < 1 << addresses.BITS[found.version]:
        elements.append(_key(found.version, after) + _u32(3, _INTERVAL_END))
    listed = b"".join(_attribute(1 | _NESTED, each) for each in elements)  # NFTA_LIST_ELEM
    return _text(2, name) + _attribute(3 | _NESTED, listed)  # NFTA_SET_ELEM_LIST_SET, …_ELEMENTS


def _key(version: int, address: int) -> bytes:
    value = _attribute(1, address.to_bytes(_ADDRESS_BYTES[version]))  # NFTA_DATA_VALUE
    return _attribute(1 | _NESTED, value)  # NFTA_SET_ELEM_KEY


def _text(kind: int, text: str) -> bytes:
    return _attribute(kind, text.encode() + b"\0")


def _u32(kind: int, number: int) -> bytes:
    return _attribute(kind, number.to_bytes(4))


def _attribute(kind: int, value: bytes) -> bytes:
    size = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(size, kind) + value + bytes(-size % 4)


def send(transaction: bytes) -> None:
    """Perform all of it or nothing; raise `Unusable` with the kernel's reason."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
            netlink.settimeout(ANSWER_TIMEOUT_S)
            netlink.bind((0, 0))
            # All of it must fit at once; root may have more than the host's usual limit.
            netlink.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, 2 * len(transaction))
            netlink.send(transaction)
            code = _code(netlink.recv(1 << 16))
    except OSError as error:
        raise errors.Unusable(f"nftables: {error.strerror or error}") from error
    if code:
        reason = os.strerror(code)
        if code == errno.ENOENT:
            reason = "the table is not as it was loaded"
        raise errors.Unusable(f"nftables: {reason}")


def _code(answer: bytes) -> int:
    """Return why the first message that failed did, or 0: an acknowledgement is an error of 0."""
    _, kind, *_ = _HEADER.unpack_from(answer)
    if kind != _ERROR:
        raise errors.Unusable(f"nftables: an answer of the unknown kind {kind}")
    return -int(_ERROR_CODE.unpack_from(answer, _HEADER.size)[0])
