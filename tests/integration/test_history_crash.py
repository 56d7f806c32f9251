"""The process that keeps sessions dies between any two steps: no edge is lost or doubled."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration import crashing_history
from wig.sqlite import crash
from wig.sqlite.history import History

ROOT = Path(__file__).parents[2]
SIGKILL = -9


def start(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.crashing_history", *map(str, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(*words):
    """Return exit code and the batches that were acknowledged."""
    with start(*words) as process:
        output, _ = process.communicate(timeout=60)
    return process.returncode, output.split()


def contents(path):
    """Return every row of every table, and the edges as they are published."""
    tables = ("gateway", "boot", "interface", "organisation", "peer", "link", "session", "edge")
    with History.open(path) as history:
        rows = {
            name: sorted(history._connection.execute(f"SELECT * FROM {name}")) for name in tables
        }
        return rows, history.edges(0, 1000)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What the same reports lead to when nothing happens."""
    path = tmp_path_factory.mktemp("undisturbed") / "sessions.db"
    crashing_history.main(path)
    return contents(path)


def test_the_reports_have_every_kind_of_edge(undisturbed):
    """So that the tests below show something."""
    _, edges = undisturbed

    assert [edge.number for edge in edges] == list(range(1, 121))
    assert {len(edge.session.gateways) for edge in edges if edge.kind == "end"} == {1, 2}
    begun = [edge.session.id for edge in edges if edge.kind == "begin"]
    assert sorted(begun) == sorted(edge.session.id for edge in edges if edge.kind == "end")
    assert len(set(begun)) == 60


@pytest.mark.parametrize("occurrence", [1, 4, 13])
@pytest.mark.parametrize("point", crash.HISTORY_POINTS)
def test_a_crash_between_two_steps_loses_and_repeats_nothing(
    tmp_path, undisturbed, point, occurrence
):
    """All reports come again, also those that were acknowledged."""
    path = tmp_path / "sessions.db"
    code, acknowledged = run(path, point, occurrence)
    assert code == SIGKILL
    assert len(acknowledged) == occurrence - 1

    assert run(path)[0] == 0

    assert contents(path) == undisturbed


def test_the_reports_pass_every_point(tmp_path):
    """So that the test above dies where it says."""
    passed = set()
    crash.install(passed.add)
    try:
        crashing_history.main(tmp_path / "sessions.db")
    finally:
        crash.install(None)

    assert passed == set(crash.HISTORY_POINTS)


def test_a_process_that_is_killed_at_any_moment_loses_nothing(tmp_path, undisturbed):
    """Ten times."""
    path, generator = tmp_path / "sessions.db", random.Random(1)
    for _ in range(10):
        with start(path) as process:
            for _ in range(generator.randint(0, 12)):
                process.stdout.readline()
            process.kill()

    assert run(path)[0] == 0

    assert contents(path) == undisturbed
