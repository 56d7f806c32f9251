"""Receives one snapshot and feeds it to the sink, in bounded memory.

Called by `follower`. Pieces come in on the event loop and wait in a queue that the credit window
bounds; the worker thread decodes them as the sink asks for the next object.
"""

import asyncio
import queue
from collections.abc import Iterator
from contextlib import suppress

from bridge import connection, subjects, wire
from wig import codec, errors, snapshot
from wig.model import Object
from wig.ports import Sink
from wig.replication import AttachRequest
from wig.snapshot import Header

WINDOW = 8  # pieces on their way and waiting: 2 MiB
REQUEST_S_MAX = 5.0
SILENCE_S_MAX = 10.0  # without a piece, although there is room for one
ALIVE_S = 2.0  # between two messages to the sender while the sink is slow


class Transfer:
    """One snapshot: `begin`, then `header` and `load` in the worker thread."""

    def __init__(self, bus: connection.Connection, upstream: str, request: AttachRequest) -> None:
        """`request` is what the snapshot was promised for."""
        self._bus = bus
        self._loop = asyncio.get_running_loop()
        self._node = upstream
        self._request = request
        self._inbox = bus.new_inbox()
        self._pieces: queue.SimpleQueue[bytes | errors.WigError | None] = queue.SimpleQueue()
        self._received = 0
        self._credit = WINDOW
        self._room = asyncio.Event()
        self._ended = False
        self._heard_at = 0.0
        self._reader = snapshot.Reader()
        self._first: list[Object] = []
        self._subscription: connection.Subscription | None = None

    async def begin(self) -> None:
        """Ask for it; raise `Unavailable` if it is not the time."""
        self._subscription = await self._bus.subscribe(self._inbox, self._arrived)
        body = wire.SnapshotRequest(inbox=self._inbox, credit=WINDOW, attach=self._request)
        subject = subjects.node(self._node, self._bus.options.identity, "snapshot")
        message = await self._bus.request(subject, codec.encode(body), timeout_s=REQUEST_S_MAX)
        answer = wire.decode_attach_answer(message.data)
        self._heard_at = self._loop.time()
        if answer.error is not None:
            raise errors.from_body(answer.error)
        if answer.snapshot is None:
            reason = answer.wait.reason if answer.wait else "it may follow without one"
            raise errors.Unavailable(f"snapshot: {reason}")

    async def watch(self) -> None:
        """Give credit until all has come; abort when the sender is silent."""
        while not self._ended:
            with suppress(TimeoutError):
                async with asyncio.timeout(ALIVE_S):
                    await self._room.wait()
            self._room.clear()
            await self._send_credit()
            silent_s = self._loop.time() - self._heard_at
            if self._received < self._credit and silent_s > SILENCE_S_MAX:
                self.abort(errors.Unavailable(f"snapshot: no piece for {SILENCE_S_MAX:g} s"))

    def abort(self, error: errors.WigError) -> None:
        """Let the worker thread, if it waits for a piece, raise `error`; repeats do nothing."""
        self._end(error)

    async def close(self) -> None:
        """Lose interest in more pieces."""
        if self._subscription is not None:
            await self._subscription.stop()

    def _end(self, error: errors.WigError | None) -> None:
        if not self._ended:
            self._ended = True
            self._pieces.put(error)

    async def _arrived(self, message: connection.Message) -> None:
        headers = message.headers or {}
        self._heard_at = self._loop.time()
        if wire.ABORT in headers:
            self._end(errors.Unavailable(f"snapshot: {message.data.decode(errors='replace')}"))
        elif headers.get(wire.END) == str(self._received):
            self._end(None)
        elif headers.get(wire.CHUNK) != str(self._received):
            self._end(errors.Unavailable(f"snapshot: piece {self._received} is missing"))
        elif not self._ended:
            self._received += 1
            self._pieces.put(message.data)

    async def _send_credit(self) -> None:
        body = wire.Credit(transfer=self._inbox, credit=self._credit)
        subject = subjects.node(self._node, self._bus.options.identity, "credit")
        try:
            await self._bus.publish(subject, codec.encode(body))
        except connection.Disconnected as error:
            self.abort(error)

    # In the worker thread.

    def header(self) -> Header:
        """Return what is offered; waits for the first pieces, or raises what went wrong."""
        while self._reader.header is None:
            piece = self._pieces.get()
            if piece is None:
                return self._reader.finish()  # raises, and says why there is no header
            if not isinstance(piece, bytes):
                raise piece
            self._first += self._reader.feed(piece)
            self._made_room()
        return self._reader.header

    def load(self, sink: Sink) -> None:
        """Give it to the sink; raises what went wrong, and then the sink is as it was."""
        assert self._reader.header is not None
        sink.load(self._reader.header, self._objects())

    def _objects(self) -> Iterator[Object]:
        yield from self._first
        self._first.clear()
        while True:
            piece = self._pieces.get()
            if piece is None:
                break
            if not isinstance(piece, bytes):
                raise piece
            yield from self._reader.feed(piece)
            self._made_room()
        self._reader.finish()

    def _made_room(self) -> None:
        self._loop.call_soon_threadsafe(self._credit_more)

    def _credit_more(self) -> None:
        self._credit += 1
        self._room.set()
