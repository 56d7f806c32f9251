"""Whatever is killed while reports come: each edge is there once, in database and stream."""

import asyncio
import json
import random
import signal
import subprocess
from contextlib import suppress

import pytest

from tests import builders, buses, keepers, processes
from tests.eventually import eventually
from tests.keepers import Teller
from tests.program import WIG, environment
from wig import errors
from wig.sessions import Settings

INACTIVITY_S = 2
PAUSE_S = 0.3  # three times as long as JetStream remembers the ids of messages
PEERS = [builders.key(("killed", n)) for n in range(12)]
FIELDS = ("id", "peer", "begin", "end", "reason", "gateways", "received_bytes", "sent_bytes")


class Keeper:
    """`wig sessions` as a process that is killed and started again."""

    def __init__(self, site, directory):
        self._site = site
        self._log = (directory / "sessions.log").open("ab")
        self._environment = environment(directory / "state")
        self.start()

    def start(self):
        server = self._site.server
        bus = ("--server", server.url, "--token-file", str(server.credentials_file))
        words = ("sessions", "--db", str(self._site.db), *bus, "--identity", "sessions")
        self.process = subprocess.Popen(
            [*WIG, *words, "--session-inactivity", f"{INACTIVITY_S}s"],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, env=self._environment,
        )  # fmt: skip

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        code = self.process.wait(20)
        self._log.close()
        return code


async def traffic(site, chance, quiet, end):
    """Two gateways report clients that come, move and go, and then that nothing changes."""
    tellers = [Teller(site.client, name) for name in ("gw1", "gw2")]
    grown = 0
    while not end.is_set():
        grown += 1000
        for teller in tellers:
            here = [peer for peer in PEERS if chance.random() < 0.1 and not quiet.is_set()]
            report = teller.report(*here, bytes_=grown)
            while True:  # as a gateway does: until the stream has it
                try:
                    await teller.send(report)
                    break
                except (errors.Temporary, TimeoutError):
                    await asyncio.sleep(0.05)
        with suppress(TimeoutError):
            await asyncio.wait_for(end.wait(), 0.1)


def pairs(events):
    """Return the begins and ends of a stream, by session."""
    begins = {one["id"]: one for one in events if one["event"] == "begin"}
    ends = {one["id"]: one for one in events if one["event"] == "end"}
    return begins, ends


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_edge_is_lost_or_doubled(tmp_path, seed):
    """Killed are the keeper, the primary and the server; some pauses are longer than ids live."""
    chance = random.Random(seed)
    async with keepers.site(tmp_path) as site:
        others = processes.Site(site.server, tmp_path)
        db = await asyncio.to_thread(others.init, "hub.db")
        primary = others.datastore(db, "hub")
        await site.client.command("interface.create", buses.create_interface(), timeout_s=30)
        for n in range(len(PEERS)):
            await site.client.command("peer.create", buses.create_peer(("killed", n)))
        keeper, quiet, end = Keeper(site, tmp_path), asyncio.Event(), asyncio.Event()
        talking = asyncio.create_task(traffic(site, chance, quiet, end))
        await eventually(site.reads, "it to read reports", 20.0)
        for kill in chance.sample(["keeper", "keeper", "pause", "primary", "server"], 5):
            await site.edges(len(await site.stream()) + chance.randrange(1, 6))
            if kill == "keeper":
                keeper.kill()
                await asyncio.sleep(chance.random() * PAUSE_S)
                keeper.start()
            elif kill == "pause":
                keeper.process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(PAUSE_S)
                keeper.process.send_signal(signal.SIGCONT)
            elif kill == "primary":
                primary.kill()
                primary = others.datastore(db, "hub")
            else:
                site.server._process.kill()
                await eventually(lambda: site.server.pid, "the server to be back")
        await site.edges(len(await site.stream()) + 4)
        quiet.set()
        await eventually(lambda: _over(site), "all sessions to be over", 30.0)
        end.set()
        await talking
        events, listed = await site.stream(), await site.sessions(limit=1000)
        assert keeper.stop() == 0
        primary.stop()

        assert [one["number"] for one in events] == list(range(1, len(events) + 1))
        begins, ends = pairs(events)
        assert len(begins) + len(ends) == len(events)
        assert {one["id"] for one in listed} == begins.keys() == ends.keys()
        for one in listed:
            assert [ends[one["id"]][name] for name in FIELDS] == [one[name] for name in FIELDS]
        assert await undisturbed(site, tmp_path) == {_what(one) for one in listed}


async def _over(site):
    """Say whether all reports are read, no session is open, and the stream has every edge."""
    raw = await site.client.bus.request("$JS.API.CONSUMER.INFO.WIG_STATS.sessions", timeout_s=5)
    consumer, status = json.loads(raw.data), await site.ask("status")
    read = consumer.get("num_pending") == 0 == consumer.get("num_ack_pending")
    return read and status["open"] == 0 and status["published"] == status["edges"]


def _what(one):
    return tuple(str(one[name]) for name in FIELDS if name != "reason")


async def undisturbed(site, directory):
    """Return what a keeper finds in the same reports when nothing happens to it."""
    await site.client.bus.request("$JS.API.CONSUMER.DELETE.WIG_STATS.sessions", timeout_s=5)
    settings = Settings(inactivity_s=INACTIVITY_S)
    async with site.keeper(db=directory / "undisturbed.db", settings=settings):
        await eventually(lambda: _over(site), "all sessions to be over", 30.0)
        return {_what(one) for one in await site.sessions(limit=1000)}
