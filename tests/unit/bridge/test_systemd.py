"""What systemd hears, on a real socket as systemd has one."""

import asyncio
import os
import secrets

import pytest

from bridge import systemd
from bridge.systemd import Liveness, Notifier
from tests.buses import cancel
from tests.eventually import eventually
from tests.notify import Manager


class Condition:
    """How a program is."""

    def __init__(self) -> None:
        self.why_unhealthy: tuple[str, ...] = ()
        self.why_unready: tuple[str, ...] = ()

    def unhealthy(self):
        return self.why_unhealthy

    def unready(self):
        return self.why_unready


@pytest.fixture
def manager(tmp_path):
    it = Manager(str(tmp_path / "notify"))
    yield it
    it.close()


@pytest.fixture
def condition():
    return Condition()


@pytest.fixture
def environment(tmp_path):
    return {"NOTIFY_SOCKET": str(tmp_path / "notify")}


def test_without_a_socket_there_is_nobody_to_tell():
    """As in a terminal."""
    assert Notifier.of({}, 1) is None


def test_the_watchdog_is_for_the_process_that_it_names(environment):
    """A child that inherits the variables is not watched."""
    watched = environment | {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}

    assert Notifier.of(watched, 7).watchdog_s == 3
    assert Notifier.of(watched, 8).watchdog_s is None
    assert Notifier.of(environment, 7).watchdog_s is None


def test_a_child_has_nothing_to_say():
    """Only the unit's main process is listened to."""
    told = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}

    assert systemd.inherited(told) == {"PATH": "/bin"}


def test_abstract_sockets_are_told_too():
    """Some managers have one."""
    name = f"wig-test-{os.getpid()}-{secrets.token_hex(4)}"
    manager = Manager(f"\0{name}")
    try:
        Notifier(f"@{name}", None).tell("READY=1", "STATUS=well")
        assert manager.hear() == ["READY=1", "STATUS=well"]
    finally:
        manager.close()


def test_a_manager_that_is_gone_is_no_fault(tmp_path):
    """The program has more important things to do."""
    Notifier(str(tmp_path / "nobody"), None).tell("READY=1")


async def test_a_program_tells_its_story(manager, condition, environment):
    """Not ready and why, ready, stopping."""
    condition.why_unready = ("no state\nyet", "draining")
    task = asyncio.create_task(systemd.run(Notifier.of(environment, 1), condition))
    await eventually(
        lambda: "STATUS=not ready: no state yet; draining" in manager.hear(), "the reasons"
    )
    assert "READY=1" not in manager.heard

    condition.why_unready = ()
    await eventually(lambda: {"READY=1", "STATUS=ready"} <= {*manager.hear()}, "ready")
    assert not [line for line in manager.heard if line.startswith("WATCHDOG")]

    await cancel(task)
    assert manager.hear()[-1] == "STOPPING=1"
    assert manager.heard.count("READY=1") == 1


async def test_a_program_that_waits_for_others_is_up(manager, condition, environment, monkeypatch):
    """A gateway without its datastore must not hold up the boot."""
    monkeypatch.setattr(systemd, "READY_S_MAX", 0.0)
    condition.why_unready = ("no state yet",)
    task = asyncio.create_task(systemd.run(Notifier.of(environment, 1), condition))

    await eventually(lambda: "READY=1" in manager.hear(), "up")
    await cancel(task)


async def test_the_watchdog_hears_only_of_a_living_program(manager, condition, environment):
    """At half of its interval; nothing while the program is stuck."""
    notifier = Notifier.of(environment | {"WATCHDOG_USEC": "100000"}, 1)
    task = asyncio.create_task(systemd.run(notifier, condition))
    await eventually(lambda: manager.hear().count("WATCHDOG=1") >= 3, "three signs of life")

    condition.why_unhealthy = condition.why_unready = ("devices: it takes no calls",)
    await eventually(lambda: "STATUS=not ready" in manager.hear()[-1], "the reason")
    before = manager.hear().count("WATCHDOG=1")
    condition.why_unready = ("for the second time",)
    await eventually(lambda: "second time" in manager.hear()[-1], "another look")
    assert manager.heard.count("WATCHDOG=1") == before

    await cancel(task)


async def test_a_thread_that_takes_calls_is_not_stuck(monkeypatch):
    """However often it is asked; one that does not answer in time is, until it does."""
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def quick() -> None:
        return None

    async def slow() -> None:
        await answer

    liveness = Liveness({"quick": quick, "slow": slow})
    assert liveness.stuck() == ()
    monkeypatch.setattr(systemd, "BUSY_S_MAX", 0.02)
    await eventually(lambda: liveness.stuck() == ("slow",), "the slow one is noticed")

    answer.set_result(None)
    await eventually(lambda: liveness.stuck() == (), "it lives")
    await liveness.close()


async def test_a_probe_that_fails_is_an_answer():
    """What it says is for somebody else."""

    async def broken() -> None:
        raise RuntimeError

    liveness = Liveness({"broken": broken})
    for _ in range(3):
        assert liveness.stuck() == ()
        await asyncio.sleep(0)
    await liveness.close()
