"""The embedded nats-server: starts, keeps its ports, comes back, and leaves nothing behind."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys

import pytest

from bridge import connection
from tests.buses import bus_options, connected, nats
from tests.eventually import eventually, eventually_sync
from wig import errors


async def test_jetstream_is_usable_inside(tmp_path):
    """Inside the context a client with the credentials can use JetStream."""
    async with nats(tmp_path) as server, connected(server) as bus:
        answer = await bus.request("$JS.API.INFO", timeout_s=5)

        assert b'"streams":0' in answer.data


async def test_nobody_comes_in_without_credentials(tmp_path):
    """A wrong password is refused; without one, somebody must vouch, and nobody is there."""
    async with nats(tmp_path) as server:
        with pytest.raises(errors.Denied, match="refuses the credentials"):
            async with connection.opened(bus_options(server, password="wrong")):
                pass
        with pytest.raises(errors.Unavailable, match="hung up during the login"):
            async with connection.opened(bus_options(server, password="")):
                pass


async def test_streams_from_before_there_were_accounts_are_kept(tmp_path):
    """An old directory has them in the global account: they move with their content."""
    stream = {"name": "OLD", "subjects": ["old"]}
    async with nats(tmp_path) as server, connected(server) as bus:
        await bus.request("$JS.API.STREAM.CREATE.OLD", json.dumps(stream).encode(), timeout_s=5)
        await bus.request("old", b"kept", timeout_s=5)
        accounts = server.options.directory / "jetstream" / "jetstream"
    (accounts / "WIG").rename(accounts / "$G")

    async with nats(tmp_path) as server, connected(server) as bus:
        answer = await bus.request("$JS.API.STREAM.INFO.OLD", timeout_s=5)

    assert json.loads(answer.data)["state"]["messages"] == 1


async def test_secrets_are_for_the_owner_only(tmp_path):
    """Directory and files cannot be read by other users, and the password is not in the config."""
    async with nats(tmp_path) as server:
        directory = server.options.directory
        config = directory / "nats-server.conf"

        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        for file in (config, server.credentials_file):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert server.credentials.secret not in config.read_text()


async def test_ports_and_credentials_survive_a_restart(tmp_path):
    """A second start listens where the first did, and takes the same credentials."""
    async with nats(tmp_path) as server:
        first = (server.url, server.monitor_url, server.credentials)
    async with nats(tmp_path) as server:
        assert (server.url, server.monitor_url, server.credentials) == first


async def test_second_server_in_a_directory_is_refused(tmp_path):
    """Two servers on one store would destroy it: the second says who is in the way."""
    async with nats(tmp_path):
        with pytest.raises(errors.Unusable, match="another wig runs one"):
            async with nats(tmp_path):
                pass


async def test_port_in_use_is_named(tmp_path, monkeypatch):
    """A given port that somebody else has is an error that names it."""
    monkeypatch.setattr("bridge.probe.PORT_S_MAX", 0.1)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(errors.Unusable, match=f"port: {port} .* cannot be used"):
            async with nats(tmp_path, port=port):
                pass


async def test_killed_server_comes_back(tmp_path):
    """After kill -9 it listens on the same port again, with everything stored."""
    async with nats(tmp_path) as server:
        async with connected(server) as bus:
            await bus.request(
                "$JS.API.STREAM.CREATE.A", b'{"name":"A","subjects":["a"]}', timeout_s=5
            )
            await bus.request("a", b"kept", timeout_s=5)

        killed = server.pid
        os.kill(killed, signal.SIGKILL)
        await eventually(lambda: server.pid not in {None, killed}, "a new process")

        async with connection.opened(bus_options(server), wait_s=5) as bus:
            answer = await bus.request("$JS.API.STREAM.INFO.A", timeout_s=5)
            assert b'"messages":1' in answer.data


async def test_server_that_cannot_start_says_why(tmp_path, monkeypatch):
    """The error has the server's own last words, and the file with the others."""
    (tmp_path / "nats").mkdir()
    (tmp_path / "nats" / "jetstream").write_text("a file where a directory should be")

    with pytest.raises(errors.Unusable, match=r"ended with code 1.*not a directory") as caught:
        async with nats(tmp_path):
            pass
    assert "nats-server.log" in caught.value.hint


async def test_named_binary_must_be_a_program(tmp_path, monkeypatch):
    """The override for another nats-server is checked before anything happens."""
    monkeypatch.setenv("WIG_NATS_SERVER", "/nowhere/nats-server")

    with pytest.raises(errors.Unusable, match=r"WIG_NATS_SERVER: '/nowhere.*' is not a program"):
        async with nats(tmp_path):
            pass


PARENT = """
import asyncio, pathlib, sys
from bridge.server import NatsServer, ServerOptions

async def main():
    async with NatsServer(ServerOptions(directory=pathlib.Path(sys.argv[1]))) as server:
        print(server.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def test_server_dies_with_its_parent(tmp_path):
    """Kill -9 of the program that started it ends it as well."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "nats")], stdout=subprocess.PIPE, text=True
    ) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()

    def gone():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    eventually_sync(gone, "the end of the server")


async def test_stop_ends_the_process(tmp_path):
    """After the context there is no process, and the directory is free."""
    async with nats(tmp_path) as server:
        pid = server.pid

    assert server.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
