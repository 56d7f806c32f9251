"""A pytest plugin: writes the outcome of each test, one JSON object a line, as it ends."""

import json
import os
from pathlib import Path

import pytest

FILE_VARIABLE = "WIG_GUEST_REPORT"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write the outcome of a test's own call, and whatever else did not go well."""
    if report.when != "call" and report.passed:
        return
    outcome = {"test": report.nodeid, "outcome": report.outcome, "said": report.longreprtext}
    with Path(os.environ[FILE_VARIABLE]).open("a") as file:
        file.write(json.dumps(outcome) + "\n")
