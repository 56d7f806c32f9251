"""What all tests share: deterministic examples and the long tier."""

import logging
import os
import signal
from collections.abc import Iterator

import hypothesis
import pytest

hypothesis.settings.register_profile("default", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("torture", deadline=None, max_examples=2000, print_blob=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--torture", action="store_true", help="run the long random tests, and only them"
    )


def pytest_configure(config: pytest.Config) -> None:
    # A shell's background job is born deaf to Ctrl-C, and so would be all that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "torture: takes minutes; runs with --torture only")
    profile = "torture" if config.getoption("--torture") else "default"
    hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", profile))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = bool(config.getoption("--torture"))
    chosen = [item for item in items if bool(item.get_closest_marker("torture")) == wanted]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Undo what a program that ran inside a test did to logging: the next test reads the log."""
    loggers = [logging.getLogger(name) for name in ("", "wig", "bridge", "wig_cli")]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
