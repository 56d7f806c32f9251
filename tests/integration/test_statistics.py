"""A gateway's reports on a real bus: taken once, in order, whatever happens to the stream."""

import logging
import os
import signal

import pytest

from bridge import subjects
from tests import builders, buses
from tests.eventually import eventually
from tests.reporting import Devices, Places, Stream, reporting
from wig import stats
from wig.tally import Backlog

A, B = builders.key("a"), builders.key("b")


@pytest.fixture
def devices():
    return Devices()


@pytest.fixture
async def hub(tmp_path):
    async with buses.nats(tmp_path) as server, buses.connected(server) as bus:
        yield server, bus


async def test_what_changed_is_reported_each_interval(hub, devices):
    """Numbered without a gap; also when nothing changed; with the place, without the address."""
    server, bus = hub
    stream = await Stream(bus).create()
    devices.set(A, 100, 5, 6)
    async with (
        buses.connected(server, "gw1") as own,
        reporting(own, devices, places=Places()) as it,
    ):
        await stream.has(**{A: (100, "SE")})
        devices.set(B, 200)
        await stream.has(**{A: (100, "SE"), B: (200, "SE")})
        await eventually(lambda: it.sent > 5, "reports without changes")

    messages = await stream.messages()
    reports = [report for _, report in messages]
    assert [report.n for report in reports] == list(range(1, len(reports) + 1))
    assert {report.boot for report in reports} == {it._boot}
    assert {report.gateway for report in reports} == {"gw1"}
    assert sum(report.count() for report in reports) == 2
    assert all(0 <= age_s < 5 for age_s, _ in messages)
    assert b"192.0.2" not in b"".join(map(stats.encode, reports))
    assert it.failures == 0


def logged(caplog):
    """Return what the reports said in the log."""
    return [one.message for one in caplog.records if one.name == "bridge.statistics"]


async def test_without_a_stream_reports_wait_and_status_says_so(hub, devices, caplog):
    """Until the process that owns it comes; then they are told one by one, and it is said."""
    caplog.set_level(logging.INFO)
    server, bus = hub
    async with buses.connected(server, "gw1") as own, reporting(own, devices) as it:
        for number in range(1, 4):
            devices.set(A, number)
            seen = devices.read
            await eventually(lambda seen=seen: devices.read > seen + 1, "another reading")
        (problem,) = await eventually(it.problems, "the backlog to be late")
        assert problem.startswith("statistics: reports wait since 2")
        assert "stream WIG_STATS is not there: start `wig sessions`" in problem
        assert it.waiting > 3
        assert it.failures
        await eventually(lambda: logged(caplog), "the log to say so")

        stream = await Stream(bus).create()

        await stream.has(**{A: (3, "")})
        await eventually(lambda: it.waiting <= 1 and not it.problems(), "all to be told")
    assert [one.handshakes for report in await stream.reports() for one in report.interfaces] == [
        (1,), (2,), (3,),
    ]  # fmt: skip
    assert logged(caplog) == ["statistics wait", "statistics are taken again"]


async def test_what_waits_too_long_is_merged(hub, devices):
    """A peer's newest numbers are there when the stream comes; memory had its bound."""
    server, bus = hub
    backlog = Backlog(changes_max=2)
    async with (
        buses.connected(server, "gw1") as own,
        reporting(own, devices, backlog=backlog) as it,
    ):
        for number in range(1, 10):
            devices.set(A, number, number)
            devices.set(builders.key(number), number)
            seen = devices.read
            await eventually(lambda seen=seen: devices.read > seen + 1, "another reading")
        assert len(backlog) <= 2
        assert it.merged > 5
        stream = await Stream(bus).create()
        everybody = {builders.key(number): (number, "") for number in range(1, 10)}
        await stream.has(**everybody | {A: (9, "")})
    numbers = [report.n for report in await stream.reports()]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_large_reading_is_cut(hub, devices):
    """Each part within the limit, all of one moment."""
    server, bus = hub
    stream = await Stream(bus).create()
    keys = [builders.key(number) for number in range(2500)]
    for key in keys:
        devices.set(key, 7)
    async with buses.connected(server, "gw1") as own, reporting(own, devices) as it:
        await stream.has(**dict.fromkeys(keys, (7, "")))
        await eventually(lambda: it.sent > 3, "the next reading")

    reports = await stream.reports()
    first, second, third = reports[:3]
    assert [report.n for report in reports] == list(range(1, len(reports) + 1))
    assert len(reports) >= it.sent, "each number was used once, or the stream would drop repeats"
    assert (first.more, second.more, third.more) == (True, True, False)
    assert first.time == second.time == third.time


