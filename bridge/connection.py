"""One connection to the bus that comes back by itself, whatever breaks.

Called by everything in `bridge` that sends or receives. nats-py is used here, and below, only.

nats-py reconnects by itself in most cases, but not in all (measured): any `-ERR` closes it for
good; an exception while reading leaves a client that looks connected and hears nothing; a
black-holed peer blocks its reconnection for minutes. So there is one way only for all of them:
a client that broke is thrown away and a new one is made, subscriptions and all. `run` watches
with round trips, so that a client that only looks connected is found too.

Nothing is kept to be sent later: what cannot be sent now is refused (`Disconnected`), for late is
worse than never. What had been sent when the connection broke has an unknown outcome (`NoAnswer`).
"""

import asyncio
import itertools
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Never

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as _Subscription

from bridge import denials, frames, pace, subjects, transport
from bridge.options import Options
from bridge.transport import Callback, Client
from wig import errors

logger = logging.getLogger(__name__)

Message = Msg
"""A received message: `subject`, `reply` (empty: none), `data`, `headers` (None: none)."""

ATTEMPT_S = 3.0  # one attempt to connect; also bounds nats-py's own retries inside it
RETRY_S = 0.1  # between attempts: a restarted server is ready in 15 ms
WATCH_S = 1.0  # between round trips that prove the connection
ROUND_TRIP_S_MAX = 4  # a server that takes longer is taken for dead
CALL_S_MAX = 1.0  # what nats-py gets for what takes no time, and to clean up
STATUS_NO_RESPONDERS = "503"  # NATS protocol, ADR-4


class Disconnected(errors.Unavailable):
    """Not sent: there is no connection to the bus."""


class NoResponders(errors.Unavailable):
    """Not sent to anybody: nobody listens there."""


class NoAnswer(errors.Unknown):
    """Sent, but no answer came in time."""


def is_no_responders(message: Message) -> bool:
    """Say whether an answer is the server's own, because nobody listens."""
    return (message.headers or {}).get("Status") == STATUS_NO_RESPONDERS


class Subscription:
    """Interest in a subject; it outlives the client that it was made with."""

    def __init__(self, owner: "Connection", subject: str, callback: Callback) -> None:
        """Use `Connection.subscribe`."""
        self.subject = subject
        self.callback = callback
        self.current: _Subscription | None = None
        self.client: Client | None = None
        self.wanted = True
        self._owner = owner

    async def stop(self) -> None:
        """Lose interest; what has been received and not handled is dropped."""
        await self._owner.unsubscribe(self)


