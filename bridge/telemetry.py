"""What a program says of itself to those who look after it: Prometheus, systemd, load balancers.

Made by the programs (`node`, `gateway_node`, `wig up`, `wig sessions`), one for each process. Its
parts add what they know; `services` runs the port and the talk with systemd:

    telemetry = Telemetry()
    telemetry.add(partial(metrics_of_my_part, part))        # values at each scrape (see `metrics`)
    telemetry.ready(part.why_not_ready)                     # reasons against /readyz
    telemetry.alive("my thread", partial(worker.call, nothing))         # for the watchdog
    services |= telemetry.services(address)                 # last, so that it ends first

`address` is what `metrics_http.parse_address` makes of `--metrics-addr`.
"""

import asyncio
import os
import platform
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Never

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

import wig
from bridge import metrics, systemd
from bridge.metrics import GAUGE, HISTOGRAM, Family, Histogram, Measured
from bridge.metrics_http import Address, Port
from bridge.supervisor import Service

BEAT_S = 0.25
DELAYS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

BUILD = Family(
    "wig_build_info", GAUGE, "Always 1; which wig runs, on which Python.", ("version", "python")
)
READY = Family("wig_ready", GAUGE, "Whether /readyz says so: 1 or 0.")
DELAY = Family(
    "wig_event_loop_delay_seconds", HISTOGRAM,
    "How late the event loop comes to what is due, looked at four times a second.",
)  # fmt: skip
FAMILIES = (BUILD, READY, DELAY)

Prepare = Callable[[], Awaitable[object]]
Pieces = Callable[[], Iterator[bytes]]


def nothing() -> None:
    """Do nothing: what a thread is asked to do, to see whether it takes calls."""


class Telemetry:
    """What one process says of itself."""

    def __init__(self) -> None:
        """Know only what is true of every program."""
        self._sources: list[metrics.Source] = [self._program]
        self._prepare: list[Prepare] = []
        self._pieces: list[Pieces] = []
        self._ready: list[Callable[[], Iterable[str]]] = []
        self._probes: dict[str, systemd.Probe] = {}
        self._liveness = systemd.Liveness(self._probes)
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        self._delay = Histogram(DELAYS)
        self.port: Port | None = None
        """The port, when there is one."""

    # What parts add.

    def add(self, source: metrics.Source) -> None:
        """Ask `source` for its values at each scrape."""
        self._sources.append(source)

    def prepare(self, prepare: Prepare) -> None:
        """Await this before the sources are asked."""
        self._prepare.append(prepare)

    def write(self, pieces: Pieces) -> None:
        """Append text to each scrape; every piece is made in a thread."""
        self._pieces.append(pieces)

    def ready(self, reasons: Callable[[], Iterable[str]]) -> None:
        """Be ready only while this returns nothing."""
        self._ready.append(reasons)

    def alive(self, name: str, probe: systemd.Probe) -> None:
        """Be healthy only while this completes, if it takes minutes."""
        self._probes[name] = probe

    def services(self, address: Address | None) -> dict[str, Service]:
        """Return what runs the port, and tells systemd, where there are such."""
        services: dict[str, Service] = {"beat": self._beat}
        if address is not None:
            self.port = Port(address, self)
            services["metrics"] = self.port.run
        notifier = systemd.Notifier.of(os.environ, os.getpid())
        if notifier is not None:
            services["systemd"] = lambda: systemd.run(notifier, self)
        return services

    # What others see.

    def unhealthy(self) -> tuple[str, ...]:
        """Return why the program must be restarted; nothing: it is alive."""
        return tuple(f"{name}: it takes no calls" for name in self._liveness.stuck())

    def unready(self) -> tuple[str, ...]:
        """Return why it should not be used now; nothing: it is ready."""
        return (*self.unhealthy(), *(why for reasons in self._ready for why in reasons()))

    async def scrape(self) -> AsyncIterator[bytes]:
        """Yield the text of a scrape; only the values of the parts are asked on the event loop."""
        for prepare in self._prepare:
            await prepare()
        values = [value for source in self._sources for value in source()]
        yield await asyncio.to_thread(self._text, values)
        for make in self._pieces:
            pieces = make()
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                yield piece

    def _text(self, values: list[Measured]) -> bytes:
        process: bytes = generate_latest(self._process)
        return metrics.text(values) + process

    def _program(self) -> Iterator[Measured]:
        yield BUILD.of(1, wig.__version__, platform.python_version())
        yield READY.of(0 if self.unready() else 1)
        yield DELAY.of(self._delay)

    async def _beat(self) -> Never:
        """Measure how late the event loop is."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                due = loop.time() + BEAT_S
                await asyncio.sleep(BEAT_S)
                self._delay.observe(max(0.0, loop.time() - due))
        finally:
            await self._liveness.close()
