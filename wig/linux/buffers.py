"""Room for packets that wait for a userspace WireGuard: in its interface and in its sockets.

Called by `userspace`. The process gets no time while the machine is busy, and works on 500 new
peers for longer than the kernel's defaults last (both measured, as lost packets):

- A socket holds some 170 packets. Newer versions of wireguard-go ask for 7 MiB themselves
  (conn/controlfns.go); Debian 12's does not, so wig asks for it on the same socket, which
  pidfd_getfd(2) lends.
- The interface holds 500.
"""

import contextlib
import ctypes
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from wig import errors
from wig.linux import link

BUFFER_BYTES = 7 << 20
"""Of each direction of each socket; wireguard-go, conn/controlfns.go: `socketBufferSize`."""
QUEUE_PACKETS = 2000
"""Of the interface: 2 s of 1,000 packets a second, 20 ms of a gigabit of full ones."""

_SYS_PIDFD_GETFD = 438  # Linux, include/uapi/asm-generic/unistd.h; the same on all architectures
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33  # Linux, include/uapi/asm-generic/socket.h

_libc = ctypes.CDLL(None, use_errno=True)


def lengthen(name: str) -> None:
    """Give an interface a long queue, where the kernel lets us."""
    with contextlib.suppress(errors.Unusable):
        link.set_queue(name, QUEUE_PACKETS)


def widen(pid: int, pidfd: int) -> None:
    """Give the UDP sockets of a process large buffers, where the kernel lets us.

    Without the right to it (CAP_NET_ADMIN, and what ptrace(2) asks for), or with a kernel before
    5.6, they keep those that they have.
    """
    for fd in _sockets(pid):
        with contextlib.suppress(OSError), _borrowed(fd, pidfd) as borrowed:
            if borrowed.proto == socket.IPPROTO_UDP:
                for option in (_SO_SNDBUFFORCE, _SO_RCVBUFFORCE):
                    borrowed.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)


def _sockets(pid: int) -> Iterator[int]:
    """Yield its descriptors that are sockets; others may come and go meanwhile."""
    with contextlib.suppress(OSError):  # it has ended, or is not ours to look into
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.readlink().name.startswith("socket:"):
                    yield int(path.name)


def _borrowed(fd: int, pidfd: int) -> socket.socket:
    own = _libc.syscall(_SYS_PIDFD_GETFD, pidfd, fd, 0)
    if own < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return socket.socket(fileno=own)