class Connection:
    """The bus, as long as `run` runs. Make one with `opened`."""

    def __init__(self, options: Options) -> None:
        """Connect nothing yet."""
        self.options = options
        self._client: Client | None = None
        self._pipe: transport.Transport | None = None
        self._subscriptions: list[Subscription] = []
        self._on_up: list[Callable[[], None]] = []
        self._on_down: list[Callable[[], None]] = []
        self._changed = asyncio.Event()
        self._up = asyncio.Event()
        self._fault: Exception | None = None
        self._pace = pace.Pace()
        self._answers: dict[str, denials.Asked] = {}
        self._inbox = ""
        self._numbers = itertools.count()

    @property
    def up(self) -> bool:
        """Whether there is a client that is not known to be broken."""
        return self._client is not None and self._client.is_connected

    @property
    def server_payload_limit(self) -> int:
        """The server's `max_payload` in bytes."""
        return self._connected().max_payload

    async def wait_up(self) -> None:
        """Return when the bus can be used."""
        await self._up.wait()

    def on_up(self, callback: Callable[[], None]) -> None:
        """Call back after each new connection, when all subscriptions are in place."""
        self._on_up.append(callback)

    def on_down(self, callback: Callable[[], None]) -> None:
        """Call back after each loss of the connection."""
        self._on_down.append(callback)

    def _connected(self) -> Client:
        client = self._client
        if client is None or not client.is_connected:
            raise Disconnected
        return client

    def send(self, frames: bytes) -> None:
        """Send messages that `frames.message` made, in order; or raise `Disconnected`.

        They go past nats-py's queue, which costs a task switch and may keep them for later.
        """
        self._connected()
        assert self._pipe is not None
        self._pipe.send(frames)

    async def room(self) -> None:
        """Wait until most of what was sent has left this process; for senders in bulk."""
        if self._pipe is not None:
            with suppress(OSError):  # the next `send` says it
                await self._pipe.room()

    async def publish(
        self,
        subject: str,
        payload: bytes = b"",
        *,
        reply: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        """Send one message; raise `Disconnected` when it was not, `TooLarge` if it never can be."""
        head = frames.headers(headers) if headers else b""
        if (size := len(head) + len(payload)) > (limit := self.server_payload_limit):
            raise errors.TooLarge(f"message: {size} bytes are more than {limit}")
        self.send(frames.message(subject, payload, reply=reply, head=head))

    def expect_answer(self) -> tuple[str, denials.Asked]:
        """Return a new inbox and the future of the message that arrives there.

        It fails with `NoAnswer` when the connection breaks. Who loses interest cancels it.
        """
        self._connected()
        number = str(next(self._numbers))
        future = denials.Asked()
        self._answers[number] = future
        future.add_done_callback(lambda _: self._answers.pop(number, None))
        return f"{self._inbox}.{number}", future

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        *,
        timeout_s: float,
        headers: dict[str, str] | None = None,
    ) -> Message:
        """Send a request and return its answer.

        Raises `Disconnected`, `NoResponders` or `Denied` if nobody got it, else `NoAnswer`.
        """
        inbox, future = self.expect_answer()
        future.subject = subject
        try:
            await self.publish(subject, payload, reply=inbox, headers=headers)
            async with asyncio.timeout(timeout_s):
                answer = await future
        except TimeoutError:
            raise NoAnswer(f"no answer within {timeout_s:g} s") from None
        finally:
            future.cancel()
        if is_no_responders(answer):
            raise NoResponders
        return answer

    def _answered(self, message: Message) -> None:
        future = self._answers.get(message.subject.rpartition(".")[2])
        if future is not None and not future.done():
            future.set_result(message)

    def new_inbox(self) -> str:
        """Return a fresh random subject under this identity's inbox prefix."""
        return f"{subjects.inbox_prefix(self.options.identity)}.{secrets.token_hex(8)}"

    async def subscribe(self, subject: str, callback: Callback) -> Subscription:
        """Call back for each message on `subject`, in order, until stopped.

        An exception out of `callback` is a fault of the program: `run` raises it.
        """
        subscription = Subscription(self, subject, callback)
        self._subscriptions.append(subscription)
        with suppress(nats.errors.Error, OSError, Disconnected):  # the next client has it
            await self._resume(self._connected(), [subscription])
        return subscription

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Use `Subscription.stop`."""
        subscription.wanted = False
        with suppress(ValueError):
            self._subscriptions.remove(subscription)
        current, subscription.current = subscription.current, None
        if current is not None:
            with suppress(nats.errors.Error, OSError):
                await transport.bounded(current.unsubscribe(), CALL_S_MAX)

    async def _resume(self, client: Client, missing: list[Subscription]) -> None:
        """Subscribe on `client`, and wait until the server knows: what we send overtakes a SUB."""
        for one in missing:
            one.client = client
            listening = client.listen(one.subject, one.callback)
            one.current = await transport.bounded(listening, CALL_S_MAX)
            if not one.wanted:  # stopped meanwhile
                await self.unsubscribe(one)
        await transport.bounded(client.rtt(), ROUND_TRIP_S_MAX)

    async def open(self) -> None:
        """Connect once; raise why it is not possible.

        `Unavailable`: not reachable. `Denied`: refused credentials. `Unsupported`: an old server.
        """
        client, pipe = await transport.connect(self.options, self._note, self._broke, ATTEMPT_S)
        inbox = self.new_inbox()
        missing = [Subscription(self, f"{inbox}.*", self._answered)]
        try:
            # Nobody may think it is up before its services can be reached. Others may subscribe
            # and stop meanwhile, so look again until nothing is missing.
            while missing:
                await self._resume(client, missing)
                missing = [one for one in self._subscriptions if one.client is not client]
        except (nats.errors.Error, OSError) as error:
            raise Disconnected from error
        finally:
            if missing:  # it failed, or was cancelled
                await transport.discard(client, pipe, CALL_S_MAX)
        self._client, self._pipe, self._inbox = client, pipe, inbox
        self._up.set()
        self._pace.opened()
        logger.info("connected", extra={"server": self.options.server})
        for callback in self._on_up:
            callback()

    async def run(self) -> Never:
        """Watch the connection, and make a new one each time it breaks.

        Raises what makes going on pointless: a server that is too old, a fault in a callback.
        """
        while True:
            if self._client is not None:
                await self._watch(self._client)
                await self._drop()
                logger.warning("disconnected", extra={"server": self.options.server})
                await asyncio.sleep(self._pace.wait_s())
            try:
                await self.open()
            except (errors.Temporary, errors.Denied) as error:
                # Denied too: after a restart the one that checks tokens may come up after us.
                logger.debug("not connected yet", extra={"error": error.message})
                await asyncio.sleep(RETRY_S)

    async def _watch(self, client: Client) -> None:
        """Return when the client is broken."""
        while client.is_connected:
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCH_S):
                    await self._changed.wait()
            if (fault := self._fault) is not None:
                self._fault = None  # told once: the watch goes on when `run` is started again
                raise fault
            if not client.is_connected:
                return
            try:
                await transport.bounded(client.rtt(), ROUND_TRIP_S_MAX)
            except (nats.errors.Error, OSError):
                return

    async def _drop(self) -> None:
        """Throw the client away, and tell everybody who waits for something."""
        client, self._client = self._client, None
        pipe, self._pipe = self._pipe, None
        self._up.clear()
        for future in list(self._answers.values()):
            if not future.done():
                future.set_exception(NoAnswer("the connection broke"))
        for callback in self._on_down:
            callback()
        if client is not None and pipe is not None:
            await transport.discard(client, pipe, CALL_S_MAX)

    def rebuild(self) -> None:
        """Make `run` build a new client: what should come through this one does not."""
        if self._pipe is not None:
            self._pipe.abort()

    async def close(self) -> None:
        """Send what is waiting to be sent, and disconnect for good."""
        if self._client is not None and self._pipe is not None:
            await transport.finish(self._client, self._pipe, CALL_S_MAX)
        await self._drop()

    async def _note(self, error: Exception) -> None:
        """Take what nats-py says besides: its own trouble is expected, other is our fault."""
        if isinstance(error, (nats.errors.Error, OSError)):
            denials.refuse(error, self._answers.values())
            logger.debug("bus", extra={"error": str(error) or type(error).__name__})
            return
        self._fault = error
        self._changed.set()

    async def _broke(self) -> None:
        self._changed.set()


@asynccontextmanager
async def opened(options: Options, *, wait_s: float = 0.0) -> AsyncIterator[Connection]:
    """Connect, and disconnect at the end; keep trying for `wait_s` seconds if not reachable.

    The caller runs `run` beside it if the connection is to come back when it breaks.
    """
    connection = Connection(options)
    deadline = asyncio.get_running_loop().time() + wait_s
    while True:
        try:
            await connection.open()
            break
        except errors.Temporary:
            if asyncio.get_running_loop().time() >= deadline:
                raise
            await asyncio.sleep(RETRY_S)
    try:
        yield connection
    finally:
        await connection.close()
