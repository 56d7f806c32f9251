"""A full disk: nothing is lost, and with room again everything goes on by itself."""

import asyncio
import json
import os
import signal
from contextlib import suppress

import pytest

from bridge import connection
from bridge.server import NatsServer, ServerOptions
from bridge.server_health import ServerHealth
from tests import buses
from tests.eventually import eventually
from tests.small_disks import small_disk
from wig import errors

S_MAX = 40.0  # nobody needs to be told
PAYLOAD = b"x" * 5000  # more than a page, and so more than a full disk takes


@pytest.fixture
def disk(tmp_path):
    """A small disk with room."""
    with small_disk(tmp_path / "disk") as found:
        yield found


async def made(admin, number):
    """Say whether an interface can be made now."""
    name, addresses = f"wg{number}", (f"10.{number}.0.1/24",)
    command = buses.create_interface(name, port=51000 + number, addresses=addresses)
    try:
        await admin.command("interface.create", command)
    except errors.Temporary:
        return False
    return True


async def refused(admin, numbers):
    return not await made(admin, next(numbers))


async def test_commands_go_on_when_there_is_room_again(disk, tmp_path):
    """While JetStream's disk is full they are refused; then its server is started anew."""
    async with (
        buses.nats(disk.path) as server,
        buses.primary(tmp_path, server) as running,
        buses.admin(server) as admin,
    ):
        assert await made(admin, 0)
        disk.fill()
        numbers = iter(range(1, 200))
        await eventually(lambda: refused(admin, numbers), "the stream to be full", S_MAX)
        disk.make_room()

        await eventually(lambda: made(admin, 200), "commands to go on", S_MAX)

        assert not running.task.done()
        assert await buses.is_published(running)


async def test_reports_go_on_when_there_is_room_again(disk):
    """What takes them is a stream like others: it heals in the same way."""
    stream = {"name": "WIG_STATS", "subjects": ["wig.stats.*"]}
    async with buses.nats(disk.path) as server, buses.connected(server) as bus:
        create = "$JS.API.STREAM.CREATE.WIG_STATS"
        await bus.request(create, json.dumps(stream).encode(), timeout_s=5)
        first = server.pid
        disk.fill()
        await eventually(lambda: refused_report(bus), "the stream to be full", S_MAX)
        disk.make_room()

        await eventually(lambda: reported(bus), "reports to go on", S_MAX)

        assert server.pid != first


async def reported(bus):
    """Say whether a report is kept now."""
    try:
        answer = await bus.request("wig.stats.gw1", PAYLOAD, timeout_s=1)
    except errors.Temporary:
        return False
    return "seq" in json.loads(answer.data)


async def refused_report(bus):
    return not await reported(bus)


async def test_a_server_that_cannot_write_is_left_alone_while_there_is_no_room(disk):
    """A restart would help nothing, and costs every connection."""
    async with buses.nats(disk.path) as server, buses.connected(server) as bus:
        await bus.request("$JS.API.STREAM.CREATE.A", b'{"name":"A","subjects":["a"]}', timeout_s=5)
        first = server.pid
        disk.fill()
        health = ServerHealth("127.0.0.1", disk.path)
        port = int(server.monitor_url.rpartition(":")[2])
        with suppress(errors.Temporary):
            await bus.request("a", PAYLOAD, timeout_s=1)

        assert [await health.look(port) for _ in range(3)] == ["", "", ""]
        disk.make_room()
        assert await health.look(port) == "a stream could not be written"
        assert server.pid == first


async def test_a_server_that_dies_on_a_full_disk_comes_back_when_there_is_room(disk):
    """Until then a start says what is missing, and is worth repeating."""
    async with NatsServer(ServerOptions(directory=disk.path / "nats")) as server:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        disk.fill()
        with pytest.raises(errors.Unavailable, match="has no room"):
            await server.run()
        disk.make_room()

        keeper = asyncio.create_task(server.run())

        await eventually(lambda: server.pid is not None, "a new process")
        await buses.cancel(keeper)


async def test_a_server_that_hangs_is_started_anew(tmp_path, monkeypatch):
    """It lives, and answers nothing for a while."""
    for name, value in {"ANSWER_S_MAX": 0.1, "SILENCES": 2}.items():
        monkeypatch.setattr(f"bridge.server_health.{name}", value)
    monkeypatch.setattr("bridge.server.STOP_S_MAX", 0.1)
    monkeypatch.setattr("bridge.server.LOOK_S", 0.1)
    async with buses.nats(tmp_path) as server:
        stopped = server.pid
        os.kill(stopped, signal.SIGSTOP)

        await eventually(lambda: server.pid not in {None, stopped}, "a new process")

        async with connection.opened(buses.bus_options(server), wait_s=5):
            pass
