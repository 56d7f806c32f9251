"""A publisher whose log is replaced, beside a JetStream that takes its time."""

import asyncio
from contextlib import suppress

import pytest

from bridge.publisher import Publisher
from bridge.source import Me
from bridge.streams import Seen
from bridge.worker import Worker
from tests.eventually import eventually
from wig import errors, log
from wig.log import ZERO_DIGEST, Fork, Position, Record

ME = Me("paris", "me", "1", "follower")


def chain(count, branch=""):
    """Return entries; those of a branch differ from the fourth on."""
    digest, found = ZERO_DIGEST, []
    for seq in range(1, count + 1):
        payload = f"{branch if seq > 3 else ''}{seq}".encode()
        digest = log.chain(digest, payload)
        found.append(Record(seq, payload, digest))
    return found


class Store:
    """A follower's log, in memory."""

    database, generation = "db", "g"
    lineage = (Fork(epoch="e", parent="", seq=0, digest=ZERO_DIGEST.hex()),)

    def __init__(self):
        self.entries, self.began = chain(10), (0, ZERO_DIGEST)

    def load(self, at):
        """Have a snapshot, and no entries."""
        self.entries, self.began = [], (at.seq, at.digest)

    def set_generation(self, generation):
        self.generation = generation

    def position(self):
        seq, digest = self.began
        if self.entries:
            seq, digest = self.entries[-1].seq, self.entries[-1].digest
        return Position(epoch="e", seq=seq, digest=digest.hex())

    def state_digest(self):
        return ""

    def base(self):
        return self.began

    def digest_at(self, seq):
        known = dict([self.began, *((it.seq, it.digest) for it in self.entries)])
        return known.get(seq)

    def records(self, after, limit):
        return [it for it in self.entries if it.seq > after][:limit]


class Streams:
    """JetStream, in memory; it answers when it may."""

    def __init__(self, generation):
        self.held = {generation: (1, chain(10))}
        self.may = asyncio.Event()
        self.asked = 0
        self.may.set()

    async def _pause(self):
        self.asked += 1
        await self.may.wait()

    def subject(self, generation):
        return generation

    async def domain(self):
        return None

    async def others(self, generation):
        return [it for it in self.held if it != generation]

    async def claim(self, generation):
        return await self.look(generation), "old"

    async def look(self, generation):
        first, entries = self.held[generation]
        await self._pause()
        return Seen("me", "db", first, first - 1 + len(entries))

    async def digest(self, generation, seq):
        first, entries = self.held[generation]
        await self._pause()
        return entries[seq - first].digest.hex()

    async def create(self, generation, first, database):
        del database
        self.held[generation] = first, []

    async def delete(self, generation):
        del self.held[generation]


class Bus:
    """A connection that is up."""

    def on_up(self, callback):
        del callback

    async def wait_up(self):
        pass

    async def request(self, *_, **__):
        raise errors.Unavailable("nobody is there")

    class options:  # noqa: N801  # an attribute
        identity = "paris"


@pytest.mark.parametrize("questions", [1, 2])
@pytest.mark.parametrize("snapshot", [chain(10)[4], chain(6, "b")[-1]], ids=["shorter", "other"])
async def test_a_snapshot_comes_while_the_stream_is_looked_at(questions, snapshot):
    """Whatever the late answer is about, the follower begins a new stream, and goes on."""
    store, worker = Store(), Worker("writer")
    publisher = Publisher(Bus(), store, worker, ME)
    publisher._streams = publisher.ownership._streams = streams = Streams(store.generation)
    running = asyncio.create_task(publisher.run())
    try:
        await eventually(lambda: publisher.accepted == 10, "the stream to be compared")
        streams.asked = 0
        streams.may.clear()
        publisher.doubt("the stream does not answer")
        for number in range(1, questions + 1):
            await eventually(lambda n=number: streams.asked == n, "a question")
            if number < questions:
                streams.may.set()
                await asyncio.sleep(0)
                streams.may.clear()

        await worker.call(store.load, snapshot)
        publisher.replaced()
        streams.may.set()

        await eventually(lambda: running.done() or publisher.ready.is_set(), "a new stream")
        assert not running.done(), running.exception()
        assert streams.held == {publisher.generation: (snapshot.seq + 1, [])}
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError, errors.Fenced):
            await running
        worker.close()
