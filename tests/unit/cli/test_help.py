"""The help and what it costs, and answers to wrong usage."""

import subprocess
import sys

import pytest

HEAVY = ("nats", "asyncio", "msgspec", "sqlite3", "sqlite_utils", "rich", "pyroute2", "segno")


def modules_after(*words: str) -> set[str]:
    """Run the program in a new interpreter and return what it imported."""
    script = (
        "import sys; from wig_cli.main import main; code = main(sys.argv[1:]);"
        "print(*sorted(sys.modules), sep='\\n', file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("words", [("--help",), ("completion", "--help")], ids=" ".join)
def test_help_loads_nothing_heavy(words):
    """The help costs an interpreter and argparse, whatever else wig can do."""
    assert modules_after(*words).isdisjoint(HEAVY)


def test_help_of_a_group_does_not_load_the_bus():
    """Looking up an option of `wig peer create` does not import nats-py."""
    assert modules_after("peer", "create", "--help").isdisjoint({"nats", "rich", "segno"})
