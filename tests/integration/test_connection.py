"""The connection: it comes back from everything, and sends nothing late."""

import asyncio
import os
import signal
from contextlib import suppress

import pytest

from bridge import connection, frames
from bridge.connection import Disconnected, NoAnswer, NoResponders
from tests.buses import bus_options, cancel, connected
from tests.eventually import eventually
from wig import errors


async def echo(bus, subject="echo"):
    """Answer each request with itself."""

    async def answer(message):
        await bus.publish(message.reply, message.data)

    return await bus.subscribe(subject, answer)


async def works(bus):
    """Say whether a request over `bus` is answered."""
    try:
        return (await bus.request("echo", b"hello", timeout_s=0.5)).data == b"hello"
    except errors.Temporary:
        return False


async def test_request_is_answered(server):
    """A request reaches a subscription, and its answer comes back."""
    async with connected(server) as bus:
        await echo(bus)

        assert (await bus.request("echo", b"1", timeout_s=5)).data == b"1"


async def test_nobody_listening_is_known_at_once(server):
    """The server itself says that there is nobody: no time-out."""
    async with connected(server) as bus:
        with pytest.raises(NoResponders):
            await bus.request("nobody", timeout_s=60)


async def test_silence_is_no_answer(server):
    """Somebody listens and says nothing: the outcome is unknown."""
    async with connected(server) as bus:

        async def swallow(_):
            pass

        await bus.subscribe("silent", swallow)

        with pytest.raises(NoAnswer, match=r"no answer within 0\.05 s"):
            await bus.request("silent", timeout_s=0.05)


async def test_inboxes_carry_the_identity(server):
    """Answers go to `_INBOX.<identity>.…`, which permissions can tell apart."""
    async with connected(server, "gw1") as bus:
        inbox, answer = bus.expect_answer()
        answer.cancel()

        assert inbox.startswith("_INBOX.gw1.")
        assert bus.new_inbox().startswith("_INBOX.gw1.")


async def test_subscriptions_survive_the_death_of_the_server(server):
    """After kill -9 of the server everything works again by itself, and it was told."""
    async with connected(server) as bus:
        told = []
        bus.on_up(lambda: told.append("up"))
        bus.on_down(lambda: told.append("down"))
        await echo(bus)

        os.kill(server.pid, signal.SIGKILL)
        await eventually(lambda: "down" in told, "the loss is noticed")
        await eventually(lambda: works(bus), "requests work again")

        assert told == ["down", "up"]


TURNS = range(12)  # of the event loop, which what follows the login takes


async def opening_until(monkeypatch, bus, turns):
    """Begin to open, and return so many turns after the login, when subscriptions are made."""
    logged_in = asyncio.Event()
    connect = connection.transport.connect

    async def connect_and_tell(*arguments):
        made = await connect(*arguments)
        logged_in.set()
        return made

    monkeypatch.setattr(connection.transport, "connect", connect_and_tell)
    opening = asyncio.create_task(bus.open())
    await logged_in.wait()
    for _ in range(turns):
        await asyncio.sleep(0)
    return opening


@pytest.mark.parametrize("turns", TURNS)
async def test_nobody_sends_before_answers_can_arrive(server, monkeypatch, turns):
    """A request made while the connection opens is refused, or answered; never left alone."""
    async with connected(server, "other") as other:
        await echo(other)
        bus = connection.Connection(bus_options(server))
        opening = await opening_until(monkeypatch, bus, turns)

        with suppress(Disconnected):
            assert (await bus.request("echo", b"1", timeout_s=2)).data == b"1"

        await opening
        await bus.close()


@pytest.mark.parametrize("turns", TURNS)
async def test_subscriptions_change_while_it_opens(server, monkeypatch, turns):
    """One made meanwhile is never missed; one stopped meanwhile never stays behind."""
    bus = connection.Connection(bus_options(server))
    early = await echo(bus, "stopped")
    opening = await opening_until(monkeypatch, bus, turns)

    await asyncio.gather(echo(bus, "kept"), early.stop())
    await opening

    assert (await bus.request("kept", b"1", timeout_s=2)).data == b"1"
    with pytest.raises(NoResponders):
        await bus.request("stopped", timeout_s=2)
    await bus.close()


async def test_stopped_subscription_stays_stopped(server):
    """What was unsubscribed does not come back with the next connection."""
    async with connected(server) as bus:
        subscription = await echo(bus)
        await subscription.stop()

        os.kill(server.pid, signal.SIGKILL)
        await eventually(lambda: not bus.up, "the loss is noticed")
        await bus.wait_up()

        with pytest.raises(NoResponders):
            await bus.request("echo", timeout_s=5)


async def test_waiting_requests_fail_with_the_connection(server):
    """Whoever waits for an answer hears at once that none will come."""
    async with connected(server) as bus:

        async def swallow(_):
            pass

        await bus.subscribe("silent", swallow)
        request = asyncio.create_task(bus.request("silent", timeout_s=60))
        await bus.request("$JS.API.INFO", timeout_s=5)  # the other request is on its way, too

        os.kill(server.pid, signal.SIGKILL)

        with pytest.raises(NoAnswer, match="the connection broke"):
            await asyncio.wait_for(request, 5)


