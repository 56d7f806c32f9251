"""rtnetlink through pyroute2, for everything that is not WireGuard itself.

Called by `link` and `routing`, from any thread, also from one in which an event loop runs:
pyroute2 is asyncio inside and runs a loop for every call, so all calls are made in a thread of
their own, on a loop that is not uvloop's (which knows no netlink).
"""

import asyncio
import functools
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from wig import errors

PROTOCOL = 87  # of our routes and rules; free in Linux, include/uapi/linux/rtnetlink.h; 87 is W
FAMILY = {4: 2, 6: 10}  # AF_INET, AF_INET6

# At DEBUG it writes out every message: addresses, and with the kernel's WireGuard, keys.
logging.getLogger("pyroute2").setLevel(logging.WARNING)

P = ParamSpec("P")
R = TypeVar("R")

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="wig-netlink")


def aside(function: Callable[P, R]) -> Callable[P, R]:
    """Return `function`, run in the thread that no other event loop runs in."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return _thread.submit(function, *args, **kwargs).result()

    return call


@contextmanager
def opened() -> Iterator[Any]:
    """Yield a connection; what goes wrong on it is `Unusable`.

    Strict checking lets the kernel filter dumps: a host may have a million routes of others.
    """
    try:
        with _loop() as loop, IPRoute(strict_check=True, use_event_loop=loop) as netlink:
            yield netlink
    except NetlinkError as error:
        raise errors.Unusable(f"rtnetlink: {error.args[1]}") from error
    except OSError as error:
        raise errors.Unusable(f"rtnetlink: {error.strerror}") from error


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.SelectorEventLoop()
    try:
        yield loop
    finally:
        loop.run_until_complete(asyncio.sleep(0))  # lets the socket close
        loop.close()
