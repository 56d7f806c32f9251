"""WireGuard's cross-platform userspace protocol: text over a Unix socket.

Called by the userspace backend. The protocol is described at
https://www.wireguard.com/xplatform/ ; keys are hexadecimal there and base64 everywhere else. Keys
travel over the socket only, never as arguments of a program.
"""

import contextlib
import errno
import re
import socket
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from wig import addresses, keys
from wig.device import Device, DevicePeer, Endpoint
from wig.linux.refusal import Refused
from wig.steps import PeerChange, SetDevice

CHUNK_PEERS = 500
"""Peers in one request. The device answers no packet of a new peer's batch while it works on it,
so that much larger ones would be felt; smaller ones cost more round trips."""
TIMEOUT_S = 5.0  # one of 60,000 peers is read in half a second
_RECEIVE_BYTES = 1 << 20
_GONE = (BrokenPipeError, ConnectionResetError)
_NO_KEY = "0" * 64
_END = b"\n\n"
_ALLOWED = "allowed_ip="


class Connection:
    """A connection to a device, for one request after the other; of one thread.

    wireguard-go answers any number on one, which saves it an `accept` for each. A connection that
    a device closed, as others do after every answer, is made anew, and the request sent again:
    done twice, it leaves the same.
    """

    def __init__(self, path: Path) -> None:
        """Connect with the first request to the socket `path`."""
        self._path = path
        self._socket: socket.socket | None = None
        self._text = b""
        self._kept = False

    def send(self, text: bytes) -> None:
        """Send a request, whose `answer` has to be taken; raises OSError when nobody takes it."""
        self._text, self._kept = text, self._socket is not None
        try:
            if self._socket is not None:
                self._socket.sendall(text)
                return
        except _GONE:
            pass
        except OSError:
            self.close()
            raise
        self._send_on_another()

    def answer(self) -> bytes:
        """Return the answer without its last lines.

        Raises `Refused`, or OSError when nobody answers; the connection is of no use then: a
        device stops reading in the middle of a request that it refuses.
        """
        try:
            try:
                return self._receive()
            except _GONE:
                if not self._kept:
                    raise
            self._send_on_another()
            return self._receive()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of it; the next request makes another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send_on_another(self) -> None:
        self.close()
        self._kept = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(TIMEOUT_S)
            self._socket.connect(str(self._path))
            with contextlib.suppress(BrokenPipeError):  # refused half-way: the answer says why
                self._socket.sendall(self._text)
        except OSError:
            self.close()
            raise

    def _receive(self) -> bytes:
        assert self._socket is not None, "an answer follows a request"
        return _answer(self._socket)


def request(path: Path, text: bytes) -> bytes:
    """Send one request on a connection of its own, and return `Connection.answer`."""
    with contextlib.closing(Connection(path)) as connection:
        connection.send(text)
        return connection.answer()


def in_turn(connection: Connection, texts: Iterable[bytes]) -> Iterator[Refused | None]:
    """Send requests one after the other; yield why the device refused each, None: it did not.

    The next text is made while the device works on the one before. Raises OSError when nobody
    answers.
    """
    later = iter(texts)
    text = next(later, None)
    while text is not None:
        refused = None
        connection.send(text)
        try:
            text = next(later, None)
        except BaseException:
            connection.close()  # or this answer would be taken for the next one's
            raise
        try:
            connection.answer()
        except Refused as error:
            refused = error
        yield refused


def _answer(connection: socket.socket) -> bytes:
    pieces: list[bytes] = []
    tail = b""
    while not tail.endswith(_END):
        piece = connection.recv(_RECEIVE_BYTES)
        if not piece:
            raise ConnectionResetError(errno.ECONNRESET, "the device closed its socket")
        pieces.append(piece)
        tail = (tail + piece)[-2:]
    body, _, number = b"".join(pieces)[:-2].rpartition(b"errno=")
    if code := int(number):
        raise Refused(abs(code))
    return body


def read(path: Path) -> bytes:
    """Return the text of a device; `parse` understands it."""
    return request(path, b"get=1\n\n")


def parse(text: bytes) -> Device:
    """Return the device that a `get` describes."""
    head, *sections = text.decode("ascii").split("public_key=")
    fields = dict(line.split("=", 1) for line in head.splitlines())
    private = fields.get("private_key", _NO_KEY)
    return Device(
        private_key=None if private == _NO_KEY else keys.PrivateKey(_to_base64(private)),
        listen_port=int(fields.get("listen_port", 0)),
        fwmark=int(fields.get("fwmark", 0)),
        peers=dict(map(_parse_peer, sections)),
    )


def parse_clients(text: bytes) -> dict[str, DevicePeer]:
    """Return the peers of a `get` that have an endpoint."""
    sections = text.decode("ascii").split("public_key=")[1:]
    return dict(_parse_peer(section) for section in sections if "\nendpoint=" in section)


def parse_port(text: bytes) -> int:
    """Return only the port that the device of a `get` is bound to; 0: none."""
    head = text.partition(b"public_key=")[0]
    found = re.search(rb"^listen_port=(\d+)$", head, re.MULTILINE)
    return int(found[1]) if found else 0


