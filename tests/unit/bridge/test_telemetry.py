"""What a program says of itself, put together from its parts."""

import asyncio

import pytest

import wig
from bridge import systemd
from bridge.metrics import GAUGE, Family
from bridge.metrics_http import Address
from bridge.telemetry import Telemetry
from tests.buses import cancel
from tests.eventually import eventually
from tests.pages import page

THINGS = Family("wig_things", GAUGE, "Things.")


@pytest.fixture
async def told():
    """A program's telemetry, running on a port."""
    telemetry = Telemetry()
    services = telemetry.services(Address("127.0.0.1", 0))
    tasks = [asyncio.create_task(service()) for service in services.values()]
    await eventually(lambda: telemetry.port and telemetry.port.bound, "a port")
    yield telemetry
    for task in tasks:
        await cancel(task)


async def test_a_scrape_is_what_the_parts_say(told):
    """After what has to be prepared; text of its own comes last."""
    things = []

    async def prepare() -> None:
        things.append(1)

    told.prepare(prepare)
    told.add(lambda: [THINGS.of(len(things))])
    told.write(lambda: iter([b"own 1\n", b"own 2\n"]))
    found = await page(told.port.bound, "/metrics")

    assert found.values["wig_things",] == 1
    assert ("wig_build_info", found_python(found), wig.__version__) in found.values
    assert found.values["process_open_fds",] > 0
    assert found.text.endswith("own 1\nown 2\n")


def found_python(found) -> str:
    return next(key[1] for key in found.values if key[0] == "wig_build_info")


async def test_it_is_ready_while_nobody_objects(told):
    """The metric says the same as the page."""
    why: list[str] = []
    told.ready(lambda: why)
    assert (await page(told.port.bound, "/readyz")).status == 200

    why.append("so")
    assert (await page(told.port.bound, "/readyz")).text == "so\n"
    assert (await page(told.port.bound, "/healthz")).status == 200
    assert (await page(told.port.bound, "/metrics")).values["wig_ready",] == 0


async def test_what_is_not_healthy_is_not_ready(told, monkeypatch):
    """The program is to be restarted."""
    monkeypatch.setattr(systemd, "BUSY_S_MAX", 0.01)
    told.alive("writer", asyncio.Event().wait)

    for path in ("/healthz", "/readyz"):

        async def unwell(path: str = path) -> bool:
            return (await page(told.port.bound, path)).text == "writer: it takes no calls\n"

        await eventually(unwell, "it is noticed")


async def test_the_event_loop_is_measured(told):
    """Whether it comes to things in time."""

    async def measured() -> bool:
        values = (await page(told.port.bound, "/metrics")).values
        return values["wig_event_loop_delay_seconds_count",] > 0

    await eventually(measured, "a look at the clock")


async def test_without_a_port_and_systemd_there_is_little_to_run(monkeypatch):
    """In a terminal with --metrics-addr none."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)

    assert [*Telemetry().services(None)] == ["beat"]


async def test_systemd_is_told_when_it_listens(monkeypatch, tmp_path):
    """It says so in the environment."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

    assert [*Telemetry().services(Address(None, 0))] == ["beat", "metrics", "systemd"]
