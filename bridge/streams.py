"""The streams of one node's log: create, claim, look, delete. Called by `publisher`.

Raises `Unavailable` when JetStream does not answer, and `Unknown` when it may have acted.
"""

import logging
from typing import Any

import msgspec

from bridge import subjects, wire
from bridge.connection import Connection
from bridge.jetstream import Answer, JetStream

logger = logging.getLogger(__name__)

LOG_BYTES_MAX = 1024**3
"""Of one log, some 2.5 million entries; the oldest go first, and who lacks those gets a snapshot.
There is no age limit: the owner removes by sequence what the datastore removed, and always keeps
the last entry, to compare."""
DUPLICATES_NS = 100_000_000
"""JetStream's shortest memory of message ids: expected sequences leave it nothing to do."""

DATABASE = "wig-database"
"""Of a stream's metadata: the id of the database that it is the log of."""


class Seen(msgspec.Struct, frozen=True):
    """A stream as it is."""

    owner: str
    """The instance in its subject."""
    database: str
    """Whose log it is; empty: it does not say."""
    first: int
    last: int
    """`first - 1`: it is empty."""


class Streams:
    """The streams of node `node`, as `instance` sees and claims them."""

    def __init__(
        self, bus: Connection, node: str, instance: str, *, domain: str | None = None,
        replicas: int = 1,
    ) -> None:  # fmt: skip
        """`domain` is JetStream's; None: that of the server we are connected to.

        `replicas` is how many servers of a cluster keep the stream.
        """
        self._replicas = replicas
        self._jetstream = JetStream(bus, domain)
        self._node = node
        self._instance = instance

    def subject(self, generation: str) -> str:
        """Return where the owner publishes."""
        return subjects.log(self._node, generation, self._instance)

    async def domain(self) -> str | None:
        """Return the domain of the JetStream that we use; None: it has no name."""
        return await self._jetstream.domain()

    async def create(self, generation: str, first: int, database: str) -> None:
        """Create a stream of `database` whose next sequence is `first`, with our subject.

        Repeating it is harmless while the stream is empty.
        """
        await self._call("STREAM.CREATE", generation, self._config(generation, first, database))

    async def look(self, generation: str) -> Seen | None:
        """Return the stream, None if there is none."""
        found = await self._jetstream.look(subjects.stream(self._node, generation))
        return None if found is None else _seen(found)

    async def claim(self, generation: str) -> tuple[Seen, str] | None:
        """Make our subject the only one; return the stream after that, and its owner before.

        None: there is no such stream.
        """
        before = await self.look(generation)
        if before is None:
            return None
        await self._call(
            "STREAM.UPDATE", generation, self._config(generation, before.first, before.database)
        )
        after = await self.look(generation)
        return None if after is None else (after, before.owner)

    async def digest(self, generation: str, seq: int) -> str | None:
        """Return the digest of an entry of the stream; None: it is not there."""
        stored = await self._jetstream.message(subjects.stream(self._node, generation), seq)
        return None if stored is None else stored.header(wire.MSG_ID)

    async def others(self, generation: str) -> list[str]:
        """Return the generations of this node's other streams."""
        found: list[str] = []
        offset = 0
        while True:
            answer = await self._jetstream.call("STREAM.NAMES", {"offset": offset})
            names = answer.streams or []
            found += [
                other
                for name in names
                if (other := subjects.generation_of(name, self._node)) and other != generation
            ]
            offset += len(names)
            if not names:
                return found

    async def delete(self, generation: str) -> None:
        """Delete a stream; it may be gone already."""
        await self._jetstream.find(f"STREAM.DELETE.{subjects.stream(self._node, generation)}")
        logger.info("old stream deleted", extra={"generation": generation})

    async def prune(self, generation: str, keep_from: int) -> None:
        """Delete the entries before `keep_from`; numbers do not change."""
        await self._call("STREAM.PURGE", generation, {"seq": keep_from})

    def _config(self, generation: str, first: int, database: str) -> dict[str, Any]:
        return {
            "name": subjects.stream(self._node, generation),
            "subjects": [self.subject(generation)],
            "storage": "file",
            "retention": "limits",
            "discard": "old",
            "max_bytes": LOG_BYTES_MAX,
            "duplicate_window": DUPLICATES_NS,
            "num_replicas": self._replicas,
            "first_seq": first,
            "metadata": {DATABASE: database},
        }

    async def _call(self, what: str, generation: str, body: dict[str, Any] | None = None) -> Answer:
        name = subjects.stream(self._node, generation)
        return await self._jetstream.call(f"{what}.{name}", body)


def _seen(answer: Answer) -> Seen:
    assert answer.config is not None, "JetStream gave no configuration"
    assert answer.state is not None, "JetStream gave no state"
    owner = subjects.instance_of(answer.config.subjects[0]) if answer.config.subjects else ""
    database = answer.config.metadata.get(DATABASE, "")
    return Seen(
        owner=owner, database=database, first=answer.state.first_seq, last=answer.state.last_seq
    )
