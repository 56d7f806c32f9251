"""Running the parts of a program together: restarts, signals, and how it ends.

Called by the programs that run until they are told to stop. The only place that catches every
exception: a defect in one part must not take the others down.
"""

import asyncio
import logging
import random
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Never

from wig import errors

logger = logging.getLogger(__name__)

Service = Callable[[], Awaitable[Never]]
"""A loop without an end. It may be called again after it has failed."""

EXIT_FAILED = 1
EXIT_UNREACHABLE = 3
EXIT_FENCED = 78  # EX_CONFIG, sysexits.h: RestartPreventExitStatus= in the unit

RETRY_S_MIN = 0.1
RETRY_S_MAX = 15.0
CALM_S = 60.0  # a part that ran for so long starts again without delay
STOP_S_MAX = 10.0  # for one part to end when it is told to


def retry_wait_s(failures: int, chance: float) -> float:
    """Return the wait before the next start: min(0.1 · 2ⁿ, 15) seconds, times 0.5 to 1.

    `failures` is n, from 0; `chance` is random in [0, 1): parts of many nodes must not come back
    at the same moment.
    """
    return float(min(RETRY_S_MIN * 2 ** min(failures, 20), RETRY_S_MAX) * (0.5 + chance / 2))


async def keep(name: str, service: Service) -> Never:
    """Run a part for ever; return its failure only if repeating is pointless.

    Temporary errors and defects are logged, and it starts again after a pause; the same temporary
    error once, until it has run for a while. Any other `WigError` is raised.
    """
    loop = asyncio.get_running_loop()
    failures = 0
    told = ""
    while True:
        started = loop.time()
        try:
            await service()
            logger.error("a part ended that never should", extra={"part": name})
        except errors.Temporary as error:
            level = logging.DEBUG if error.message == told else logging.WARNING
            logger.log(level, "a part failed", extra={"part": name, "error": error.message})
            told = error.message
        except errors.WigError:
            raise
        except Exception:
            logger.exception("a part failed by a defect", extra={"part": name})
        if loop.time() - started > CALM_S:
            failures, told = 0, ""
        await asyncio.sleep(retry_wait_s(failures, random.random()))  # noqa: S311  # no secret
        failures += 1


async def run(services: Mapping[str, Service], *, stop: asyncio.Event | None = None) -> None:
    """Run parts until SIGINT, SIGTERM or `stop`; then end them, the last first.

    Each may use those before it. Raises the error of a part that failed for good.
    """
    stop = stop or asyncio.Event()
    with _signals(stop):
        failed: errors.WigError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(keep(name, service), name=name)
                    for name, service in services.items()
                ]
                await stop.wait()
                for task in reversed(tasks):
                    await _end(task)
        except* errors.WigError as several:
            failed = _first(several)
        if failed is not None:
            raise failed


async def _end(task: asyncio.Task[Never]) -> None:
    task.cancel()
    _, late = await asyncio.wait([task], timeout=STOP_S_MAX)
    if late:
        logger.warning("a part does not end", extra={"part": task.get_name()})


def _first(group: BaseExceptionGroup[errors.WigError]) -> errors.WigError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` on SIGINT and SIGTERM; a second one ends the program as usual."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def stopped() -> None:
        stop.set()
        for number in numbers:
            loop.remove_signal_handler(number)

    for number in numbers:
        loop.add_signal_handler(number, stopped)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def exit_code(error: errors.WigError) -> int:
    """Return the exit code of a program that ended with `error`."""
    if isinstance(error, errors.Fenced | errors.WrongRole | errors.Foreign):
        return EXIT_FENCED
    return EXIT_UNREACHABLE if isinstance(error, errors.Temporary) else EXIT_FAILED