async def test_the_bus_may_go_away(hub, devices):
    """What it did not acknowledge is sent again, under the same number."""
    server, bus = hub
    stream = await Stream(bus).create()
    async with buses.connected(server, "gw1") as own, reporting(own, devices) as it:
        devices.set(A, 1)
        await stream.has(**{A: (1, "")})
        os.kill(server.pid, signal.SIGKILL)
        devices.set(A, 2)
        await eventually(lambda: not own.up, "the bus to be away")
        await own.wait_up()
        await bus.wait_up()
        await stream.has(**{A: (2, "")})
        await eventually(lambda: it.waiting <= 1, "all to be told")
    numbers = [report.n for report in await stream.reports()]
    assert sorted(set(numbers)) == list(range(1, numbers[-1] + 1))


async def test_a_stream_that_is_full_is_no_loss(hub, devices):
    """It refuses, and the report is sent again."""
    server, bus = hub
    stream = await Stream(bus).create(max_msgs=1, discard="new")
    async with buses.connected(server, "gw1") as own, reporting(own, devices) as it:
        await eventually(lambda: it.failures > 1, "the stream to refuse")
        assert "maximum messages exceeded" in str(it.error)
        await stream.delete()
        devices.set(A, 1)
        await stream.create()
        await stream.has(**{A: (1, "")})
    assert (await stream.reports())[0].n == 2


async def test_somebody_else_on_the_subject_does_not_count(hub, devices):
    """Only the stream's own answer means that the report is stored."""
    server, bus = hub

    async def answer(message):
        await bus.publish(message.reply, b'{"stream": "OTHER", "seq": 1}')

    await bus.subscribe(subjects.stats("*"), answer)
    async with buses.connected(server, "gw1") as own, reporting(own, devices) as it:
        await eventually(lambda: it.failures > 1, "the answer to be refused")

    assert "not of stream WIG_STATS" in str(it.error)
    assert it.sent == 0


async def test_a_reading_that_breaks_off_loses_nothing(hub, devices):
    """What it had is reported; the next one is whole."""
    server, bus = hub
    stream = await Stream(bus).create()
    devices.set(A, 1)
    devices.broken = 1
    async with buses.connected(server, "gw1") as own, reporting(own, devices):
        await stream.has(**{A: (1, "")})
        devices.set(B, 1)
        await stream.has(**{A: (1, ""), B: (1, "")})
    assert sum(report.count() for report in await stream.reports()) == 2


async def test_a_peer_that_was_away_is_told_anew(hub, devices):
    """Deleted and made again, its counters mean something else."""
    _, bus = hub
    stream = await Stream(bus).create()
    devices.set(A, 1)
    async with buses.connected(hub[0], "gw1") as own, reporting(own, devices):
        await stream.has(**{A: (1, "")})
        kept = devices.peers.pop(A)
        seen = devices.read
        await eventually(lambda: devices.read > seen + 1, "a reading without it")
        devices.peers[A] = kept

        async def twice():
            return sum(report.count() for report in await stream.reports()) == 2

        await eventually(twice, "it to be told again")


async def test_a_new_process_tells_everything_anew(hub, devices):
    """Under another boot, so that nobody takes its numbers for old ones."""
    server, bus = hub
    stream = await Stream(bus).create()
    devices.set(A, 1)
    async with buses.connected(server, "gw1") as own:
        for _ in range(2):
            async with reporting(own, devices) as it:
                await eventually(lambda it=it: it.sent, "a report")
    by_boot = {}
    for report in await stream.reports():
        by_boot.setdefault(report.boot, []).append(report)
    assert [(found[0].n, found[0].count()) for found in by_boot.values()] == [(1, 1), (1, 1)]
