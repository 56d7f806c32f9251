"""The program behind `PacketStream`: `python send_packets.py RATE PORT TICK_S [ADDRESS]`.

With an address it begins, without one it waits for the other and then sends as well: numbered UDP
packets, so many a second, in both directions. The time of each packet is fixed from the beginning:
what a busy machine delays is sent later, but sent. One JSON request per line in, one reply per line
out. A file of its own without imports from the project, and several packets per system call,
because it has to keep up on an emulated machine, too.
"""

import contextlib
import ctypes
import errno
import json
import os
import select
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

BURST_MAX = 30  # packets at once, after a delay
CATCH_UP = 1.5  # times the rate, until a delay is made up for
RECEIVE_MAX = 256  # packets in one system call
BUFFER_BYTES = 64 << 20  # a receiver that is held up for half a minute loses nothing itself
DUE_MAX = 12  # packets that are due before the next tick of a sender that is on time
QUIET_S = 0.5  # nothing came for so long: nothing is under way any more
QUIET_S_MAX = 10.0
PADDING_BYTES = 100
SO_RCVBUFFORCE = 33  # Linux, include/uapi/asm-generic/socket.h

_libc = ctypes.CDLL(None, use_errno=True)


class _Packet(ctypes.Structure):
    _fields_ = (("number", ctypes.c_uint64), ("padding", ctypes.c_char * PADDING_BYTES))


class _Vector(ctypes.Structure):  # struct iovec, readv(2)
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):  # struct msghdr, sendmsg(2)
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vectors_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):  # struct mmsghdr, sendmmsg(2)
    _fields_ = (("header", _Header), ("length", ctypes.c_uint))


class _Batch:
    """Room for several packets in one system call; of those received only the number is kept."""

    def __init__(self, count: int, packet: Any, length: int) -> None:
        self.packets = (packet * count)()
        self.messages = (_Message * count)()
        self._vectors = (_Vector * count)()
        for each, vector, message in zip(self.packets, self._vectors, self.messages, strict=True):
            vector.base, vector.length = ctypes.addressof(each), length
            message.header.vectors, message.header.vectors_count = ctypes.addressof(vector), 1


class Stream:
    """One end."""

    def __init__(self, rate: int, port: int, tick_s: float, target: str | None) -> None:
        self._rate = rate
        self._tick_s = tick_s
        self._socket = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)  # and IPv4, as ::ffff:
        self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        self._socket.setblocking(False)
        self._out = _Batch(BURST_MAX, _Packet, ctypes.sizeof(_Packet))
        self._in = _Batch(RECEIVE_MAX, ctypes.c_uint64 * 1, 8)
        self._numbers = memoryview(self._in.packets).cast("B").cast("Q")
        self._begin: float | None = None
        if target is None:
            self._socket.bind(("", port))
        else:
            self._send_to(target if ":" in target else f"::ffff:{target}", port)
        self._last_sent = time.monotonic()
        self._sending = True
        self.sent = 0
        self._seen: set[int] = set()
        self._goal: int | None = None
        self._late = False
        self._twice = 0
        self._last_came = time.monotonic()

    def _send_to(self, address: str, port: int) -> None:
        """Begin to send."""
        # struct sockaddr_in6, ipv6(7): without flow and scope
        head = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, 0)
        text = head + socket.inet_pton(socket.AF_INET6, address) + bytes(4)
        self._name = ctypes.create_string_buffer(text, len(text))
        for message in self._out.messages:
            message.header.name = ctypes.addressof(self._name)
            message.header.name_length = len(text)
        self._begin = time.monotonic()

    def run(self) -> None:
        """Send, receive and answer until the input ends."""
        rest = b""
        next_tick = time.monotonic()
        while True:
            self._send()
            self._receive()
            if self._settled():
                self._goal, self._late = None, False
                _reply({})
            now = time.monotonic()
            next_tick = max(next_tick + self._tick_s, now)
            ready, _, _ = select.select([sys.stdin], [], [], next_tick - now)
            if ready:
                piece = os.read(sys.stdin.fileno(), 65536)
                if not piece:
                    return
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    if (answer := self._answer(json.loads(line))) is not None:
                        _reply(answer)

    def _due(self) -> int:
        """Return how many packets should have been sent, and are not."""
        if self._begin is None or not self._sending:
            return 0
        return int((time.monotonic() - self._begin) * self._rate) + 1 - self.sent

    def _send(self) -> None:
        now = time.monotonic()
        allowed = 1 + int((now - self._last_sent) * self._rate * CATCH_UP)
        count = min(self._due(), allowed, BURST_MAX)
        if count <= 0:
            return
        self._last_sent = now
        for place in range(count):
            self._out.packets[place].number = self.sent + place
        # What is refused (full, or the sender's own host has no way there) is not sent: later.
        done = _libc.sendmmsg(self._socket.fileno(), self._out.messages, count, 0)
        self.sent += max(0, done)

    def _receive(self) -> None:
        if self._begin is None:
            with contextlib.suppress(BlockingIOError):
                self._send_to(*self._socket.recvfrom(0, socket.MSG_PEEK)[1][:2])
        count = RECEIVE_MAX
        while count == RECEIVE_MAX:
            count = _libc.recvmmsg(
                self._socket.fileno(), self._in.messages, RECEIVE_MAX, socket.MSG_DONTWAIT, None
            )
            if count < 0:
                reason = ctypes.get_errno()
                assert reason in {errno.EAGAIN, errno.ECONNREFUSED}, os.strerror(reason)
                return
            before = len(self._seen)
            self._seen.update(self._numbers[:count])
            self._twice += before + count - len(self._seen)
            self._last_came = time.monotonic()

    def _settled(self) -> bool:
        """Say whether what was to be waited for has come."""
        if self._late:
            return self._due() <= DUE_MAX
        return self._goal is not None and len(self._seen) >= self._goal

    def _answer(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Return the reply; None: later."""
        match request["do"]:
            case "begin":
                return {}
            case "settle":
                self._goal = len(self._seen) + request["count"]
                return None
            case "catch up":
                self._late = True
                return None
            case "stop":
                self._sending = False
                assert self._begin is not None
                return {"sent": self.sent, "took_s": time.monotonic() - self._begin}
            case "finish":
                self._wait_quiet()
                return {
                    "lost": sorted(set(range(request["sent"])) - self._seen),
                    "twice": self._twice,
                    "overflow": self._overflow(),
                }
            case unknown:
                raise ValueError(unknown)

    def _wait_quiet(self) -> None:
        """Receive what is still under way."""
        end = time.monotonic() + QUIET_S_MAX
        self._last_came = time.monotonic()
        while time.monotonic() < min(end, self._last_came + QUIET_S):
            select.select([self._socket], [], [], 0.05)
            self._receive()

    def _overflow(self) -> int:
        """Return how many packets the kernel had no room for: the last column, proc(5)."""
        inode = str(os.fstat(self._socket.fileno()).st_ino)
        lines = Path("/proc/self/net/udp6").read_text().splitlines()
        (mine,) = (words for words in map(str.split, lines[1:]) if words[9] == inode)
        return int(mine[12])


def _reply(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def main() -> None:
    """Run one end."""
    rate, port, tick_s, *target = sys.argv[1:]
    Stream(int(rate), int(port), float(tick_s), target[0] if target else None).run()


if __name__ == "__main__":
    main()
