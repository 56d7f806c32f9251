"""A scrape of 100,000 peers over HTTP, beside prometheus_client's own text of the same series."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure
from tests.bench.statistics import PEERS, device


def run(which: str, argument: str) -> dict[str, Any]:
    program = (sys.executable, "-m", "tests.bench.metrics_program", which, argument)
    done = subprocess.run(program, capture_output=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def shown(found: dict[str, Any]) -> str:
    return (
        f"{found['took_s']:.2f} s, {found['memory_mb']:.0f} MB more, {found['size'] / 1e6:.0f} MB"
    )


def figures(directory: Path) -> list[Figure]:
    with device(directory) as path:
        wig = run("wig", str(path))
    stock = run("stock", str(PEERS))
    return [
        Figure(
            work=f"scrape of {PEERS:,} peers, {3 * PEERS:,} series, the device's reading included",
            value=f"{shown(wig)}, {wig['reading_s']:.2f} s of it the reading; longest pause of the"
            f" loop {wig['pause_s'] * 1000:.1f} ms",
            target="≤ 0.5 s, ≤ 60 MB, no pause over 50 ms",
            floor=f"prometheus_client, without reading or HTTP: {shown(stock)}",
        )
    ]
