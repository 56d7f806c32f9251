"""One thread with a queue: where synchronous things live that only one thread may touch.

Called for the datastore's writer and for readers. Calls run in the order in which they were made.
What is done sooner than handed over can be done `at_once`, in the caller's thread.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """A thread of its own. Its methods belong to the event loop's thread."""

    def __init__(self, name: str) -> None:
        """Start it with its first call; `name` is what debuggers show."""
        self._threads = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._under_way: set[Future[Any]] = set()

    def call(
        self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run `function` there and return what it returns.

        A caller that is cancelled leaves the call running: it is never half done.
        """
        work = self._threads.submit(function, *args, **kwargs)
        self._under_way.add(work)
        work.add_done_callback(self._under_way.discard)
        return asyncio.wrap_future(work)

    @property
    def idle(self) -> bool:
        """Whether no call runs or waits, also none whose caller has gone."""
        return not self._under_way

    def at_once(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` here, while the event loop waits: only when `idle`, and if it is short."""
        assert self.idle, "two threads at once"
        return function(*args, **kwargs)

    def close(self) -> None:
        """Wait for the call that runs, and end the thread."""
        self._threads.shutdown(wait=True, cancel_futures=True)
