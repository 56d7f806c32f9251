"""A child that is watched: real processes, which speak as systemd's units do."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from bridge import child
from bridge.child import Child
from bridge.systemd import Notifier
from tests.eventually import eventually
from wig import errors

LOOK_S = 0.05
SAYS = """\
import os, sys, time
from bridge.systemd import Notifier
notifier = Notifier.of(os.environ, os.getpid())
while True:
    notifier.tell("WATCHDOG=1", "STATUS=" + sys.argv[1])
    time.sleep(notifier.watchdog_s / 100)
"""
FAILS_ONCE = f"""\
import os, sys
if not os.path.exists(sys.argv[2]):
    os.mkdir(sys.argv[2])
    sys.exit(7)
{SAYS}"""


@pytest.fixture
async def started():
    """Return how to start a child; it is stopped at the end."""
    tasks = []

    def run(it):
        tasks.append(asyncio.create_task(it.run()))
        return tasks[-1]

    def start(*words, look_s=LOOK_S):
        it = Child("wig sessions", (sys.executable, "-c", *words), look_s)
        return it, run(it)

    start.again = run
    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def impatient(monkeypatch):
    """Not to be ready is a problem at once."""
    monkeypatch.setattr(child, "READY_S_MAX", 0.0)


async def test_a_child_that_hangs_is_killed(started, impatient, monkeypatch):
    """At once: it is stopped, as a process can be, and hears nothing."""
    monkeypatch.setattr(child, "STOP_S_MAX", 1000.0)
    it, task = started(SAYS, "ready")
    await eventually(lambda: it.pid and not it.problems(), "it is ready")
    os.kill(it.pid, signal.SIGSTOP)

    with pytest.raises(errors.Unavailable, match="wig sessions: it hung: no sign of life for"):
        await asyncio.wait_for(task, 30)

    assert it.pid is None
    assert it.problems() == ("wig sessions: it hung: no sign of life for 1 s",)


async def test_a_problem_is_over_when_it_is_ready_again(started, tmp_path):
    """Not before: what is started again may fail again."""
    it, task = started(FAILS_ONCE, "ready", str(tmp_path / "failed"))
    with pytest.raises(errors.Unavailable):
        await task
    assert it.problems() == ("wig sessions: it ended with code 7; the log says why",)

    started.again(it)

    await eventually(lambda: not it.problems(), "it is ready")


async def test_one_that_does_not_get_ready_says_why(started, impatient):
    """In the words of its own status."""
    it, _ = started(SAYS, "not ready: nobody answers")

    why = ("wig sessions: not ready: nobody answers",)
    await eventually(lambda: it.problems() == why, "the reason")


async def test_one_that_starts_is_no_problem_yet(started):
    """What it needs may have been started with it."""
    it, _ = started(SAYS, "not ready: nobody answers")
    await eventually(lambda: it.pid, "it runs")

    assert it.problems() == ()


async def test_nobody_else_speaks_for_it(started, impatient):
    """Everybody on this host can reach the socket."""
    it, task = started("import time; time.sleep(1000)")
    environment = await eventually(lambda: it.pid and told(it.pid), "its environment")

    for _ in range(3):
        Notifier.of(environment, 0).tell("STATUS=ready", "WATCHDOG=1")
        await asyncio.wait([task], timeout=2 * LOOK_S)

    assert it.problems() == ("wig sessions: it does not start",)


async def test_who_is_drowned_out_is_not_killed(started, impatient, monkeypatch):
    """Others can fill the socket, and then it is not known whether the child is silent."""
    monkeypatch.setattr(child, "START_LOOKS_MAX", 3)
    it, task = started("import time; time.sleep(1000)")
    notifier = Notifier.of(await eventually(lambda: it.pid and told(it.pid), "its address"), 0)

    for _ in range(10):
        notifier.tell("WATCHDOG=1")
        await asyncio.wait([task], timeout=LOOK_S / 2)
    assert not task.done()

    with pytest.raises(errors.Unavailable, match="it hung"):
        await asyncio.wait_for(task, 30)


def told(pid):
    """Return what a process was told in its environment, when it is the child's."""
    pairs = [one.partition(b"=") for one in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")]
    found = {name.decode(): value.decode() for name, _, value in pairs}
    return found if "NOTIFY_SOCKET" in found else None
