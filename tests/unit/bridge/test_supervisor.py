"""The supervisor: what starts again, what ends everything, and how it stops."""

import asyncio
import logging
import os
import signal

import pytest

from bridge import supervisor
from tests.eventually import eventually
from wig import errors


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(supervisor, "RETRY_S_MIN", 0.001)


def failing(*failures):
    """Return a part that fails in these ways, one after the other, and then runs; and its log."""
    starts = []

    async def part():
        starts.append(len(starts))
        if len(starts) <= len(failures):
            raise failures[len(starts) - 1]
        await asyncio.get_running_loop().create_future()

    return part, starts


async def run_until(condition, services):
    """Run services until the condition holds, then stop them."""
    stop = asyncio.Event()

    async def watch():
        await eventually(condition, "what the test waits for")
        stop.set()

    async with asyncio.timeout(5):
        await asyncio.gather(supervisor.run(services, stop=stop), watch())


@pytest.mark.parametrize(
    "failure",
    [errors.Unavailable("later"), errors.Unknown("who knows"), ValueError("a defect")],
    ids=["temporary", "unknown", "defect"],
)
async def test_part_that_may_work_again_is_started_again(failure):
    """Temporary errors and defects of one part do not end the others."""
    part, starts = failing(failure, failure)

    await run_until(lambda: len(starts) == 3, {"part": part})


async def test_defects_are_logged_with_their_traceback(caplog):
    """Nobody else will see them."""
    part, starts = failing(ZeroDivisionError())

    with caplog.at_level(logging.WARNING, "bridge.supervisor"):
        await run_until(lambda: len(starts) == 2, {"part": part})

    assert [record.part for record in caplog.records] == ["part"]
    assert caplog.records[0].exc_info[0] is ZeroDivisionError


async def test_the_same_temporary_error_is_told_once(caplog):
    """A disk may be full for days; another error is told again."""
    full, away = errors.Unavailable("full"), errors.Unavailable("away")
    part, starts = failing(full, full, full, away)

    with caplog.at_level(logging.WARNING, "bridge.supervisor"):
        await run_until(lambda: len(starts) == 5, {"part": part})

    assert [record.error for record in caplog.records] == ["full", "away"]


async def test_part_that_ends_is_started_again(caplog):
    """A loop without an end that ends is a fault."""
    starts = []

    async def ending():
        starts.append(1)

    with caplog.at_level(logging.ERROR, "bridge.supervisor"):
        await run_until(lambda: len(starts) >= 2, {"part": ending})

    assert "ended that never should" in caplog.records[0].message


async def test_permanent_failure_ends_everything():
    """It is raised as it is, and the other parts are ended before."""
    ended = []

    async def other():
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("other")

    part, _ = failing(errors.Fenced("another one"))

    with pytest.raises(errors.Fenced, match="another one"):
        await supervisor.run({"other": other, "part": part})
    assert ended == ["other"]


async def test_parts_end_in_reverse_order():
    """Whoever uses another part ends before it."""
    ended = []

    def part(name):
        async def run():
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                await asyncio.sleep(0.01)
                ended.append(name)

        return run

    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, stop.set)
    await supervisor.run({name: part(name) for name in ("bus", "publisher", "api")}, stop=stop)

    assert ended == ["api", "publisher", "bus"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_stop_it(number):
    """Ctrl-C and a service manager's stop are a clean end."""
    part, starts = failing()
    running = asyncio.create_task(supervisor.run({"part": part}))
    await eventually(lambda: starts, "its start")

    os.kill(os.getpid(), number)

    await asyncio.wait_for(running, 5)


def test_waits_grow_and_are_bounded():
    """min(0.1 · 2ⁿ, 15) seconds, times 0.5 to 1."""
    assert supervisor.retry_wait_s(0, 0.0) == supervisor.RETRY_S_MIN / 2
    assert supervisor.retry_wait_s(3, 1.0) == supervisor.RETRY_S_MIN * 8
    assert supervisor.retry_wait_s(10_000, 1.0) <= supervisor.RETRY_S_MAX


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.Fenced(), 78),
        (errors.WrongRole(), 78),
        (errors.Foreign(), 78),
        (errors.Unavailable(), 3),
        (errors.Unknown(), 3),
        (errors.Damaged(), 1),
    ],
)
def test_exit_codes_say_whether_to_start_again(error, code):
    """78 is what the unit does not restart."""
    assert supervisor.exit_code(error) == code
