"""One thread with a queue: where synchronous things live that only one thread may touch.

Called for the datastore's writer and for readers. Calls run in the order in which they were made.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """A thread of its own."""

    def __init__(self, name: str) -> None:
        """Start it with its first call; `name` is what debuggers show."""
        self._threads = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` there and return what it returns.

        A caller that is cancelled leaves the call running: it is never half done.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*args, **kwargs))

    def close(self) -> None:
        """Wait for the call that runs, and end the thread."""
        self._threads.shutdown(wait=True, cancel_futures=True)
