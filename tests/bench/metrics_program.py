"""The programs behind `metrics`, each in a process of its own: `… wig SOCKET` and `… stock PEERS`.

Prints one JSON object: how long a scrape of all peers took, what it took in memory, its size, and
how the event loop was meanwhile.
"""

import asyncio
import gc
import json
import os
import secrets
import sys
import time
from base64 import b64encode
from functools import partial
from pathlib import Path

import uvloop
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from bridge import metrics_peers
from bridge.metrics_http import Address
from bridge.readings import Readings
from bridge.telemetry import Telemetry
from tests.bench.figures import rss_mb
from tests.bench.statistics import watched
from tests.eventually import eventually
from wig.linux import samples
from wig.samples import Batch

SCRAPES = 3


def forget_peak() -> None:
    """Let the highest memory be the present one."""
    Path("/proc/self/clear_refs").write_text("5")


async def wig(path: Path) -> dict[str, object]:
    """Serve a device as a gateway does, and look at it as Prometheus does."""
    readings = Readings(lambda: (Batch("wg0", peers) for peers in samples.read(path)))
    telemetry = Telemetry()
    telemetry.prepare(partial(readings.current, 0))
    telemetry.write(lambda: metrics_peers.pieces(readings.last, (), "on"))
    services = telemetry.services(Address("127.0.0.1", 0))
    tasks = [asyncio.create_task(service()) for service in services.values()]
    await eventually(lambda: telemetry.port and telemetry.port.bound, "a port")
    page = f"http://127.0.0.1:{telemetry.port.bound}/metrics"
    size = 0

    async def scrape() -> None:
        nonlocal size
        reader = await asyncio.create_subprocess_exec(
            *("curl", "-sf", "-o", "/dev/null", "-w", "%{size_download}", page),
            stdout=asyncio.subprocess.PIPE,
        )
        size = int((await reader.communicate())[0])

    forget_peak()
    before_mb = rss_mb(os.getpid())
    runs = [await watched(scrape) for _ in range(SCRAPES)]
    peak_mb = rss_mb(os.getpid(), peak=True)
    for task in tasks:
        task.cancel()
    readings.close()
    return {
        "took_s": sorted(took_s for took_s, _ in runs)[len(runs) // 2],
        "memory_mb": peak_mb - before_mb,
        "size": size,
        "reading_s": readings.last.took_s if readings.last else 0,
        "pause_s": max(max(loop.pauses_s) for _, loop in runs),
    }


class Stock:
    """The same series through prometheus_client's own objects."""

    def __init__(self, peers: int) -> None:
        self._keys = [b64encode(secrets.token_bytes(32)).decode() for _ in range(peers)]

    def collect(self):
        labels = ["interface", "peer"]
        received = CounterMetricFamily("wig_peer_receive_bytes", "Received.", labels=labels)
        sent = CounterMetricFamily("wig_peer_transmit_bytes", "Sent.", labels=labels)
        seen = GaugeMetricFamily("wig_peer_last_handshake_seconds", "Seen.", labels=labels)
        for number, key in enumerate(self._keys):
            received.add_metric(["wg0", key], number + 1_000_000)
            sent.add_metric(["wg0", key], number + 1_000_000)
            seen.add_metric(["wg0", key], 1_790_000_000)
        yield from (received, sent, seen)


def stock(peers: int) -> dict[str, object]:
    registry = CollectorRegistry()
    registry.register(Stock(peers))
    forget_peak()
    before_mb = rss_mb(os.getpid())
    begin = time.perf_counter()
    size = len(generate_latest(registry))
    took_s = time.perf_counter() - begin
    memory_mb = rss_mb(os.getpid(), peak=True) - before_mb
    return {"took_s": took_s, "memory_mb": memory_mb, "size": size}


def main() -> None:
    gc.freeze()  # as the program does
    which, argument = sys.argv[1:]
    if which == "stock":
        print(json.dumps(stock(int(argument))))
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(wig(Path(argument)))))


if __name__ == "__main__":
    main()
