"""A socket to the kernel's WireGuard.

Called by the kernel backend. Not pyroute2's: that one runs an event loop for every call, and
decodes every message into objects, which costs more than the kernel's own work for it.
"""

import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from wig import errors
from wig.linux import netlink, netlink_dump
from wig.linux.netlink_dump import Reply
from wig.linux.refusal import Refused

TIMEOUT_S = 5.0  # the kernel answers at once
_NETLINK_GENERIC = 16  # Linux, include/uapi/linux/netlink.h
_SOL_NETLINK, _NETLINK_CAP_ACK = 270, 10  # include/linux/socket.h, include/uapi/linux/netlink.h
_RECEIVE_BYTES = 1 << 16  # the kernel sends no more at once: net/netlink/af_netlink.c


def available() -> bool:
    """Say whether this kernel has WireGuard; it loads the module when it is asked."""
    try:
        Connection().close()
    except errors.Unusable:
        return False
    return True


class Connection:
    """For one request or one dump at a time; `close` it."""

    def __init__(self) -> None:
        """Find WireGuard; raise `Unusable` if this kernel has none."""
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        try:
            self._socket = socket.socket(socket.AF_NETLINK, kind, _NETLINK_GENERIC)
        except OSError as error:
            raise _silent(error) from error
        try:
            self._socket.settimeout(TIMEOUT_S)
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)  # keys are not sent back
            self._socket.bind((0, 0))
            self.family = self._family()
        except BaseException:
            self.close()
            raise

    def _family(self) -> int:
        self._send(netlink.get_family())
        data, reply = next(self._replies())
        if reply.error:
            raise errors.Unusable(
                "the kernel has no WireGuard",
                field="wireguard",
                hint="load it with `modprobe wireguard` (Linux 5.6 or later), or use "
                "--wireguard userspace",
            )
        return netlink_dump.family(data, reply)

    def request(self, message: bytes) -> None:
        """Send it, and raise `Refused` if the kernel does not take it."""
        self._send(message)
        _, reply = next(self._replies())
        if reply.error:
            raise Refused(reply.error)

    def dump(self, message: bytes) -> Iterator[tuple[bytes, Reply]]:
        """Send it, and yield the messages that answer; raises `Refused`."""
        self._send(message)
        for data, reply in self._replies():
            if reply.error:
                raise Refused(reply.error)
            if not reply.last:
                yield data, reply

    def _send(self, message: bytes) -> None:
        try:
            self._socket.send(message)
        except OSError as error:
            raise _silent(error) from error

    def _replies(self) -> Iterator[tuple[bytes, Reply]]:
        """Yield messages up to the last one, each with the bytes that it is in."""
        while True:
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except OSError as error:
                raise _silent(error) from error
            try:
                found = list(netlink_dump.replies(data))
            except ValueError as error:
                raise errors.Unusable("the kernel's WireGuard is not understood") from error
            for reply in found:
                yield data, reply
                if reply.last:
                    return

    def close(self) -> None:
        """Let the kernel forget it."""
        self._socket.close()

    def __enter__(self) -> Self:
        """Use it in a block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()


def _silent(error: OSError) -> errors.Unusable:
    return errors.Unusable(f"the kernel's WireGuard does not answer: {error.strerror or error}")
