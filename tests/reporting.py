"""A gateway's statistics without a gateway: what its devices say, and who hears of it."""

from contextlib import asynccontextmanager

from bridge import subjects
from bridge.jetstream import JetStream
from bridge.readings import Readings
from bridge.statistics import Statistics
from tests import replicas
from tests.eventually import eventually
from wig import stats
from wig.device import Endpoint
from wig.samples import Batch, Sample

HOME = Endpoint("192.0.2.7:51820")
INTERVAL_S = 0.05


class Devices:
    """What a gateway's devices say, as a test wants it."""

    def __init__(self):
        self.peers = {}
        self.read = 0
        self.broken = 0

    def set(self, key, handshake_s, received=0, sent=0):
        self.peers[key] = Sample(key, handshake_s, received, sent, HOME)

    def samples(self):
        self.read += 1
        yield Batch("wg0", list(self.peers.values()))
        if self.broken:
            self.broken -= 1
            raise OSError("broken off")


class Places:
    """Knows that everybody is in Sweden."""

    version = 1

    def refresh(self):
        pass

    def find(self, endpoint):
        assert endpoint == HOME
        return stats.Place(country="SE", asn=64500, organisation="Example")


@asynccontextmanager
async def reporting(bus, devices, **options):
    """Run the reports of a gateway."""
    readings = Readings(devices.samples)
    it = Statistics(bus, readings, **{"interval_s": INTERVAL_S} | options)
    try:
        async with replicas.running(read=it.read, send=it.send):
            yield it
    finally:
        it.close()
        readings.close()


class Stream:
    """The stream of all reports, as the process that finds sessions makes it."""

    def __init__(self, bus, domain=None):
        self.api = JetStream(bus, domain)

    async def create(self, **fields):
        config = {
            "name": subjects.STATS_STREAM,
            "subjects": [subjects.stats("*")],
            "storage": "file",
            "duplicate_window": 100_000_000,
        }
        await self.api.call(f"STREAM.CREATE.{subjects.STATS_STREAM}", config | fields)
        return self

    async def delete(self):
        await self.api.call(f"STREAM.DELETE.{subjects.STATS_STREAM}")

    async def messages(self):
        """Return age header and report of each message."""
        state = await self.api.state(subjects.STATS_STREAM)
        found = []
        for seq in range(max(1, state.first_seq), state.last_seq + 1):
            stored = await self.api.message(subjects.STATS_STREAM, seq)
            age_s = float(stored.header(stats.AGE_HEADER))
            found.append((age_s, stats.decode(stored.payload)))
        return found

    async def reports(self):
        return [report for _, report in await self.messages()]

    async def latest(self):
        """Return handshake and place of each peer, the newest report winning."""
        return {
            key: (handshake_s, report.places[place - 1].country if place else "")
            for report in await self.reports()
            for each in report.interfaces
            for key, handshake_s, place in zip(
                each.peers, each.handshakes, each.places or [0] * len(each.peers), strict=True
            )
        }

    async def has(self, **wanted):
        """Wait until the stream has heard this of peers."""

        async def there():
            return (await self.latest()) == wanted

        await eventually(there, f"reports of {len(wanted)} peers")
