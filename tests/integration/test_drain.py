"""How a gateway is told to be drained: through whom, by whom, and what is said when it fails."""

import asyncio
import json
import os
import select
import signal
import time
from contextlib import AsyncExitStack, contextmanager
from functools import partial

import pytest

from bridge import drain, subjects, wire
from bridge.drain import Draining
from bridge.sessions import SessionsOptions, run_sessions
from tests import replicas
from tests.buses import bus_options
from tests.eventually import eventually
from tests.gateway_nodes import gateway
from tests.program import Done, running, wig
from tests.replicas import StateSink, converged, downstream
from tests.trees import follower, reached
from wig import codec
from wig.linux.mark import DrainMark

STREAM_S_MAX = 30.0  # a gateway without a stream for its reports waits longer and longer


@pytest.fixture
def run(server, tmp_path):
    """Run a command as an admin on that server."""
    bus = ("--server", server.url, "--token-file", str(server.credentials_file))

    async def run(*words: str) -> Done:
        return await asyncio.to_thread(
            wig, tmp_path / "state", *words, *bus, "--identity", "admin", "--output", "json"
        )

    return run


async def test_it_works_while_the_primary_is_away(server, run, tmp_path):
    """The gateway hears it through the follower that it follows."""
    async with AsyncExitStack() as stack:
        async with replicas.primary(server, tmp_path / "hub.db") as hub:
            await hub.interface()
            paris = await stack.enter_async_context(
                follower(server, tmp_path / "paris.db", "paris")
            )
            await reached(paris, hub)
            node = await stack.enter_async_context(
                gateway(server, tmp_path / "run", upstream="paris")
            )
            await node.ready()

        done = await run("gateway", "drain", "gw1", "--node", "paris")

        assert (done.code, done.document["draining"]) == (0, True)
        assert (await node.page("/readyz")).text == "draining\n"


async def test_a_gateway_deep_in_the_tree_is_found(server, run, tmp_path):
    """The primary knows whom it follows, and that node is asked."""
    async with (
        replicas.primary(server, tmp_path / "hub.db") as hub,
        follower(server, tmp_path / "paris.db", "paris") as paris,
        gateway(server, tmp_path / "run", upstream="paris") as node,
    ):
        await hub.interface()
        await reached(paris, hub)
        await node.ready()

        assert (await run("gateway", "drain", "gw1")).code == 0
        (one,) = [it for it in (await run("status")).document["nodes"] if it["name"] == "gw1"]
        assert one["draining"]


async def test_a_gateway_that_does_not_do_it_is_an_error(server, run, tmp_path, monkeypatch):
    """One of an earlier version, say: it does not know what it was told."""
    monkeypatch.setattr(drain, "CONFIRM_S_MAX", 0.2)
    sink = StateSink()
    async with (
        replicas.primary(server, tmp_path / "hub.db") as hub,
        downstream(server, sink, "gw1"),
    ):
        await hub.interface()
        await converged(sink, hub)

        done = await run("gateway", "drain", "gw1")

        assert done.code == 3
        assert done.error["message"] == "gateway: 'gw1' does not confirm it"
        assert (await run("gateway", "undrain", "gw1")).code == 0, "that is how it is"


async def test_only_gateways_can_be_drained(server, run, tmp_path):
    """A datastore has no clients."""
    async with (
        replicas.primary(server, tmp_path / "hub.db"),
        gateway(server, tmp_path / "run") as node,
    ):
        await node.ready()
        for name in ("hub", "gw2"):
            done = await run("gateway", "drain", name)

            assert (done.code, done.error["code"]) == (1, "not_found")
            assert done.error["hint"] == "gateways are gw1"


async def test_begins_and_ends_of_sessions_name_drained_gateways(server, run, tmp_path):
    """A pipeline sees who comes to a gateway although nobody should."""
    heard: dict[str, list[str]] = {}

    async def hear(message) -> None:
        told = json.loads(message.data)
        heard[told["peer"]] = told["draining"]

    options = SessionsOptions(db=tmp_path / "sessions.db", bus=bus_options(server, "sessions"))
    async with (
        replicas.primary(server, tmp_path / "hub.db") as hub,
        replicas.bus(server, "pipeline") as bus,
        replicas.running(sessions=partial(run_sessions, options, stop=asyncio.Event())),
        gateway(server, tmp_path / "run", report_interval_s=0.1) as node,
    ):
        await hub.interface()
        await bus.subscribe("wig.session.>", hear)
        await node.ready()
        first = await come(hub, node)
        await eventually(lambda: first in heard, "its session's begin", STREAM_S_MAX)
        assert (await run("gateway", "drain", "gw1")).code == 0
        second = await come(hub, node)
        await eventually(lambda: second in heard, "its session's begin", STREAM_S_MAX)

        assert heard == {first: [], second: ["gw1"]}


async def come(hub, node) -> str:
    """Let a new client greet; return its key."""
    key = await hub.peer()
    peers = await eventually(lambda: known(node, key), "the peer is on the device")
    # A second later than the last report, which may be of this one: times are whole seconds.
    peers[key] = peers[key]._replace(handshake_s=int(time.time()) + 1)
    return key


def known(node, key: str):
    """Return the peers of the device, when this one is among them."""
    peers = node.host.devices["wg0"].peers if "wg0" in node.host.devices else {}
    return peers if key in peers else None


