"""What a benchmark prints: figures beside their targets and floors, and the machine."""

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Figure:
    work: str
    value: str
    target: str = ""
    floor: str = ""
    """The same work without wig, measured in the same run."""


def machine() -> str:
    """Return one line that says where the figures come from."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} × {cpu}, {memory_gib:.0f} GiB, "
        f"Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"
    )


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a Markdown table."""
    rows = [("work", "measured", "target", "floor (without wig)")]
    rows += [(f.work, f.value, f.target, f.floor) for f in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def quantile(samples: Sequence[float], share: float) -> float:
    """Return the sample below which `share` of all samples are."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def spread(samples_s: Sequence[float]) -> str:
    """Return p50 and p99 of times in seconds, as milliseconds."""
    p50, p99 = (quantile(samples_s, share) * 1000 for share in (0.5, 0.99))
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms"


def rss_mb(pid: int, *, peak: bool = False) -> float:
    """Return the resident memory of a process in MB, now or at its highest."""
    wanted = "VmHWM:" if peak else "VmRSS:"
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(wanted):
            return int(line.split()[1]) / 1000
    return 0.0


class Clock:
    """`with Clock() as clock: …; clock.s`; `stop` ends it before the block does."""

    s = 0.0

    def __enter__(self) -> Self:
        self._begin = time.perf_counter()
        return self

    def stop(self) -> None:
        self.s = self.s or time.perf_counter() - self._begin

    def __exit__(self, *_: object) -> None:
        self.stop()
