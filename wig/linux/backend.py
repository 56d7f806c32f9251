"""What a WireGuard implementation must offer: `kernel` and `userspace` do.

Called by `host`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from wig.device import Device, DevicePeer, Endpoint
from wig.samples import Sample
from wig.steps import PeerChange, Problem, SetDevice


class Backend(Protocol):
    """WireGuard devices by name."""

    @property
    def peers_max(self) -> int | None:
        """How many peers one device can have; None: no known limit."""

    def create(self, name: str) -> None:
        """Make a device and its network interface; raise `Unusable` if that fails."""

    def remove(self, name: str) -> bool:
        """Remove the device and its network interface; False: there is none of this backend."""

    def wait_up(self, name: str) -> None:
        """Return when the device has noticed that its interface is up."""

    def read(self, name: str) -> Device | None:
        """Return the device; None: there is none that this backend can reach."""

    def samples(self, name: str) -> Iterator[Sequence[Sample]]:
        """Yield what the device says of its peers, in batches; nothing if there is no device.

        Called from other threads, while any of the other methods may run: needs a connection of
        its own to the device. Each step takes a few milliseconds at most (`samples.of_device`
        makes batches). Raises `Unusable` when the device does not say it all.
        """

    def set_device(self, step: SetDevice) -> None:
        """Set what is not None; raise `Unusable` if the device refuses."""

    def set_peers(self, name: str, changes: Sequence[PeerChange]) -> tuple[Problem, ...]:
        """Change peers in this order; return those that the device refused."""

    def clients(self, name: str) -> Mapping[str, DevicePeer]:
        """Return, by public key, the peers that have an endpoint; no device: none."""

    def remember(self) -> None:
        """Keep in memory where the clients of each device are."""

    def revive(self, name: str) -> Mapping[str, Endpoint]:
        """Return what `remember` kept of a device that is gone, by public key, and drop it."""

    def wake(self, name: str, public_keys: Sequence[str]) -> None:
        """Greet peers at once, so that they need not wait for their own next handshake."""

    def dead(self) -> tuple[str, ...]:
        """Return the devices that died by themselves since the last call."""

    def wait_fds(self) -> tuple[int, ...]:
        """Return file descriptors that become readable when a device dies."""

    def close(self) -> None:
        """Let go of the devices; they go on."""
