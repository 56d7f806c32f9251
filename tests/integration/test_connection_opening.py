"""The first connection: to no server, to one that is too old, to one that hangs up."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from bridge import connection
from bridge.options import Options
from tests.buses import cancel, connected
from wig import errors

QUESTION_S_MAX = 10.0


async def test_first_connect_is_bounded():
    """A server that is not there is an error at once, which says where to look."""
    with pytest.raises(errors.Unavailable, match="cannot be reached") as caught:
        async with connection.opened(Options(identity="me", server="nats://127.0.0.1:1")):
            pass
    assert "--server" in caught.value.hint


@pytest.mark.parametrize("server", ["", "nats://h:99999", "nats://[::1", "tls://"])
async def test_an_address_that_is_none_is_an_error_of_its_own(server):
    """nats-py refuses it before it begins, and then cannot be closed: that hides nothing."""
    with pytest.raises(errors.Unavailable, match=r"server: .* cannot be reached: \S") as caught:
        async with connection.opened(Options(identity="me", server=server)):
            pass
    assert "must be called first" not in caught.value.message


@pytest.mark.parametrize("option", ["ca", "certificate", "key"])
async def test_a_file_of_tls_that_cannot_be_read_is_named(tmp_path, option):
    """OpenSSL says neither which file, nor what to do."""
    there = tmp_path / "there"
    there.touch()
    files = dict.fromkeys(("ca", "certificate", "key"), there) | {option: tmp_path / "absent"}

    with pytest.raises(errors.Unusable, match=r"absent' cannot be read: No such file") as caught:
        async with connection.opened(Options(identity="me", **files)):
            pass
    assert "the user that wig runs as" in caught.value.hint


INFO = (
    b'INFO {"server_id":"S","version":"%b","proto":1,"headers":true,"max_payload":1048576,'
    b'"jetstream":true}\r\n'
)


@asynccontextmanager
async def fake_server(version, *, login):
    """Be a server of some version; without `login` it hangs up when a client logs in."""
    served = asyncio.Event()

    async def serve(reader, writer):
        writer.write(INFO % version)
        with suppress(ConnectionError):
            while line := await reader.readline():
                if line.startswith(b"PING"):
                    if not login:
                        break
                    writer.write(b"PONG\r\n")
        writer.close()
        served.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as fake:
        yield fake.sockets[0].getsockname()[1]
        await served.wait()


async def open_to(port):
    async with connection.opened(Options(identity="me", server=f"nats://127.0.0.1:{port}")):
        pass


@pytest.mark.parametrize("version", [b"2.9.10", b"2.11.17", b"2.12.6"])
async def test_old_server_is_refused(version):
    """Servers that are known to be unsafe are not used; the error names both versions."""
    async with fake_server(version, login=True) as port:
        with pytest.raises(errors.Unsupported, match=rf"{version.decode()} .* older than 2\.12\.7"):
            await open_to(port)


async def test_server_that_hangs_up_is_unavailable():
    """No answer to the login is an error, although nats-py says nothing."""
    async with fake_server(b"2.15.1", login=False) as port:
        with pytest.raises(errors.Unavailable, match="hung up during the login"):
            await open_to(port)


async def test_new_server_is_accepted():
    """The version check lets newer servers through."""
    async with fake_server(b"3.0.0", login=True) as port:
        await open_to(port)


async def test_who_gives_up_does_not_take_the_connection_along(server):
    """The server answers a caller that was cancelled meanwhile."""
    async with connected(server) as bus:
        client = bus._client
        subscribing = asyncio.create_task(bus.subscribe("news", print))
        async with asyncio.timeout(QUESTION_S_MAX):
            while not client._pongs:  # noqa: ASYNC110  # a longer look would miss it
                await asyncio.sleep(0)
        await cancel(subscribing)

        await bus.subscribe("other news", print)

        assert not client._reading_task.done()
