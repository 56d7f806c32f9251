"""Reports into sessions: samples learned from, edges written, and memory for a million peers."""

import base64
import itertools
import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec

from tests.bench.figures import Clock, Figure, rss_mb
from wig import stats
from wig.sessions import Sessions
from wig.sqlite.history import History

START = 1_767_268_800
ACTIVE = 100_000
KNOWN = 1_000_000
PLACES = tuple(
    stats.Place(country="SE", asn=64500 + n, organisation=f"Example {n}") for n in range(50)
)


def keys(count: int) -> list[str]:
    return [base64.b64encode(os.urandom(32)).decode() for _ in range(count)]


def reports(peers: list[str], at: int, first: int, age_s: int = 5):
    """Yield a round of reports: every peer, in another order each time, with more bytes."""
    order = random.sample(peers, len(peers))
    for n, start in enumerate(range(0, len(order), stats.SAMPLES_MAX), first):
        part = tuple(order[start : start + stats.SAMPLES_MAX])
        samples = stats.Samples(
            interface="wg0",
            peers=part,
            handshakes=tuple(START + at - age_s - random.randrange(100) for _ in part),
            received=tuple(10**9 + at * 10**6 + random.randrange(10**6) for _ in part),
            sent=tuple(10**10 + at * 10**6 + random.randrange(10**6) for _ in part),
            places=tuple(random.randrange(len(PLACES) + 1) for _ in part),
        )
        yield stats.Report(
            format=stats.FORMAT,
            gateway="gw1",
            boot="0" * 16,
            n=n,
            time=START + at,
            interval_s=30,
            more=start + stats.SAMPLES_MAX < len(order),
            places=PLACES,
            interfaces=(samples,),
        )


def round_of(peers: list[str], at: int, number: int, **fields: int) -> list[bytes]:
    first = 1 + number * -(-len(peers) // stats.SAMPLES_MAX)
    return [stats.encode(each) for each in reports(peers, at, first, **fields)]


def learn(sessions: Sessions, raws: list[bytes], at: int) -> None:
    for raw in raws:
        sessions.observe(stats.decode(raw), START + at)


def ingest() -> tuple[float, float, float]:
    """Return samples/s decoded and observed; decoded only, strictly; decoded by msgspec alone."""
    peers, sessions = keys(ACTIVE), Sessions()
    plain = msgspec.json.Decoder(stats.Report)
    best = strict = alone = 0.0
    for number in range(6):
        raws = round_of(peers, 30 * number, number)
        with Clock() as clock:
            learn(sessions, raws, 30 * number)
        best = max(best, ACTIVE / clock.s) if number else 0.0  # the first one is all begins
        sessions.committed()
        with Clock() as clock:
            for raw in raws:
                stats.decode(raw)
        strict = max(strict, ACTIVE / clock.s)
        with Clock() as clock:
            for raw in raws:
                plain.decode(raw)
        alone = max(alone, ACTIVE / clock.s)
    return best, strict, alone


def edges(path: Path) -> tuple[float, int]:
    """Return edges/s from report to disk: begins and ends of sessions, with their outbox."""
    peers, spent, batches = keys(60_000), 0.0, 20
    with History.open(path) as history:
        sessions = history.load()
        raws = round_of(peers, 0, 0)
        for start in range(0, len(raws), -(-len(raws) // batches)):
            with Clock() as clock:
                learn(sessions, raws[start : start + -(-len(raws) // batches)], 0)
                history.commit(sessions)
            spent += clock.s
        learn(sessions, [stats.encode(stats.Report(
            format=1, gateway="gw1", boot="0" * 16, n=len(raws) + 1, time=START + 900, interval_s=30
        ))], 900)  # fmt: skip
        with Clock() as clock:
            sessions.tick(START + 900)
            last = history.commit(sessions)
        spent += clock.s
    return last / spent, last


def plain_rows(path: Path, rows: int = 100_000) -> float:
    """Return rows/s of a session's size, with one index, in transactions of 5,000."""
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("PRAGMA synchronous = FULL")
    base.execute("CREATE TABLE row (number INTEGER PRIMARY KEY, key TEXT UNIQUE, a, b, c, d)")
    filled = [(key, 1, 2, 3, 4) for key in keys(rows)]
    with Clock() as clock:
        for part in (
            itertools.batched(filled, 5000)
            if sys.version_info >= (3, 12)
            else (filled[start : start + 5000] for start in range(0, rows, 5000))
        ):
            base.execute("BEGIN IMMEDIATE")
            base.executemany("INSERT INTO row (key, a, b, c, d) VALUES (?, ?, ?, ?, ?)", part)
            base.execute("COMMIT")
    base.close()
    return rows / clock.s


def memory() -> tuple[float, float]:
    """Return MB of a process before and with a million known peers, a tenth of them active."""
    sessions, peers = Sessions(), keys(KNOWN)
    del peers[:]
    before = rss_mb(os.getpid())
    n = 0
    for start in range(0, KNOWN, ACTIVE):
        some = keys(ACTIVE)
        age_s = 5 if start == 0 else 90_000
        for report in reports(some, 0, n + 1, age_s=age_s):
            n = report.n
            sessions.observe(stats.decode(stats.encode(report)), START)
            sessions.committed()
    assert (sessions.known, sessions.open) == (KNOWN, ACTIVE)
    return before, rss_mb(os.getpid(), peak=False)


def figures(directory: Path) -> list[Figure]:
    observed, strict, alone = ingest()
    written, count = edges(directory / "sessions.db")
    rows = plain_rows(directory / "rows.db")
    child = subprocess.run(
        [sys.executable, "-m", "tests.bench.sessions"],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    before, after = map(float, child.stdout.split())
    return [
        Figure(
            work="reports decoded and observed, 100,000 active peers",
            value=f"{observed:,.0f} samples/s",
            target="≥ 400,000",
            floor=f"msgspec's decoder alone {alone:,.0f}, strict {strict:,.0f}",
        ),
        Figure(
            work=f"{count:,} session edges, from report to disk with outbox",
            value=f"{written:,.0f} edges/s",
            target="≥ 30,000",
            floor=f"plain inserts {rows:,.0f} rows/s",
        ),
        Figure(
            work="1,000,000 known peers, 100,000 active",
            value=f"{after:.0f} MB",
            target="≤ 500 MB",
            floor=f"the process before {before:.0f} MB",
        ),
    ]


if __name__ == "__main__":
    print(*memory())
