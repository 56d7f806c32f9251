"""Waiting for a condition, never for a time.

Four rules: one external look per check; never nested; a check that raises `AssertionError` is
tried again; the message says what we waited for.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any

STEP_S = 0.01
PATIENCE = int(os.environ.get("WIG_PATIENCE", "1"))
"""How many times longer than usual everything may take: more on an emulated machine."""


async def eventually(
    check: Callable[[], Any | Awaitable[Any]], what: str, timeout_s: float = 10.0
) -> Any:
    """Return the first true value of `check`; fail with `what` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s * PATIENCE
    last: AssertionError | None = None
    while True:
        try:
            value = check()
            if isawaitable(value):
                value = await value
            if value:
                return value
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout_s} s still waiting for: {what}") from last
        await asyncio.sleep(STEP_S)


def eventually_sync(check: Callable[[], Any], what: str, timeout_s: float = 10.0) -> Any:
    """Do the same without an event loop."""
    deadline = time.monotonic() + timeout_s * PATIENCE
    last: AssertionError | None = None
    while True:
        try:
            if value := check():
                return value
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout_s} s still waiting for: {what}") from last
        time.sleep(STEP_S)
