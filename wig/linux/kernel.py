"""The kernel backend: WireGuard in the kernel, over generic netlink.

Called by `host`. Links are rtnetlink's business (`link`); what is inside of a device is ours. Each
call has a socket of its own: the kernel answers at once, and nothing has to be kept from call to
call, or apart from other threads.

A kernel device does not die by itself, and keeps its clients whatever becomes of wig. Somebody may
delete its link, though, and that counts as a death: it is made again at once, and its clients
greet it within 15 s.
"""

import errno
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from wig import errors
from wig.device import Device, DevicePeer, Endpoint
from wig.linux import link, netlink, netlink_dump
from wig.linux.netlink_socket import Connection
from wig.linux.refusal import Refused, set_or_blame
from wig.samples import Sample
from wig.steps import PeerChange, Problem, SetDevice

KIND = "wireguard"
"""Of its links."""
PEERS_MAX = 1 << 20  # Linux, drivers/net/wireguard/messages.h: MAX_PEERS_PER_DEVICE
CHUNK_PEERS = 500
"""Peers that are looked through for the one to blame, when the kernel refuses a request."""
DUMPS_MAX = 5
"""A dump during which somebody changed the device is not coherent, and had again so often."""

_ABSENT = frozenset({errno.ENODEV, errno.EOPNOTSUPP})  # no link, or one that is not WireGuard


class Kernel:
    """WireGuard devices of the kernel (a `backend.Backend`)."""

    peers_max: int | None = PEERS_MAX

    def __init__(self) -> None:
        """Raise `Unusable` if the kernel has no WireGuard."""
        Connection().close()
        self._indexes: dict[str, int] = {}
        """Of the links that were made or adopted; another number is another link."""

    # Devices.

    def create(self, name: str) -> None:
        """Make the link, and the device with it."""
        link.create(name, KIND)
        self._note(name)

    def remove(self, name: str) -> bool:
        """Remove the link, if it is one of WireGuard's, and its peers before it.

        To remove peers with their link costs the kernel 20 ms each, because it waits for all
        processors every time; on request it removes thousands in as much.
        """
        self._indexes.pop(name, None)
        try:
            with Connection() as connection:
                connection.request(netlink.remove_peers(connection.family, name))
        except Refused as error:
            if error.number in _ABSENT:
                return False
            raise
        return link.remove(name, KIND)

    def wait_up(self, name: str) -> None:
        """Return at once: a device is up when its link is."""

    def read(self, name: str) -> Device | None:
        """Return the device, adopting it; None: there is none in the kernel."""
        for _ in range(DUMPS_MAX):
            dump = netlink_dump.Dump()
            coherent = True
            try:
                with _understood(name):
                    for data, reply in self._dump(name):
                        dump.add(data, reply)
                        coherent = coherent and not reply.flags & netlink_dump.NLM_F_DUMP_INTR
            except _Absent:
                return None
            if coherent:
                self._note(name)
                return dump.device()
        raise errors.Unusable(f"somebody keeps changing the device of {name!r}")

    def samples(self, name: str) -> Iterator[Sequence[Sample]]:
        """Yield what the device says of its peers, message by message."""
        try:
            for data, reply in self._dump(name):
                with _understood(name):
                    some = netlink_dump.samples(data, reply)
                yield some
        except _Absent:
            return

    def clients(self, name: str) -> Mapping[str, DevicePeer]:
        """Return the peers that have an endpoint."""
        device = self.read(name)
        peers = {} if device is None else device.peers
        return {key: peer for key, peer in peers.items() if peer.endpoint is not None}

    def _dump(self, name: str) -> Iterator[tuple[bytes, netlink_dump.Reply]]:
        try:
            with Connection() as connection:
                yield from connection.dump(netlink.get_device(connection.family, name))
        except Refused as error:
            if error.number in _ABSENT:
                raise _Absent from error
            raise

    def set_device(self, step: SetDevice) -> None:
        """Set what is not None; a device whose port is refused keeps the one it has."""
        with Connection() as connection:
            connection.request(netlink.set_device(connection.family, step))

    def set_peers(self, name: str, changes: Sequence[PeerChange]) -> tuple[Problem, ...]:
        """Change peers; what is refused is halved until the peers to blame are found."""
        with Connection() as connection:

            def send(some: Sequence[PeerChange]) -> None:
                try:
                    for message in netlink.set_peers(connection.family, name, some):
                        connection.request(message)
                except Refused as error:
                    if error.number in _ABSENT:  # nobody's fault
                        raise errors.Unusable(f"the device of {name!r} is gone") from error
                    raise

            return tuple(
                problem
                for start in range(0, len(changes), CHUNK_PEERS)
                for problem in set_or_blame(name, changes[start : start + CHUNK_PEERS], send)
            )

    # A device that is gone.

    def remember(self) -> None:
        """Do nothing: a device keeps its clients, whatever becomes of wig."""

    def revive(self, name: str) -> Mapping[str, Endpoint]:  # noqa: ARG002  # the protocol's
        """Return nothing, as nothing is remembered."""
        return {}

    def wake(self, name: str, public_keys: Sequence[str]) -> None:
        """Greet peers at once."""
        with Connection() as connection:
            for message in netlink.wake(connection.family, name, public_keys):
                connection.request(message)

    def dead(self) -> tuple[str, ...]:
        """Return the devices whose link somebody deleted, each once."""
        gone = tuple(name for name, index in list(self._indexes.items()) if _index(name) != index)
        for name in gone:
            self._indexes.pop(name, None)
        return gone

    def wait_fds(self) -> tuple[int, ...]:
        """Return none: to ask for the number of a link costs next to nothing."""
        return ()

    def close(self) -> None:
        """Forget all; the devices stay."""
        self._indexes.clear()

    def _note(self, name: str) -> None:
        if (index := _index(name)) is not None:
            self._indexes[name] = index


class _Absent(Exception):
    """The name has no link, or one that is not WireGuard's."""


@contextmanager
def _understood(name: str) -> Iterator[None]:
    """Say so when bytes are not what Linux has described, whatever the parser stumbled over."""
    try:
        yield
    except (ValueError, LookupError, struct.error) as error:
        raise errors.Unusable(f"the device of {name!r} is not understood") from error


def _index(name: str) -> int | None:
    """Return the number of a link; None: there is none."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None
