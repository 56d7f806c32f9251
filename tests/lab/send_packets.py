"""The program behind `PacketStream`: `python send_packets.py RATE PORT [ADDRESS]`.

With an address it begins, without one it waits for the other and then sends as well: numbered UDP
packets, so many a second, in both directions. On a busy machine it sends fewer, but counts what it
sent. One JSON request per line in, one reply per line out.
"""

import json
import os
import select
import socket
import struct
import sys
import time
from typing import Any

BURST_MAX = 10  # of packets that are late; beyond that the rate sags
BUFFER_BYTES = 64 << 20  # a receiver that is held up for half a minute loses nothing itself
QUIET_S = 0.5  # nothing came for so long: nothing is under way any more
QUIET_S_MAX = 10.0
SO_RCVBUFFORCE, SO_RXQ_OVFL = 33, 40  # Linux, include/uapi/asm-generic/socket.h
_NUMBER = struct.Struct("!Q")
_PADDING = bytes(100)


class Stream:
    """One end."""

    def __init__(self, rate: int, port: int, target: str | None) -> None:
        self._rate = rate
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
        self._socket.setblocking(False)
        if target is None:
            self._socket.bind(("", port))
        self._target = None if target is None else (target, port)
        self._begin = time.monotonic()
        self._sending = True
        self.sent = 0
        self._seen: set[int] = set()
        self._twice = 0
        self._overflow = 0
        self._last_came = time.monotonic()

    def run(self) -> None:
        """Send, receive and answer until the input ends."""
        rest = b""
        while True:
            self._send()
            wait_s = max(0.0, self._begin + self.sent / self._rate - time.monotonic())
            ready, _, _ = select.select([self._socket, sys.stdin], [], [], min(wait_s, 0.01))
            self._receive()
            if sys.stdin in ready:
                piece = os.read(sys.stdin.fileno(), 65536)
                if not piece:
                    return
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    print(json.dumps(self._answer(json.loads(line))), flush=True)

    def _send(self) -> None:
        if self._target is None or not self._sending:
            self._begin = time.monotonic() - self.sent / self._rate
            return
        due = int((time.monotonic() - self._begin) * self._rate) + 1 - self.sent
        if due > BURST_MAX:
            self._begin += (due - BURST_MAX) / self._rate
        for _ in range(min(due, BURST_MAX)):
            try:
                self._socket.sendto(_NUMBER.pack(self.sent) + _PADDING, self._target)
            except BlockingIOError:
                return
            except OSError:  # the sender's own host has no way there: not sent
                return
            self.sent += 1

    def _receive(self) -> None:
        while True:
            try:
                packet, ancillary, _, came_from = self._socket.recvmsg(256, 64)
            except (BlockingIOError, ConnectionRefusedError):
                return
            self._last_came = time.monotonic()
            for level, kind, value in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, SO_RXQ_OVFL):
                    self._overflow = int.from_bytes(value, sys.byteorder)
            self._target = self._target or came_from
            (number,) = _NUMBER.unpack_from(packet)
            self._twice += number in self._seen
            self._seen.add(number)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "status":
                return {"sent": self.sent, "received": len(self._seen)}
            case "stop":
                self._sending = False
                return {"sent": self.sent}
            case "finish":
                self._wait_quiet()
                return {
                    "lost": sorted(set(range(request["sent"])) - self._seen),
                    "twice": self._twice,
                    "overflow": self._overflow,
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


def main() -> None:
    """Run one end."""
    rate, port, *target = sys.argv[1:]
    Stream(int(rate), int(port), target[0] if target else None).run()


if __name__ == "__main__":
    main()
