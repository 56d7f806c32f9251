"""A device's no: what it says, and finding the peers that it does not take.

Called by the backends.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from errno import EADDRINUSE

from wig import errors
from wig.steps import PeerChange, Problem


class Refused(errors.Unusable):
    """The device refused a request."""

    def __init__(self, number: int) -> None:
        """Keep the device's error number, an `errno` of the operating system."""
        self.number = number
        super().__init__(
            f"the device says: {os.strerror(number)}",
            hint="ss -ulnp says which program has the port" if number == EADDRINUSE else None,
        )


def set_or_blame(
    name: str, changes: Sequence[PeerChange], send: Callable[[Sequence[PeerChange]], None]
) -> Iterator[Problem]:
    """Send the changes; what is refused is halved until the peers to blame are found.

    Those before the one to blame are set already; setting them again costs nothing.
    """
    try:
        send(changes)
    except Refused as error:
        if len(changes) == 1:
            yield Problem(f"peer {changes[0].public_key}", name, error.message)
            return
        half = len(changes) // 2
        yield from set_or_blame(name, changes[:half], send)
        yield from set_or_blame(name, changes[half:], send)
