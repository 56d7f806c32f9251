"""The port: three pages, and patience with nobody."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from bridge import metrics_http
from bridge.metrics_http import Address, Port, parse_address
from tests.buses import cancel
from tests.eventually import eventually
from tests.pages import page
from wig import errors


class Pages:
    """What a program would say."""

    def __init__(self) -> None:
        self.pieces = [b"wig_a 1\n", b"", b"wig_b 2\n"]
        self.why_unhealthy: tuple[str, ...] = ()
        self.why_unready: tuple[str, ...] = ()

    async def scrape(self):
        for piece in self.pieces:
            yield piece

    def unhealthy(self):
        return self.why_unhealthy

    def unready(self):
        return self.why_unready


@pytest.fixture
def pages():
    return Pages()


@asynccontextmanager
async def listening(pages, number=0):
    it = Port(Address("127.0.0.1", number), pages)
    task = asyncio.create_task(it.run())
    try:
        await eventually(lambda: it.bound, "a port")
        yield it.bound
    finally:
        await cancel(task)


@pytest.fixture
async def port(pages):
    async with listening(pages) as number:
        yield number


async def say(port: int, words: bytes) -> bytes:
    """Send bytes, and return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(words)
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


async def test_a_scrape_comes_in_pieces(port):
    """With the type that Prometheus expects; an empty piece does not end it."""
    found = await page(port, "/metrics")

    assert (found.status, found.text) == (200, "wig_a 1\nwig_b 2\n")
    assert found.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert found.headers["Transfer-Encoding"] == "chunked"


async def test_an_old_client_gets_it_without_chunks(port):
    """HTTP/1.0 does not know them."""
    answer = await say(port, b"GET /metrics HTTP/1.0\r\n\r\n")

    assert b"chunked" not in answer
    assert answer.endswith(b"\r\n\r\nwig_a 1\nwig_b 2\n")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_verdict_is_a_status_and_reasons(port, pages, path):
    """200, or 503 with one reason a line."""
    assert ((await page(port, path)).status, (await page(port, path)).text) == (200, "ok\n")

    pages.why_unready = pages.why_unhealthy = ("this", "that")
    found = await page(port, path)
    assert (found.status, found.text) == (503, "this\nthat\n")


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
async def test_head_has_no_body(port, path):
    """Load balancers ask so."""
    answer = await say(port, f"HEAD {path}?x=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        pytest.param(b"GET / HTTP/1.1", b"404", id="nothing-else"),
        pytest.param(b"GET /metrics/ HTTP/1.1", b"404", id="no-such-page"),
        pytest.param(b"POST /metrics HTTP/1.1", b"405", id="post"),
        pytest.param(b"DELETE / HTTP/1.1", b"405", id="delete"),
        pytest.param(b"GET http://x/metrics HTTP/1.1", b"404", id="a-proxy"),
        pytest.param(b"GET /metrics HTTP/2", b"400", id="other-http"),
        pytest.param(b"get /metrics HTTP/1.1", b"400", id="lower-case"),
        pytest.param(b"\x16\x03\x01\x02", b"400", id="tls"),
    ],
)
async def test_anything_else_is_refused(port, request_line, status):
    """With a status that says so, and the end of the connection."""
    answer = await say(port, request_line + b"\r\n\r\n")

    assert answer.split(b" ")[1] == status


async def test_a_request_without_an_end_is_refused(port):
    """8 KB are plenty."""
    answer = await say(port, b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 20_000)

    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_who_says_nothing_is_hung_up_on(port, monkeypatch):
    """Others need the place."""
    monkeypatch.setattr(metrics_http, "HEAD_S_MAX", 0.05)

    assert await say(port, b"GET /metr") == b""


async def test_there_is_room_for_so_many(port, monkeypatch):
    """One more is hung up on; when others have gone, there is room again."""
    monkeypatch.setattr(metrics_http, "CONNECTIONS_MAX", 1)
    _, writer = await asyncio.open_connection("127.0.0.1", port)

    async def refused() -> bool:
        try:
            return await say(port, b"GET /healthz HTTP/1.1\r\n\r\n") == b""
        except ConnectionError:
            return True

    await eventually(refused, "the port is full")
    writer.close()

    async def served() -> bool:
        return (await page(port, "/healthz")).status == 200

    await eventually(served, "there is room")


async def test_who_does_not_read_is_hung_up_on(port, pages, monkeypatch):
    """What was written for him would stay in memory, and his connection open, for ever."""
    monkeypatch.setattr(metrics_http, "ANSWER_S_MAX", 0.1)
    pages.pieces = [b"x" * 100_000] * 1000
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
    writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
    await reader.read(1000)

    def refused() -> bool:
        writer.write(b"x")  # which nobody takes when the other end is gone
        return writer.transport.is_closing()

    await eventually(refused, "the other end to be gone")


async def test_slow_readers_of_scrapes_leave_room_for_others(port, pages):
    """A gateway that seems not to be ready would be taken out of use."""
    pages.pieces = [b"x" * 100_000] * 1000
    writers = []
    for _ in range(metrics_http.SCRAPES_MAX):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        await reader.read(1000)
        writers.append(writer)

    assert (await page(port, "/metrics")).status == 503
    assert (await page(port, "/readyz")).status == 200

    pages.pieces = []
    for writer in writers:
        writer.close()

    async def served() -> bool:
        return (await page(port, "/metrics")).status == 200

    await eventually(served, "there is room")


async def test_stopping_waits_for_no_reader(pages):
    """Some versions of Python would, as long as one is there."""
    async with listening(pages) as number:
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        writer.write(b"GET /metr")
        await eventually(lambda: len(asyncio.all_tasks()) > 2, "the connection")

    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 1)
    writer.close()


async def test_a_reader_that_goes_away_is_no_fault(port, pages, caplog):
    """Half of a scrape is a scrape that ended."""
    pages.pieces = [b"x" * 100_000] * 100
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
    await reader.read(1000)
    writer.transport.abort()
    pages.pieces = [b"x\n"]

    assert (await page(port, "/metrics")).status == 200
    assert not caplog.records


async def test_a_port_that_is_taken_may_be_free_later(pages, monkeypatch, caplog):
    """It is said once, tried again and again, and nothing else is held up."""
    monkeypatch.setattr(metrics_http, "RETRY_S", 0.01)
    async with listening(pages) as number:
        second = Port(Address("127.0.0.1", number), pages)
        task = asyncio.create_task(second.run())
        await eventually(lambda: caplog.records, "it says so")
        (record,) = caplog.records
        assert (record.levelname, record.port) == ("WARNING", number)

    await eventually(lambda: second.bound == number, "the port is free")
    assert [one.message for one in caplog.records if one.levelname == "WARNING"] == [record.message]
    await cancel(task)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        pytest.param(":4007", Address(None, 4007), id="everywhere"),
        pytest.param("127.0.0.1:0", Address("127.0.0.1", 0), id="v4"),
        pytest.param("[::1]:4007", Address("::1", 4007), id="v6"),
        pytest.param("inner.example.org:1", Address("inner.example.org", 1), id="name"),
        pytest.param("none", None, id="none"),
        pytest.param("", None, id="empty"),
    ],
)
def test_addresses(text, address):
    """A port, with or without where."""
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text", ["4007", ":", ":x", ":65536", "host:-1", ":4007/metrics", "a..b:1", f"{'a' * 64}:1"]
)
def test_what_is_no_address(text):
    """The error names the option."""
    with pytest.raises(errors.Invalid, match=r"metrics_addr: .* is not"):
        parse_address(text)
