"""The kernel's WireGuard, in a guest: many peers by wig, by pyroute2's own call, and by wg.

Emulation is slow: the figures are for their ratios.
"""

import json
import sys
from pathlib import Path

from tests.bench.figures import Figure
from tests.lab import guest
from tests.lab.guest_kernel import Missing

PEERS = 20_000
TIMEOUT_S = 900.0


def figures(directory: Path) -> list[Figure]:
    try:
        kernel = guest.find()
    except Missing as reason:
        return [Figure(work="the kernel's WireGuard", value=f"not measured: {reason}")]
    words = f"{sys.executable} -m tests.bench.kernel_guest {PEERS}"
    took = json.loads(guest.run(kernel, directory, words, TIMEOUT_S).splitlines()[-1])
    names = ("wig", "pyroute2", "wg", "read")
    wig, one, wg, read = (took[name] / PEERS * 1e6 for name in names)
    return [
        Figure(
            work=f"{PEERS:,} peers into an emulated kernel",
            value=f"{wig:.0f} µs a peer, {one / wig:.1f} times as fast as one by one, "
            f"{wig / wg:.2f} of wg's time",
            target="≥ 10 times, ≤ 1.2",
            floor=f"pyroute2 one by one {one:.0f} µs, wg syncconf {wg:.0f} µs",
        ),
        Figure(
            work="and out of it again",
            value=f"{read:.0f} µs a peer, all removed in {took['remove']:.2f} s",
        ),
    ]
