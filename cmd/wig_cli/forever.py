"""Running a program that does not end by itself. Called by `up` and `nodes`."""

import asyncio
from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import Any


def run(program: Coroutine[Any, Any, None]) -> None:
    """Run to the end, on uvloop if it is installed: a tenth to a third faster."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(program)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        factory: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return factory
