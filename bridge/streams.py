"""The streams of one node's log: create, claim, look, delete. Called by `publisher`.

Speaks JetStream's API in its own JSON, because nats-py's errors and retries hide what matters
here. Raises `Unavailable` when JetStream does not answer, and `Unknown` when it may have acted.
"""

import base64
import logging
from typing import Any

import msgspec

from bridge import subjects, wire
from bridge.connection import Connection
from wig import codec, errors

logger = logging.getLogger(__name__)

API_S_MAX = 5.0  # JetStream answers in a millisecond; creating a stream writes a few files
LOG_BYTES_MAX = 2 * 1024**3
"""Of one log, some five million entries; the oldest go first. There is no age limit: the owner
removes by sequence what the datastore removed, and always keeps the last entry, to compare."""
DUPLICATES_NS = 100_000_000
"""JetStream's shortest memory of message ids: expected sequences leave it nothing to do."""

DATABASE = "wig-database"
"""Of a stream's metadata: the id of the database that it is the log of."""

STREAM_NOT_FOUND = 10059  # nats-server, server/errors.json
MESSAGE_NOT_FOUND = 10037
INSUFFICIENT_STORAGE = 10047


class Refused(errors.Unavailable):
    """JetStream refused a request."""

    def __init__(self, what: str, number: int, description: str) -> None:
        """`number` is nats-server's own, from `server/errors.json`."""
        self.number = number
        super().__init__(f"jetstream: {what}: {description} ({number})")


class _Error(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _Config(msgspec.Struct):
    subjects: list[str] = []
    metadata: dict[str, str] = {}


class _State(msgspec.Struct):
    first_seq: int = 0
    last_seq: int = 0
    messages: int = 0


class _Stored(msgspec.Struct):
    seq: int = 0
    hdrs: str = ""


class _Answer(msgspec.Struct):
    """What we read of any answer of the API."""

    error: _Error | None = None
    config: _Config | None = None
    state: _State | None = None
    message: _Stored | None = None
    streams: list[str] | None = None


class _Account(msgspec.Struct):
    """What we read of the account's information."""

    error: _Error | None = None
    domain: str = ""


_decode = codec.decoder(_Answer)
_decode_account = codec.decoder(_Account)


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
        self._bus = bus
        self._node = node
        self._instance = instance
        self._prefix = subjects.js_api(domain)

    def subject(self, generation: str) -> str:
        """Return where the owner publishes."""
        return subjects.log(self._node, generation, self._instance)

    async def domain(self) -> str | None:
        """Return the domain of the JetStream that we use; None: it has no name."""
        message = await self._bus.request(f"{self._prefix}.INFO", timeout_s=API_S_MAX)
        answer = _decode_account(message.data)
        if answer.error is not None:
            raise Refused("INFO", answer.error.err_code, answer.error.description)
        return answer.domain or None

    async def create(self, generation: str, first: int, database: str) -> None:
        """Create a stream of `database` whose next sequence is `first`, with our subject.

        Repeating it is harmless while the stream is empty.
        """
        await self._call("STREAM.CREATE", generation, self._config(generation, first, database))

    async def look(self, generation: str) -> Seen | None:
        """Return the stream, None if there is none."""
        try:
            return _seen(await self._call("STREAM.INFO", generation))
        except Refused as error:
            if error.number == STREAM_NOT_FOUND:
                return None
            raise

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
        try:
            answer = await self._call("STREAM.MSG.GET", generation, {"seq": seq})
        except Refused as error:
            if error.number in {MESSAGE_NOT_FOUND, STREAM_NOT_FOUND}:
                return None
            raise
        return _header(answer.message.hdrs, wire.MSG_ID) if answer.message else None

    async def others(self, generation: str) -> list[str]:
        """Return the generations of this node's other streams."""
        found: list[str] = []
        offset = 0
        while True:
            answer = await self._request("STREAM.NAMES", {"offset": offset})
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
        try:
            await self._call("STREAM.DELETE", generation)
        except Refused as error:
            if error.number != STREAM_NOT_FOUND:
                raise
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

    async def _call(
        self, what: str, generation: str, body: dict[str, Any] | None = None
    ) -> _Answer:
        return await self._request(f"{what}.{subjects.stream(self._node, generation)}", body)

    async def _request(self, what: str, body: dict[str, Any] | None = None) -> _Answer:
        payload = codec.encode(body) if body is not None else b""
        message = await self._bus.request(f"{self._prefix}.{what}", payload, timeout_s=API_S_MAX)
        answer = _decode(message.data)
        if answer.error is not None:
            raise Refused(what, answer.error.err_code, answer.error.description)
        return answer


def _seen(answer: _Answer) -> Seen:
    assert answer.config is not None, "JetStream gave no configuration"
    assert answer.state is not None, "JetStream gave no state"
    owner = subjects.instance_of(answer.config.subjects[0]) if answer.config.subjects else ""
    database = answer.config.metadata.get(DATABASE, "")
    return Seen(
        owner=owner, database=database, first=answer.state.first_seq, last=answer.state.last_seq
    )


def _header(encoded: str, name: str) -> str | None:
    """Return one header of a stored message."""
    for line in base64.b64decode(encoded).decode(errors="replace").split("\r\n"):
        key, _, value = line.partition(":")
        if key == name:
            return value.strip()
    return None
