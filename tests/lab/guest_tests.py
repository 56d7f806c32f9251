"""Tests of this project that run in a guest, and what each came to.

One boot for all tests of a module. Each test function of the files stands for one that ran there.
"""

import ast
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.lab import guest
from tests.lab.guest_report import FILE_VARIABLE

TIMEOUT_S = 900.0  # a sixth of it on an idle machine
PATIENCE = 10

Outcomes = Mapping[str, Sequence[Mapping[str, Any]]]

_COMMANDS = f"""
export WIG_PATIENCE={PATIENCE} PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
export {FILE_VARIABLE}={guest.FOLDER}/report.jsonl
{sys.executable} -m pytest -q -p pytest_asyncio.plugin -p pytest_timeout \
    -p tests.lab.guest_report -p no:cacheprovider --timeout 0 {{arguments}}
true
"""


def run(folder: Path, arguments: str) -> Outcomes:
    """Run pytest with these arguments; return outcomes by file and name without parameters."""
    kernel = guest.need()
    said = guest.run(kernel, folder, _COMMANDS.format(arguments=arguments), TIMEOUT_S)
    report = folder / "report.jsonl"
    assert report.exists(), said
    found = defaultdict(list)
    for line in report.read_text().splitlines():
        outcome = json.loads(line)
        found[outcome["test"].partition("[")[0]].append(outcome)
    return found


def require(outcomes: Outcomes, name: str) -> None:
    """Fail unless a test ran, and passed with all its parameters."""
    found = outcomes.get(name, [])
    said = "\n".join(outcome["said"] for outcome in found) or "it did not run"
    assert {outcome["outcome"] for outcome in found} == {"passed"}, said


def names_in(path: Path) -> list[str]:
    """Return the names of the tests in a file."""
    return [
        f"{path}::{node.name}"
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