# wireguard-go always writes these lines in this order. One match costs a third of looking at each
# line, which matters when a device has 60,000 peers.
_USUAL_PEER = re.compile(
    r"(.{64})\npreshared_key=(.{64})\nprotocol_version=1\n(?:endpoint=(.+)\n)?"
    r"last_handshake_time_sec=(\d+)\nlast_handshake_time_nsec=\d+\n"
    r"tx_bytes=(\d+)\nrx_bytes=(\d+)\npersistent_keepalive_interval=(\d+)\n"
    r"((?:allowed_ip=.+\n)*)"
)


def _parse_peer(section: str) -> tuple[str, DevicePeer]:
    """Return a peer's key and what the device says of it."""
    if usual := _USUAL_PEER.fullmatch(section):
        key, preshared, endpoint, handshake, sent, received, keepalive, allowed = usual.groups()
        return _peer(
            key, preshared, endpoint, handshake, sent, received, keepalive, allowed.splitlines()
        )
    key, *lines = section.splitlines()
    fields = dict(line.split("=", 1) for line in lines)
    return _peer(
        key,
        fields.get("preshared_key", _NO_KEY),
        fields.get("endpoint"),
        fields.get("last_handshake_time_sec", "0"),
        fields.get("tx_bytes", "0"),
        fields.get("rx_bytes", "0"),
        fields.get("persistent_keepalive_interval", "0"),
        [line for line in lines if line.startswith(_ALLOWED)],
    )


def _peer(
    key: str,
    preshared: str,
    endpoint: str | None,
    handshake: str,
    sent: str,
    received: str,
    keepalive: str,
    allowed: list[str],
) -> tuple[str, DevicePeer]:
    return _to_base64(key), DevicePeer(
        preshared_key=None if preshared == _NO_KEY else keys.PresharedKey(_to_base64(preshared)),
        allowed_ips=tuple([_canonical(line[len(_ALLOWED) :]) for line in allowed]),
        keepalive_s=int(keepalive),
        endpoint=None if endpoint is None else Endpoint(endpoint),
        handshake_s=int(handshake),
        received_bytes=int(received),
        sent_bytes=int(sent),
    )


def _canonical(text: str) -> str:
    """Return an allowed IP as wig writes it: no prefix length after a single address."""
    if text.startswith("::"):
        # Go and the C library write embedded IPv4 addresses differently.
        return addresses.parse_range(text, "allowed_ip").text
    return text.removesuffix("/128" if ":" in text else "/32")


def encode_device(step: SetDevice) -> bytes:
    """Return the request that sets what is not None."""
    lines = ["set=1"]
    if step.private_key is not None:
        lines.append(f"private_key={_to_hex(step.private_key.reveal())}")
    if step.listen_port is not None:
        lines.append(f"listen_port={step.listen_port}")
    if step.fwmark is not None:
        lines.append(f"fwmark={step.fwmark}")
    return _request(lines)


def encode_peers(changes: Iterable[PeerChange]) -> bytes:
    """Return the request that makes the changes, in their order."""
    lines = ["set=1"]
    for change in changes:
        lines.extend(_peer_lines(change))
    return _request(lines)


def _peer_lines(change: PeerChange) -> Iterator[str]:
    yield f"public_key={_to_hex(change.public_key)}"
    if change.remove:
        yield "remove=true"
        return
    if change.preshared_key is None:
        yield f"preshared_key={_NO_KEY}"
    elif isinstance(change.preshared_key, keys.PresharedKey):
        yield f"preshared_key={_to_hex(change.preshared_key.reveal())}"
    if change.endpoint is not None:
        yield f"endpoint={change.endpoint.reveal()}"
    if change.keepalive_s is not None:
        yield f"persistent_keepalive_interval={change.keepalive_s}"
    if change.replace_allowed_ips:
        yield "replace_allowed_ips=true"
    for text in change.allowed_ips:
        yield f"allowed_ip={_prefixed(text)}"


def encode_wake(public_keys: Iterable[str]) -> bytes:
    """Return the request that makes the device greet peers at once.

    A device sends a keepalive, and so a handshake, when the interval goes from 0 to something; the
    second half puts it back.
    """
    lines = ["set=1"]
    for key in map(_to_hex, public_keys):
        lines += [f"public_key={key}", "update_only=true", "persistent_keepalive_interval=25"]
        lines += [f"public_key={key}", "update_only=true", "persistent_keepalive_interval=0"]
    return _request(lines)


def chunks(changes: Sequence[PeerChange]) -> Iterator[Sequence[PeerChange]]:
    """Yield the changes in pieces of a good size for one request."""
    for start in range(0, len(changes), CHUNK_PEERS):
        yield changes[start : start + CHUNK_PEERS]


def _request(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n\n").encode("ascii")


def _prefixed(text: str) -> str:
    """Return an allowed IP as the protocol wants it: always with a prefix length."""
    if "/" in text:
        return text
    return text + ("/128" if ":" in text else "/32")


def _to_hex(key: str) -> str:
    return a2b_base64(key).hex()


def _to_base64(key: str) -> str:
    return b64encode(bytes.fromhex(key)).decode()
