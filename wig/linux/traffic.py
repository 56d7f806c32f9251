"""What the links of this host have counted (`/proc/net/dev`). Called for a gateway's metrics.

The sum of the peers' counters would fall with each peer that is deleted; a link's own never does.
"""

from pathlib import Path
from typing import NamedTuple


class Traffic(NamedTuple):
    """The bytes of one link since it was made."""

    received_bytes: int
    """Out of the tunnel: from the clients."""
    sent_bytes: int
    """Into the tunnel: to the clients."""


# Of the thread, not of the process: threads of a test may be in different network namespaces.
_PATH = Path("/proc/thread-self/net/dev")
_RECEIVED, _SENT = 0, 8  # columns: Linux, net/core/net-procfs.c


def read() -> dict[str, Traffic]:
    """Return the counters of all links."""
    found = {}
    for line in _PATH.read_text(encoding="utf-8").splitlines()[2:]:
        name, _, counters = line.partition(":")
        numbers = counters.split()
        found[name.strip()] = Traffic(int(numbers[_RECEIVED]), int(numbers[_SENT]))
    return found
