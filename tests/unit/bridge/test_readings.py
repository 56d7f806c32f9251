"""One reading for everybody: never two at a time, shared while it is young."""

import asyncio
import threading

import pytest

from bridge.gateway_watch import Watch
from bridge.readings import Readings
from tests import builders
from wig.samples import Batch, Sample


class Devices:
    """Devices that count how often, and by how many at once, they are read."""

    def __init__(self) -> None:
        self.reads = 0
        self.at_once = self.at_once_max = 0
        self.go = threading.Event()
        self.go.set()
        self.silent = None

    def samples(self):
        self.reads += 1
        self.at_once += 1
        self.at_once_max = max(self.at_once, self.at_once_max)
        self.go.wait(10)
        yield Batch("wg0", [Sample(builders.key("a"), 5, 6, 7, None)])
        yield Batch("wg0", [Sample(builders.key("b"), 8, 9, 10, None)])
        yield Batch("wg1", [])
        if self.silent:
            yield Batch(self.silent, [], answered=False)
        self.at_once -= 1


@pytest.fixture
def devices():
    return Devices()


@pytest.fixture
async def readings(devices):
    it = Readings(devices.samples)
    yield it
    it.close()


async def test_columns_hold_what_the_devices_say(readings):
    """All batches of an interface are one; an interface without peers is there."""
    reading = await readings.current(0)

    wg0 = reading.interfaces["wg0"]
    assert wg0.keys == [builders.key("a"), builders.key("b")]
    assert [*wg0.handshakes_s] == [5, 8]
    assert [*wg0.received_bytes] == [6, 9]
    assert [*wg0.sent_bytes] == [7, 10]
    assert reading.interfaces["wg1"].keys == []
    assert reading.connected == {"wg0": 0, "wg1": 0}


async def test_a_device_that_does_not_answer_is_not_one_without_clients(readings, devices):
    """Who waits for nobody to be connected waits on; the other devices are read."""
    watch = Watch(None, None, readings, Undrained(), lambda: None)
    assert watch.connected() is None
    await readings.current(0)
    assert watch.connected() == 0

    devices.silent = "wg0"
    reading = await readings.current(0)

    assert reading.interfaces.keys() == {"wg1"}
    assert not reading.complete
    assert watch.connected() is None


class Undrained:
    """The mark of a gateway that is not drained."""

    def on(self):
        return False


async def test_a_young_reading_serves_everybody(readings, devices):
    """Whoever comes while one is under way gets that one."""
    devices.go.clear()
    asked = [asyncio.create_task(readings.current(60)) for _ in range(5)]
    devices.go.set()
    found = await asyncio.gather(*asked)

    assert all(one is found[0] for one in found)
    assert readings.last is found[0]
    assert devices.reads == 1


async def test_there_is_never_more_than_one_at_a_time(readings, devices):
    """Even if nobody wants an old one."""
    await asyncio.gather(*(readings.current(0) for _ in range(5)))

    assert devices.reads == 5
    assert devices.at_once_max == 1


async def test_a_reader_of_batches_feeds_the_others(readings, devices):
    """The reports' reading is also the scrape's."""
    seen = []
    mine = await readings.read(seen.append)

    assert [batch.interface for batch in seen] == ["wg0", "wg0", "wg1"]
    assert await readings.current(60) is mine
    assert devices.reads == 1
