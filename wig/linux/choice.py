"""Which WireGuard a host uses: the kernel's, or one process per interface.

Called by `gateway`.
"""

from collections.abc import Iterable
from pathlib import Path

from wig import errors
from wig.linux import netlink_socket, processes
from wig.linux.backend import Backend
from wig.linux.kernel import Kernel
from wig.linux.userspace import Userspace

BACKENDS = ("auto", "kernel", "userspace")


def choose(wireguard: str, left: Iterable[str], socket_directory: Path) -> Backend:
    """Return the backend that the operator wants; raise `Unusable` if this host lacks it.

    `auto` stays with userspace as long as one of the interfaces that were `left` by an earlier
    gateway runs there: to change a device's WireGuard is to cut its clients. Otherwise it is the
    kernel, if that has WireGuard.
    """
    if wireguard not in BACKENDS:
        raise errors.Invalid(
            f"wireguard: {errors.quoted(wireguard)} is not one of {', '.join(BACKENDS)}",
            field="wireguard",
        )
    if wireguard == "auto":
        in_userspace = any(map(processes.runs, left)) or not netlink_socket.available()
        wireguard = "userspace" if in_userspace else "kernel"
    return Kernel() if wireguard == "kernel" else Userspace(socket_directory)