async def test_nothing_is_sent_later(server):
    """What is published without a connection is refused, and never arrives."""
    heard, back = [], []

    async def hear(message):
        heard.append(message.data)

    async with connected(server) as bus, connected(server, "other") as other:
        await other.subscribe("news", hear)
        other.on_up(lambda: back.append(1))
        os.kill(server.pid, signal.SIGKILL)
        await eventually(lambda: not bus.up, "the loss is noticed")

        with pytest.raises(Disconnected):
            await bus.publish("news", b"late")

        await bus.wait_up()
        await eventually(lambda: back, "the other one is back, too")
        await bus.publish("news", b"new")
        await eventually(lambda: heard, "the news")
        assert heard == [b"new"]


async def test_reader_that_died_is_found(server, monkeypatch):
    """A client that looks connected and hears nothing is replaced."""
    monkeypatch.setattr("bridge.connection.WATCH_S", 0.05)
    monkeypatch.setattr("bridge.connection.ROUND_TRIP_S_MAX", 0.2)
    async with connected(server) as bus:
        await echo(bus)
        zombie = bus._client
        zombie._reading_task.cancel()
        await eventually(lambda: bus._client is not zombie, "a new client")

        await eventually(lambda: works(bus), "requests work again")


async def test_hung_server_is_found(server, monkeypatch):
    """A server that stopped without a word counts as lost, and is found again when it goes on."""
    monkeypatch.setattr("bridge.connection.WATCH_S", 0.05)
    monkeypatch.setattr("bridge.connection.ROUND_TRIP_S_MAX", 0.2)
    monkeypatch.setattr("bridge.connection.ATTEMPT_S", 0.2)
    async with connected(server) as bus:
        await echo(bus)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            await eventually(lambda: not bus.up, "the loss is noticed")
        finally:
            os.kill(server.pid, signal.SIGCONT)

        await eventually(lambda: works(bus), "requests work again")


async def test_protocol_error_does_not_close_for_good(server):
    """An error of the protocol, which closes nats-py for ever, costs one connection only."""
    async with connected(server) as bus:
        await echo(bus)
        broken = bus._client
        bus.send(b"NONSENSE\r\n")
        await eventually(lambda: bus._client is not broken, "a new client")

        await eventually(lambda: works(bus), "requests work again")


async def test_message_over_the_limit_is_refused_here(server):
    """The limit counts headers, too; the connection stays."""
    async with connected(server) as bus:
        await echo(bus)
        limit = bus.server_payload_limit

        with pytest.raises(errors.TooLarge, match=f"more than {limit}"):
            await bus.publish("echo", bytes(limit), headers={"A": "1"})

        assert await works(bus)


async def test_headers_arrive(server):
    """Headers and a reply that were sent are what is received."""
    got = asyncio.get_running_loop().create_future()

    async def hear(message):
        got.set_result((message.data, message.reply, message.headers))

    async with connected(server) as bus:
        await bus.subscribe("it", hear)
        await bus.publish("it", b"body", reply="_INBOX.x", headers={"A": "1", "B": "two words"})

        expected = (b"body", "_INBOX.x", {"A": "1", "B": "two words"})
        assert await asyncio.wait_for(got, 5) == expected


async def test_messages_keep_their_order(server):
    """Whatever is sent together arrives in the order in which it was sent."""
    heard = []

    async def hear(message):
        heard.append(message.data)

    async with connected(server) as bus:
        await bus.subscribe("it", hear)
        for number in range(100):
            bus.send(frames.message("it", b"%d" % number))
            if number % 10 == 0:
                await bus.room()
        await eventually(lambda: len(heard) == 100, "all messages")

        assert heard == [b"%d" % number for number in range(100)]


async def fail_later(_):
    raise ZeroDivisionError


def fail_at_once(_):
    raise ZeroDivisionError


@pytest.mark.parametrize("fail", [fail_later, fail_at_once])
async def test_fault_in_a_callback_is_not_swallowed(server, fail):
    """An exception out of a callback ends `run` once: it is a defect of the program."""
    async with connection.opened(bus_options(server)) as bus:
        running = asyncio.create_task(bus.run())
        await bus.subscribe("it", fail)
        await bus.publish("it")

        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(running, 5)

        again = asyncio.create_task(bus.run())
        await echo(bus)
        os.kill(server.pid, signal.SIGKILL)
        await eventually(lambda: not bus.up, "the loss is noticed")
        await eventually(lambda: works(bus), "requests work again")
        await cancel(again)


async def test_refused_login_later_is_waited_out(server, monkeypatch):
    """Credentials that are refused after a restart may be good again in a moment."""
    async with connected(server) as bus:
        await echo(bus)
        good = bus.options
        bus.options = bus_options(server, password="wrong")
        os.kill(server.pid, signal.SIGKILL)
        await eventually(lambda: not bus.up, "the loss is noticed")
        bus.options = good

        await eventually(lambda: works(bus), "requests work again")


async def test_closing_sends_what_is_waiting(server):
    """A message that was published right before the end arrives."""
    heard = []

    async def hear(message):
        heard.append(message.data)

    async with connected(server) as other:
        await other.subscribe("it", hear)
        async with connection.opened(bus_options(server)) as bus:
            await bus.publish("it", b"last words")

        await eventually(lambda: heard == [b"last words"], "the last words")


async def test_cancelled_run_leaves_no_task(server):
    """Cancelling `run` and closing ends everything that nats-py had started."""
    before = asyncio.all_tasks()
    async with connection.opened(bus_options(server)) as bus:
        await echo(bus)
        await cancel(asyncio.create_task(bus.run()))

    await eventually(lambda: asyncio.all_tasks() == before, "no task is left")
