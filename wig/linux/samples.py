"""Reading all peers of a WireGuard device in bulk: what reports and metrics need, and no more.

Called by the backends, in the thread of whoever reads. The text of a device is parsed as it
arrives, some hundred peers at a time: 100,000 peers cost 0.2 s, their text is never in memory as
a whole, and no call keeps the interpreter to itself for more than a few milliseconds.
"""

import errno
import re
import socket
from binascii import a2b_hex, b2a_base64
from collections.abc import Iterator, Sequence
from pathlib import Path

from wig.device import Device, Endpoint
from wig.linux import uapi
from wig.linux.refusal import Refused
from wig.samples import Sample

PIECE_BYTES = 1 << 18
"""Of text that is parsed at once, about 700 peers; at most twice that."""
BATCH_PEERS = 500

# The usual lines in the usual order, as in `uapi`; a device that writes them differently is
# parsed line by line.
_USUAL = re.compile(
    rb"public_key=(.{64})\npreshared_key=.{64}\nprotocol_version=1\n(?:endpoint=(.+)\n)?"
    rb"last_handshake_time_sec=(\d+)\nlast_handshake_time_nsec=\d+\n"
    rb"tx_bytes=(\d+)\nrx_bytes=(\d+)\n"
)
_PEER = b"public_key="
_END = re.compile(rb"errno=(-?\d+)\n\n\Z")


def read(path: Path) -> Iterator[Sequence[Sample]]:
    """Yield all peers of a userspace device, in batches.

    Raises `Refused`, or OSError when nobody answers.
    """
    for piece in _pieces(path):
        found = _USUAL.findall(piece)
        if len(found) == piece.count(_PEER):
            yield [_sample(*one) for one in found]
        else:
            yield from of_device(uapi.parse(piece))


def of_device(device: Device) -> Iterator[Sequence[Sample]]:
    """Yield all peers of a device that was read as a whole, in batches; one at least."""
    batch: list[Sample] = []
    for key, peer in device.peers.items():
        batch.append(
            Sample(key, peer.handshake_s, peer.received_bytes, peer.sent_bytes, peer.endpoint)
        )
        if len(batch) == BATCH_PEERS:
            yield batch
            batch = []
    yield batch


def _sample(key: bytes, endpoint: bytes, handshake: bytes, sent: bytes, received: bytes) -> Sample:
    return Sample(
        b2a_base64(a2b_hex(key), newline=False).decode(),
        int(handshake),
        int(received),
        int(sent),
        Endpoint(endpoint.decode()) if endpoint else None,
    )


def _pieces(path: Path) -> Iterator[bytes]:
    """Yield the text of a device in pieces that begin and end between two peers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(uapi.TIMEOUT_S)
        connection.connect(str(path))
        connection.sendall(b"get=1\n\n")
        text = b""
        while (end := _END.search(text, max(0, len(text) - 32))) is None:
            received = connection.recv(PIECE_BYTES)
            if not received:
                raise ConnectionResetError(errno.ECONNRESET, "the device closed its socket")
            text += received
            if (whole := text.rfind(_PEER)) > 0 and len(text) > PIECE_BYTES:
                yield text[:whole]
                text = text[whole:]
    if code := int(end[1]):
        raise Refused(abs(code))
    yield text[: end.start()]
