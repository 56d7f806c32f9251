"""The beacon: a node says where it is, every second and on change.

Run by every node that can be followed. Its downstreams compare it with themselves
(`wig.upstream`); nobody answers it.
"""

import itertools
from contextlib import suppress
from typing import Never

from bridge import cadence, connection, subjects
from bridge.source import Me, Source
from wig import codec
from wig.replication import Beacon

EVERY_S = 1.0
GAP_S = 0.1  # at most ten per second


class Beacons:
    """Sends the beacons of one node."""

    def __init__(self, bus: connection.Connection, me: Me, source: Source) -> None:
        """`me` and `source` are the same node."""
        self._bus = bus
        self._me = me
        self._source = source
        self._cadence = cadence.Cadence(EVERY_S, GAP_S)
        self._counter = itertools.count(1)

    def changed(self) -> None:
        """The node's position or stream has changed."""
        self._cadence.changed()

    async def run(self) -> Never:
        """Send, whenever there is a connection."""
        while True:
            await self._cadence.wait()
            with suppress(connection.Disconnected):
                await self._bus.publish(
                    subjects.beacon(self._me.node), codec.encode(self._beacon())
                )

    def _beacon(self) -> Beacon:
        me, serving = self._me, self._source.serving()
        return Beacon(
            node=me.node,
            instance=me.instance,
            counter=next(self._counter),
            version=me.version,
            role=me.role,
            position=serving.position if serving else None,
            state_digest=serving.state_digest if serving else "",
            oldest=serving.oldest if serving else 0,
            root=serving.root if serving else None,
        )
