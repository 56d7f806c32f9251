"""Many peers: time, memory, and no query that walks over all of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wig import sqlite

ROOT = Path(__file__).parents[2]


def figures(folder, count):
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.many_peers", str(folder), str(count)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_fifty_thousand_peers_are_loaded_in_bounded_memory(tmp_path):
    """Little more than SQLite's page cache, whatever the size of the snapshot."""
    found = figures(tmp_path, 50_000)

    assert found["memory_mib"] < found["memory_before_mib"] + 80
    assert found["peer_s"] < 0.005
    assert sqlite.verify(tmp_path / "wig.db").peers == 50_000


@pytest.mark.torture
def test_a_million_peers_are_loaded_read_and_listed_torture(tmp_path):
    """At most 300 MB, any peer within 5 ms; the time is generous, for slow machines."""
    found = figures(tmp_path, 1_000_000)

    assert found["memory_mib"] < 300
    assert found["peer_s"] < 0.005
    assert found["page_s"] < 0.02
    assert found["load_s"] < 120
