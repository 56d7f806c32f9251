"""What a program tells Prometheus: families, their values, and the text of a scrape.

Called by `telemetry`. Nothing is counted for its own sake: a scrape asks every part for the values
that it has anyway. To add metrics to a program, declare families, and yield their values:

    BACKLOG = Family("wig_things_waiting", GAUGE, "Things that wait.", ("node",))
    FAMILIES = (BACKLOG,)

    def collect(things: Things) -> Iterator[Measured]:
        yield BACKLOG.of(things.waiting, things.node)

    telemetry.add(partial(collect, things))

Names follow Prometheus' conventions: `wig_<noun>_<unit>`, base units, `_total` for what only grows.
`deploy/prometheus/README.md` lists every family; `tests/unit/bridge/test_metrics.py` compares it
with the code: a new table is added to both.

**Invariant:** no client address, key of an interface, or secret is ever a value or a label.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

COUNTER = "counter"
GAUGE = "gauge"
HISTOGRAM = "histogram"

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds of a histogram of times: what is good, bad, and unusable in a control plane."""


class Histogram:
    """How many values are at most each bound. Observe in one thread; any thread may read."""

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        """Begin with no value; `bounds` ascend."""
        self.bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self._counts)

    def buckets(self) -> list[tuple[str, int]]:
        """Return bounds and how many values are below each, as Prometheus wants them."""
        names = [*map(str, self.bounds), "+Inf"]
        return list(zip(names, accumulate(self._counts), strict=True))


class Measured(NamedTuple):
    """One value of a family."""

    family: "Family"
    labels: tuple[str, ...]
    value: float | Histogram


class Family(NamedTuple):
    """One metric, with all its label values."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()

    def of(self, value: float | Histogram, *labels: str) -> Measured:
        """Return a value of it; `labels` in the order of the declaration."""
        assert len(labels) == len(self.labels), f"{self.name} has labels {self.labels}"
        return Measured(self, labels, value)

    def head(self) -> str:
        """Return the lines before its values, for those who write their text themselves."""
        return f"# HELP {self.name} {self.help}\n# TYPE {self.name} {self.kind}\n"


Source = Callable[[], Iterable[Measured]]
"""Called on the event loop at each scrape: it returns what is known, and waits for nothing."""

_KINDS: dict[str, type[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]] = {
    COUNTER: CounterMetricFamily,
    GAUGE: GaugeMetricFamily,
    HISTOGRAM: HistogramMetricFamily,
}


@dataclass(frozen=True)
class Collected:
    """Values of one moment, as a registry of prometheus_client."""

    values: tuple[Measured, ...]

    def collect(self) -> Iterator[Metric]:
        """Yield the families that have values, each once, in order of appearance."""
        families: dict[Family, Metric] = {}
        for family, labels, value in self.values:
            if (metric := families.get(family)) is None:
                metric = _KINDS[family.kind](family.name, family.help, labels=family.labels)
                families[family] = metric
            if isinstance(value, Histogram):
                metric.add_metric(labels, buckets=value.buckets(), sum_value=value.sum)
            else:
                metric.add_metric(labels, value)
        yield from families.values()


def text(values: Iterable[Measured]) -> bytes:
    """Return the text of a scrape (Prometheus exposition format 0.0.4)."""
    found: bytes = generate_latest(Collected(tuple(values)))
    return found
