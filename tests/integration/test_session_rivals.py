"""There is one keeper of sessions: of several, the one that began first goes on."""

import asyncio
from functools import partial

import pytest

from bridge import sessions, wire
from bridge.session_rivals import Rivals
from bridge.session_streams import SessionStreams
from bridge.sessions import SessionsOptions, run_sessions
from tests import buses, keepers
from tests.eventually import eventually
from wig import codec, errors

STATUS = "wig.api.*.session.status"
EARLIER = codec.encode({"ok": {"instance": "a1", "since": "2020-01-01T00:00:00Z"}})


@pytest.fixture
async def site(tmp_path):
    """A server with nobody on it."""
    async with keepers.site(tmp_path) as it:
        yield it


async def test_a_second_keeper_ends(site, tmp_path):
    """Two would take each other's reports: the second says so, and stops."""
    async with site.keeper():
        with pytest.raises(errors.Fenced, match="another process keeps them"):
            async with site.keeper(db=tmp_path / "other.db"):
                pass


async def test_of_two_that_start_at_once_one_goes_on(site, tmp_path, monkeypatch):
    """Neither is there when the other one asks first; none begins before they are parted."""
    both, check_alone = asyncio.Barrier(2), Rivals.check_alone

    async def check_and_wait(rivals):
        await check_alone(rivals)
        await both.wait()

    monkeypatch.setattr(Rivals, "check_alone", check_and_wait)
    bus = buses.bus_options(site.server, "sessions")
    stop, serving = asyncio.Event(), []
    tasks = [
        asyncio.create_task(
            run_sessions(
                SessionsOptions(db=tmp_path / f"{name}.db", bus=bus),
                stop=stop, ready=partial(serving.append, name),
            )
        )
        for name in "ab"
    ]  # fmt: skip
    done, (other,) = await asyncio.wait(tasks, timeout=20, return_when="FIRST_COMPLETED")
    with pytest.raises(errors.Fenced, match="another process keeps them"):
        await done.pop()

    await eventually(lambda: serving, "the other one to serve")
    assert len(serving) == 1
    stop.set()
    await other


async def test_one_that_comes_back_from_before_goes_on(site, monkeypatch):
    """It was frozen when this one began: both find out, and the later one stops."""
    monkeypatch.setattr(sessions, "WATCH_S", 0.05)
    status = {"ok": {"instance": "a1", "since": "2020-01-01T00:00:00Z"}}

    async def answer(message):
        await site.client.bus.publish(message.reply, codec.encode(status))

    async def wait_for_the_end():
        async with site.keeper() as keeper:
            await site.client.bus.subscribe("wig.api.*.session.status", answer)
            await asyncio.wait_for(keeper, 10)

    with pytest.raises(errors.Fenced, match=r"another process keeps them already \(a1\)"):
        await wait_for_the_end()


async def test_an_answer_that_takes_longer_than_the_start_is_heard(site, monkeypatch):
    """From across an ocean, or from one that is busy: whatever it was asked, and when."""
    monkeypatch.setattr(sessions, "PART_S", 0.01)
    monkeypatch.setattr(sessions, "WATCH_S", 60.0)
    inboxes = []

    async def hear(message):
        inboxes.append(message.reply)

    async def wait_for_the_end():
        await site.client.bus.subscribe(STATUS, hear)
        async with site.keeper() as keeper:
            # With the first it looked before it answered anybody itself.
            _, first, *_ = await eventually(lambda: inboxes[1:] and inboxes, "it to look")
            await site.client.bus.publish(first, EARLIER)
            await asyncio.wait_for(keeper, 10)

    with pytest.raises(errors.Fenced, match="another process keeps them already"):
        await wait_for_the_end()


async def test_an_error_is_no_other_keeper(site, monkeypatch):
    """Whoever says that it is busy, or that nobody is there, says nothing of himself."""
    monkeypatch.setattr(sessions, "WATCH_S", 0.02)
    asked = []

    async def answer(message):
        asked.append(message.reply)
        for body in (wire.failed(errors.Unavailable("too many requests")), b"", b'{"ok":{}}'):
            await site.client.bus.publish(message.reply, body)

    async with site.keeper() as keeper:
        await site.client.bus.subscribe(STATUS, answer)
        await eventually(lambda: asked, "it to look for others")
        many = len(asked) + 3
        await eventually(lambda: len(asked) > many or keeper.done(), "it to have heard errors")

        assert not keeper.done()


async def test_who_it_is_is_told_whatever_else_waits(site, monkeypatch):
    """A crowd that reads edges keeps no other keeper from hearing of this one."""
    going_on = asyncio.Event()

    async def wait(streams):
        await going_on.wait()
        return 0

    monkeypatch.setattr(SessionStreams, "last_edge", wait)
    async with site.keeper():
        reading = asyncio.create_task(site.ask("edges"))
        try:
            await site.client.query("session.list", {})  # by now the other question is sent
            status = await site.client.query("session.status", {}, timeout_s=2.0)
        finally:
            going_on.set()
            await reading

    assert status.ok["instance"]
