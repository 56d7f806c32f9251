"""The consumer of reports: what was acknowledged is read once, also while a cluster elects."""

import json
from collections import Counter

from bridge import subjects
from bridge.session_streams import SessionStreams
from tests import buses, replicas
from tests.clusters import Cluster
from tests.eventually import eventually
from wig import errors

ELECTED_S_MAX = 40.0
KEEPERS = 6
"""A third of their consumers are to be led by the dead server; all of none is improbable."""
DELETE = f"$JS.API.CONSUMER.DELETE.{subjects.STATS_STREAM}.sessions"


async def reading(streams):
    """Say whether reports can be read."""
    try:
        await streams.keep_reports()
        await streams.read_reports()
    except errors.Temporary:
        return False
    return True


async def start(bus):
    """Return the first report that the consumer delivers."""
    subject = f"$JS.API.CONSUMER.INFO.{subjects.STATS_STREAM}.sessions"
    answer = json.loads((await bus.request(subject, timeout_s=5)).data)
    return answer["config"]["opt_start_seq"]


async def test_an_election_of_the_consumer_is_waited_for(tmp_path):
    """While a server is dead it is made once, not another one at each attempt."""
    deleted: Counter[str] = Counter()
    async with Cluster(tmp_path / "c") as cluster, replicas.bus(cluster, "hub") as bus:
        first = SessionStreams(bus, replicas=3)
        await eventually(lambda: reading(first), "reports", ELECTED_S_MAX)
        await cluster.kill(2)
        await cluster.ready()
        await bus.subscribe(DELETE, lambda message: deleted.update([message.subject]))

        for _ in range(KEEPERS):
            streams = SessionStreams(bus, replicas=3)
            await eventually(lambda it=streams: reading(it), "reports", ELECTED_S_MAX)

        assert deleted.total() == KEEPERS


async def test_what_was_acknowledged_is_remembered_without_the_consumer(server):
    """It may be gone, or have forgotten it; but in a new stream everything is new."""
    async with buses.connected(server) as bus:
        streams = SessionStreams(bus)
        assert await reading(streams)
        for _ in range(5):
            await bus.request("wig.stats.gw1", b"x", timeout_s=5)
        streams._done = 3  # as if it had been told before an attempt that failed
        await bus.request(DELETE, timeout_s=5)

        assert await reading(streams)

        assert await start(bus) == 4
        stream = f"$JS.API.STREAM.DELETE.{subjects.STATS_STREAM}"
        await bus.request(stream, timeout_s=5)
        assert await reading(streams)
        assert await start(bus) == 1
