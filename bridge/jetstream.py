"""JetStream's API, in its own JSON. Called by whatever has streams and consumers.

nats-py's errors and retries hide what matters here: whether it refused, did not answer, or may
have acted. Raises `Refused` with nats-server's own number, `Unavailable` when it was not asked,
and `Unknown` when it may have acted.
"""

import base64
from typing import Any

import msgspec

from bridge import subjects
from bridge.connection import Connection
from wig import codec, errors

API_S_MAX = 1.0
"""JetStream answers in a millisecond; creating a stream writes a few files. While a cluster elects
a leader (4 to 9 s) nobody answers, ever: who asks again soon hears it soon. Nothing asked here does
harm twice."""

STREAM_NOT_FOUND = 10059  # nats-server, server/errors.json
STREAM_NAME_IN_USE = 10058
MESSAGE_NOT_FOUND = 10037
CONSUMER_NOT_FOUND = 10014
INSUFFICIENT_STORAGE = 10047
NOT_FOUND = {STREAM_NOT_FOUND, MESSAGE_NOT_FOUND, CONSUMER_NOT_FOUND}


class Refused(errors.Unavailable):
    """JetStream refused a request."""

    def __init__(self, what: str, number: int, description: str) -> None:
        """`number` is nats-server's own, from `server/errors.json`."""
        self.number = number
        super().__init__(f"jetstream: {what}: {description} ({number})")


class Error(msgspec.Struct):
    """Why JetStream refused."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class Config(msgspec.Struct):
    """What we read of a configuration."""

    subjects: list[str] = []
    metadata: dict[str, str] = {}


class State(msgspec.Struct):
    """Which messages a stream has."""

    first_seq: int = 0
    last_seq: int = 0
    messages: int = 0


class Floor(msgspec.Struct):
    """How far a consumer's messages are acknowledged."""

    stream_seq: int = 0


class Cluster(msgspec.Struct):
    """Who keeps a stream or consumer in a cluster."""

    leader: str = ""
    """The server that answers for it; empty: they elect one."""


class Stored(msgspec.Struct):
    """A message in a stream; headers and data are in base64."""

    seq: int = 0
    hdrs: str = ""
    data: str = ""

    @property
    def payload(self) -> bytes:
        """The message itself."""
        return base64.b64decode(self.data)

    def header(self, name: str) -> str | None:
        """Return one of its headers."""
        for line in base64.b64decode(self.hdrs).decode(errors="replace").split("\r\n"):
            key, _, value = line.partition(":")
            if key == name:
                return value.strip()
        return None


class Answer(msgspec.Struct):
    """What we read of any answer of the API."""

    error: Error | None = None
    config: Config | None = None
    state: State | None = None
    cluster: Cluster | None = None
    """None: it is kept by one server that is no part of a cluster."""
    message: Stored | None = None
    streams: list[str] | None = None
    ack_floor: Floor | None = None
    num_pending: int = 0


class _Account(msgspec.Struct):
    """What we read of the account's information, where `streams` is something else."""

    error: Error | None = None
    domain: str = ""


_decode = codec.decoder(Answer)
_decode_account = codec.decoder(_Account)


class JetStream:
    """JetStream in one domain."""

    def __init__(self, bus: Connection, domain: str | None = None) -> None:
        """`domain` is JetStream's; None: that of the server we are connected to."""
        self._bus = bus
        self._prefix = subjects.js_api(domain)

    async def call(self, what: str, body: dict[str, Any] | None = None) -> Answer:
        """Ask for something, as `STREAM.INFO.<name>`."""
        answer = _decode(await self._ask(what, body))
        _check(what, answer.error)
        return answer

    async def domain(self) -> str | None:
        """Return the domain of the JetStream that we use; None: it has no name."""
        answer = _decode_account(await self._ask("INFO", None))
        _check("INFO", answer.error)
        return answer.domain or None

    async def state(self, stream: str) -> State | None:
        """Return which messages a stream has; None: there is no such stream."""
        found = await self.look(stream)
        return found.state if found is not None else None

    async def find(self, what: str, body: dict[str, Any] | None = None) -> Answer | None:
        """Ask for something about what may not be there; None: it is not."""
        try:
            return await self.call(what, body)
        except Refused as error:
            if error.number not in NOT_FOUND:
                raise
            return None

    async def look(self, stream: str) -> Answer | None:
        """Return configuration and state of a stream; None: there is none."""
        return await self.find(f"STREAM.INFO.{stream}")

    async def message(self, stream: str, seq: int) -> Stored | None:
        """Return a message; None: it is not there."""
        found = await self.find(f"STREAM.MSG.GET.{stream}", {"seq": seq})
        return None if found is None else found.message

    async def create_consumer(self, stream: str, config: dict[str, Any]) -> Answer:
        """Make a consumer that can be used; repeating it is harmless.

        Raises `Unavailable` while a cluster elects a leader for it: 4 to 9 s, if the server that
        was to lead is dead. Whoever deletes it meanwhile lets the election start anew.
        """
        body = {"stream_name": stream, "config": config, "action": "create"}
        answer = await self.call(f"CONSUMER.CREATE.{stream}.{config['name']}", body)
        need_leader(answer)
        return answer

    async def _ask(self, what: str, body: dict[str, Any] | None) -> bytes:
        payload = codec.encode(body) if body is not None else b""
        message = await self._bus.request(f"{self._prefix}.{what}", payload, timeout_s=API_S_MAX)
        return message.data


def need_leader(consumer: Answer) -> None:
    """Raise `Unavailable` while a cluster elects who answers for a consumer."""
    if consumer.cluster is not None and not consumer.cluster.leader:
        raise errors.Unavailable("jetstream: the cluster elects a leader for the consumer")


def _check(what: str, error: Error | None) -> None:
    if error is not None:
        raise Refused(what, error.err_code, error.description)
