"""`make bench`: run the benchmarks and print one table. Names as arguments choose some of them."""

import importlib
import sys
import tempfile
from pathlib import Path

from tests.bench import figures

ALL = (
    "commit",
    "program",
    "logins",
    "replication",
    "follower",
    "bootstrap",
    "gateway",
    "kernel",
    "statistics",
    "sessions",
    "flood",
    "metrics",
    "bulk",
)


def main() -> None:
    chosen = sys.argv[1:] or ALL
    found = []
    for name in chosen:
        print(f"… {name}", file=sys.stderr, flush=True)
        module = importlib.import_module(f"tests.bench.{name}")
        with tempfile.TemporaryDirectory(prefix="wig-bench-") as directory:
            some = module.figures(Path(directory))
        print(figures.table(some), file=sys.stderr, flush=True)
        found += some
    print(figures.machine())
    print()
    print(figures.table(found))


if __name__ == "__main__":
    main()
