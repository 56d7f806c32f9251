"""A real `wig sessions` on a real nats-server, and gateways that only report."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from bridge import sessions, subjects
from bridge.client import Client
from bridge.server import NatsServer
from bridge.session_streams import SessionStreams
from bridge.sessions import SessionsOptions
from tests import builders, buses
from tests.eventually import eventually
from wig import codec, errors, stats
from wig.sessions import Settings
from wig.stats import Place, Report, Samples

READY_S_MAX = 15.0
QUICK = Settings(inactivity_s=60, silence_s=60)
HOME = Place(country="SE", asn=64500, organisation="Example AB")

_decode = codec.decoder(dict[str, Any])


class Teller:
    """A gateway as the keeper of sessions hears it."""

    def __init__(self, client: Client, name: str, boot: int = 1) -> None:
        self._bus = client.bus
        self.name = name
        self.boot = f"{boot:016x}"
        self.n = 0

    def report(self, *peers: str, ago_s: float = 0, age_s: float = 0, bytes_: int = 1000) -> Report:
        """Return the next report: these peers shook hands so long ago."""
        self.n += 1
        now = int(time.time() - age_s)
        count = len(peers)
        samples = Samples(
            interface="wg0", peers=peers, handshakes=(int(now - ago_s),) * count,
            received=(bytes_,) * count, sent=(2 * bytes_,) * count, places=(1,) * count,
        )  # fmt: skip
        return Report(
            format=stats.FORMAT, gateway=self.name, boot=self.boot, n=self.n, time=now,
            interval_s=1, places=(HOME,), interfaces=(samples,) if peers else (),
        )  # fmt: skip

    async def send(self, report: Report, age_s: float = 0) -> None:
        """Have the stream take a report, as a gateway does."""
        inbox, answer = self._bus.expect_answer()
        await self._bus.publish(
            subjects.stats(self.name), stats.encode(report), reply=inbox,
            headers={stats.AGE_HEADER: str(age_s)},
        )  # fmt: skip
        acknowledged = await asyncio.wait_for(answer, 5)
        if b'"seq"' not in acknowledged.data:
            raise errors.Unavailable(f"the stream did not take it: {acknowledged.data!r}")

    async def tell(self, *peers: str, **fields: Any) -> Report:
        """Report that peers shook hands."""
        report = self.report(*peers, **fields)
        await self.send(report, fields.get("age_s", 0))
        return report


class Site:
    """A server, an admin, and whoever keeps sessions on it."""

    def __init__(self, server: NatsServer, client: Client, directory: Path) -> None:
        self.server = server
        self.client = client
        self.db = directory / "sessions.db"

    async def ask(self, verb: str, **body: Any) -> dict[str, Any]:
        reply = await self.client.query(f"session.{verb}", body)
        return reply.ok or {}

    async def sessions(self, **wanted: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.ask("list", **wanted))["sessions"]
        return found

    async def stream(self) -> list[dict[str, Any]]:
        """Return all that is in WIG_SESSIONS, as soon as the server answers."""
        (found,) = await eventually(self._stream, "the stream to be read")
        return [_decode(one) for one in found]

    async def _stream(self) -> tuple[list[bytes]] | None:
        with suppress(errors.Temporary):
            return ((await SessionStreams(self.client.bus).edges(0, 1_000_000))[0],)
        return None

    async def edges(self, count: int) -> list[dict[str, Any]]:
        """Wait until the stream has so many, and return them."""

        async def enough() -> bool:
            return len(await self.stream()) >= count

        await eventually(enough, f"{count} edges in the stream")
        return await self.stream()

    @asynccontextmanager
    async def keeper(self, **fields: Any) -> AsyncIterator[asyncio.Task[None]]:
        """Run a keeper; wait until it answers, and stop it at the end."""
        options = SessionsOptions(
            **{
                "db": self.db,
                "bus": buses.bus_options(self.server, "sessions"),
                "settings": QUICK,
            }
            | fields
        )
        stop, serving = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(sessions.run_sessions(options, stop=stop, ready=serving.set))
        try:
            waiting = asyncio.create_task(serving.wait())
            await asyncio.wait({waiting, task}, timeout=READY_S_MAX, return_when="FIRST_COMPLETED")
            waiting.cancel()
            if task.done():
                await task
            assert serving.is_set(), "the keeper of sessions does not answer"
            await eventually(self.reads, "it to read reports")
            yield task
        finally:
            stop.set()
            await task

    async def reads(self) -> bool:
        """Say whether somebody reads reports."""
        with suppress(errors.Temporary):
            names = await self.client.bus.request("$JS.API.CONSUMER.NAMES.WIG_STATS", timeout_s=5)
            return b'"sessions"' in names.data
        return False


@asynccontextmanager
async def site(directory: Path) -> AsyncIterator[Site]:
    async with buses.nats(directory) as server, buses.admin(server) as client:
        yield Site(server, client, directory)


def keys(count: int) -> list[str]:
    return [builders.key(("session", n)) for n in range(count)]