async def test_nobody_has_a_message_sent_to_somebody_else(server, run, tmp_path):
    """A node publishes with its own rights: only to an inbox of the identity that reports it."""
    elsewhere = "_INBOX.other.a1"
    heard = []

    async def hear(message) -> None:
        heard.append(message)

    async with (
        replicas.primary(server, tmp_path / "hub.db"),
        replicas.bus(server, "gw1") as bus,
        replicas.bus(server, "other") as other,
    ):
        await other.subscribe(elsewhere, hear)
        report = wire.Report(
            node="gw1", instance="i", role="gateway", version="1", upstream="hub", inbox=elsewhere
        )

        async def known() -> bool:
            await bus.publish(subjects.node("hub", "gw1", "report"), codec.encode(report))
            return len((await run("status")).document["nodes"]) == 2

        await eventually(known, "the report is known")
        done = await run("gateway", "drain", "gw1")

        assert (done.code, done.error["code"]) == (1, "not_found")
        assert not heard


class Waits:
    """A `wig gateway drain gw1 --wait` on a terminal."""

    def __init__(self, process, terminal: int) -> None:
        self.process = process
        self._terminal = terminal
        self._shown = ""

    def told(self, text: str) -> bool:
        """Say whether the terminal has shown it."""
        while select.select([self._terminal], [], [], 0)[0]:
            self._shown += os.read(self._terminal, 1000).decode()
        return text in self._shown


@contextmanager
def waiting(server, folder, *words):
    """Drain `gw1` as an admin, and wait."""
    ours, theirs = os.openpty()
    bus = ("--server", server.url, "--token-file", str(server.credentials_file))
    words = ("gateway", "drain", "gw1", "--wait", "--identity", "admin", *bus, *words)
    try:
        with running(folder / "state", *words, stderr=theirs) as process:
            yield Waits(process, ours)
    finally:
        for end in (ours, theirs):
            os.close(end)


async def test_a_terminal_shows_a_countdown(server, tmp_path):
    """One line that changes, until nobody is connected."""
    async with (
        replicas.primary(server, tmp_path / "hub.db") as hub,
        gateway(server, tmp_path / "run") as node,
    ):
        await hub.interface()
        key = await come(hub, node)
        with waiting(server, tmp_path) as waits:
            await eventually(lambda: waits.told("\r\x1b[Kgw1: 1 connected"), "one is connected")
            peers = known(node, key)
            peers[key] = peers[key]._replace(handshake_s=1)
            await eventually(lambda: waits.process.poll() is not None, "it has come to its end")

            assert waits.process.returncode == 0
            assert waits.told("\r\x1b[Kgw1: 0 connected")


async def test_a_gateway_that_dies_is_not_waited_for(server, tmp_path):
    """Nobody will ever say that its clients are gone: the operator hears that, in a while."""
    async with replicas.primary(server, tmp_path / "hub.db") as hub, AsyncExitStack() as stack:
        async with gateway(server, tmp_path / "run") as node:
            await hub.interface()
            await come(hub, node)
            waits = stack.enter_context(waiting(server, tmp_path, "--timeout", "1"))
            await eventually(lambda: waits.told("gw1: 1 connected"), "one is connected")
        await eventually(lambda: waits.process.poll() is not None, "it gives up", 15.0)

        assert waits.process.returncode == 3
        assert waits.told("\r\nwig: gateway: 'gw1' has not been heard of for 5 s")


async def test_an_interrupted_wait_says_what_stays(server, tmp_path):
    """On a line of its own, with the exit code of an interruption."""
    async with (
        replicas.primary(server, tmp_path / "hub.db") as hub,
        gateway(server, tmp_path / "run") as node,
    ):
        await hub.interface()
        await come(hub, node)
        with waiting(server, tmp_path) as waits:
            await eventually(lambda: waits.told("gw1: 1 connected"), "one is connected")
            waits.process.send_signal(signal.SIGINT)
            await eventually(lambda: waits.process.poll() is not None, "it has come to its end")

            assert waits.process.returncode == 130
            assert waits.told("1 connected\r\ngw1 stays drained: wig gateway undrain gw1\r\n")


@pytest.fixture
def draining(tmp_path):
    """One that counts its changes."""
    changes = []
    it = Draining(DrainMark(tmp_path, "gw1"), lambda: changes.append(1))
    it.changes = changes
    return it


def test_what_is_no_instruction_changes_nothing(draining, caplog):
    """It is logged, and the gateway goes on."""
    for raw in (b"{}", b"x", b'{"gateway":"gw1","draining":"yes"}'):
        draining.told(raw)

    assert not draining.on
    assert not draining.changes
    assert len(caplog.records) == 3


def test_a_change_is_told_once(draining):
    """The same instruction twice is one change."""
    for _ in range(2):
        draining.told(b'{"gateway":"gw1","draining":true}')
    assert draining.on
    assert draining.changes == [1]


def test_a_mark_that_cannot_be_made_does_not_drain(tmp_path, caplog):
    """The operator hears that it is not confirmed, and the log says why."""
    it = Draining(DrainMark(tmp_path / "gone", "gw1"), lambda: None)

    it.told(b'{"gateway":"gw1","draining":true}')

    assert not it.on
    assert "not drained as told" in caplog.text
