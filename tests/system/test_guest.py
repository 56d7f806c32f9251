"""What needs the kernel's WireGuard, on a kernel that has it: in one guest for all tests.

Each test here stands for one that ran in the guest.
"""

import ast
import json
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.lab import guest
from tests.lab.guest_report import FILE_VARIABLE

CONTRACT = Path("tests/contract/test_host.py")
DEVICES = Path("tests/system/test_kernel_devices.py")
GATEWAY = Path("tests/system/test_kernel_gateway.py")
TIMEOUT_S = 900.0  # a sixth of it on an idle machine
PATIENCE = 10

_PYTEST = (
    f"{sys.executable} -m pytest -q -p pytest_asyncio.plugin -p pytest_timeout"
    " -p tests.lab.guest_report -p no:cacheprovider --timeout 0"
)
# One processor each.
_COMMANDS = f"""
export WIG_PATIENCE={PATIENCE} PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
run() {{
    export {FILE_VARIABLE}={guest.FOLDER}/$1.jsonl
    shift
    {_PYTEST} "$@" > ${{{FILE_VARIABLE}}}.log 2>&1
}}
run others {CONTRACT} {DEVICES} -k "not fake and not userspace" &
run gateway {GATEWAY} &
wait
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Return what each test came to, by its file and name without parameters."""
    kernel = guest.need()
    folder = tmp_path_factory.mktemp("guest")
    guest.run(kernel, folder, _COMMANDS, TIMEOUT_S)
    found = defaultdict(list)
    for report in folder.glob("*.jsonl"):
        for line in report.read_text().splitlines():
            outcome = json.loads(line)
            found[outcome["test"].partition("[")[0]].append(outcome)
    return found


def names_in(path):
    """Return the names of the tests in a file."""
    found = ast.parse(path.read_text()).body
    return [
        f"{path}::{node.name}"
        for node in found
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


@pytest.mark.timeout(TIMEOUT_S + 60)
@pytest.mark.parametrize("name", [*names_in(CONTRACT), *names_in(DEVICES), *names_in(GATEWAY)])
def test_the_kernel_passes(outcomes, name):
    """A test of the host's contract, of devices, or of a client through a gateway."""
    found = outcomes.get(name, [])

    said = "\n".join(outcome["said"] for outcome in found) or "it did not run"
    assert {outcome["outcome"] for outcome in found} == {"passed"}, said
