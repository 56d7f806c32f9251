"""The thread in which synchronous things live."""

import asyncio
import threading
from contextlib import closing

import pytest

from bridge.worker import Worker


@pytest.fixture
def worker():
    with closing(Worker("test")) as worker:
        yield worker


async def test_calls_run_in_one_thread_in_their_order(worker):
    """Whatever they touch needs no lock."""
    order: list[int] = []
    threads = await asyncio.gather(
        *(worker.call(lambda n: (order.append(n), threading.get_ident())[1], n) for n in range(50))
    )

    assert order == list(range(50))
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


async def test_call_whose_caller_is_gone_still_counts(worker):
    """Nothing may be done at once beside a call that nobody waits for any more."""
    begun, go_on = threading.Event(), threading.Event()

    def work():
        begun.set()
        go_on.wait()

    caller = worker.call(work)
    await asyncio.to_thread(begun.wait)
    queued = worker.call(lambda: None)
    for task in (caller, queued):
        task.cancel()
    await asyncio.gather(caller, queued, return_exceptions=True)

    try:
        assert not worker.idle
        with pytest.raises(AssertionError, match="two threads"):
            worker.at_once(lambda: None)
    finally:
        go_on.set()  # whatever comes of it: the thread must end
    await worker.call(lambda: None)


async def test_idle_worker_does_it_at_once(worker):
    """In the caller's thread, with its result."""
    await worker.call(lambda: None)

    assert worker.idle
    assert worker.at_once(threading.get_ident) == threading.get_ident()
