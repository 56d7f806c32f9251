"""A big import through the program, reading it back, listing it, and memory meanwhile."""

import json
import os
import resource
import subprocess
import time
from base64 import b64encode
from pathlib import Path

from tests.bench import commit, floors
from tests.bench.figures import Clock, Figure, quantile, rss_mb
from tests.program import WIG, environment

PEERS = int(os.environ.get("WIG_BENCH_PEERS", "1000000"))


def write_file(path: Path, peers: int) -> list[str]:
    """Write an import file; return some of its keys."""
    some = []
    with path.open("w") as file:
        for number in range(peers):
            key = b64encode(os.urandom(32)).decode()
            if number % (peers // 100) == 0:
                some.append(key)
            file.write(json.dumps({"interface": "wg0", "public_key": key}) + "\n")
    return some


def figures(directory: Path) -> list[Figure]:
    floor = floors.sqlite_rows(directory)
    path = directory / "peers.jsonl"
    some = write_file(path, PEERS)
    with commit.up(directory) as program:
        pid = program.pid
        with Clock() as clock:
            child = subprocess.Popen(
                [*WIG, "peer", "import", str(path), "--output", "json"],
                env=environment(program.state_dir),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            importer = 0.0
            while child.poll() is None:
                importer = max(importer, rss_mb(child.pid, peak=True))
                time.sleep(0.05)
        assert child.returncode == 0
        found = [
            Figure(
                work=f"import {PEERS:,} peers",
                value=f"{PEERS / clock.s:,.0f} peers/s, {clock.s:.1f} s",
                target="≥ 20,000/s",
                floor=f"SQLite rows alone {floor:,.0f}/s",
            ),
            Figure(
                work="memory during the import, peak",
                value=f"importer {importer:.0f} MB, primary {rss_mb(pid, peak=True):.0f} MB",
                target="≤ 300 MB each",
            ),
        ]
        found += _reading(program, some)
    return found


def _reading(program: commit.Up, some: list[str]) -> list[Figure]:
    server, credentials = commit.reach(program)
    shown = commit.load(server, credentials, "--show", ",".join(some), clients=1, seconds=2.0)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with Clock() as clock:
        listed = subprocess.run(
            [*WIG, "peer", "list", "--output", "json"],
            env=environment(program.state_dir),
            stdout=subprocess.PIPE,
            check=True,
        )
    lines = listed.stdout.count(b"public_key")
    assert lines >= PEERS, lines
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    grown = "" if peak == before / 1000 else f", peak {peak:.0f} MB"
    return [
        Figure(
            work=f"read one of {PEERS:,} peers",
            value=f"p50 {quantile(shown, 0.5) * 1000:.2f} ms, max {max(shown) * 1000:.2f} ms",
            target="≤ 5 ms",
        ),
        Figure(work="list them all", value=f"{lines / clock.s:,.0f} peers/s{grown}"),
    ]
