"""A gateway's cold start on a real userspace device, beside the same text straight to the socket.

From the sink having the objects to the device having them, without the bus.
"""

import pickle
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from tests import builders
from tests.bench import recorded
from tests.bench.figures import Figure
from tests.lab.gateway import DrivenGateway
from tests.lab.host import Host
from tests.lab.internet import Internet
from wig import plan, wanted
from wig.linux import uapi
from wig.model import Peer

SIZES = {10_000: 3, 60_000: 1}
"""Peers, and how many times."""
_STRAIGHT = """
import pickle, sys, time
from pathlib import Path
from wig.linux import uapi
requests = pickle.loads(Path(sys.argv[1]).read_bytes())
begin = time.perf_counter()
for text in requests:
    uapi.request(Path("/var/run/wireguard/floor0.sock"), text)
print(time.perf_counter() - begin)
"""


def figures(directory: Path) -> list[Figure]:
    return [_cold_start(directory, size, rounds) for size, rounds in SIZES.items()]


def _cold_start(directory: Path, size: int, rounds: int) -> Figure:
    interface = builders.interface(addresses=recorded.ADDRESSES)
    some = recorded.peers(size)
    path = write_requests(directory, some)
    pairs = []
    with Internet() as net, DrivenGateway(net.host("gateway")) as gateway:
        for _ in range(rounds):
            pairs.append((gateway.load([interface, *some]), straight(gateway.host, path)))
            gateway.load([])
    ratio = statistics.median(took / floor for took, floor in pairs)
    return Figure(
        work=f"cold start, {size:,} peers",
        value=f"{statistics.median(took for took, _ in pairs):.2f} s, {ratio:.2f} times the floor",
        target="≤ 1.3 times",
        floor=f"same text straight to the socket {statistics.median(f for _, f in pairs):.2f} s",
    )


def write_requests(directory: Path, some: Sequence[Peer]) -> Path:
    """Write the requests that a gateway would send for these peers."""
    configs = {
        each.public_key: config for each in some if (config := wanted.peer_config(each)) is not None
    }
    changes = tuple(plan.peer_changes(configs, {}))
    path = directory / f"requests-{len(some)}"
    path.write_bytes(pickle.dumps([uapi.encode_peers(piece) for piece in uapi.chunks(changes)]))
    return path


def straight(host: Host, path: Path) -> float:
    """Return how long a device, up like the gateway's, takes for the requests in a file."""
    host.run("wireguard-go", "floor0", env={"LOG_LEVEL": "silent"})
    try:
        host.run("ip", "link", "set", "floor0", "up")
        return float(host.out(sys.executable, "-c", _STRAIGHT, str(path)))
    finally:
        host.run("ip", "link", "del", "floor0")
