"""Entries on their way into one stream. Called by `publisher`; a new one after each doubt."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

import msgspec

from bridge import connection, frames
from bridge.connection import Connection, Message
from wig import codec, errors
from wig.log import Record

logger = logging.getLogger(__name__)


class _PubAck(msgspec.Struct):
    """What JetStream answers to a published message; other members are ignored."""

    seq: int = 0
    error: dict[str, Any] | None = None


_decode = codec.decoder(_PubAck)


class _UnderWay(NamedTuple):
    last: int
    """The last entry of the group."""
    sent_s: float


class Outbox:
    """Sends groups of entries in order, and hears how far the stream has come."""

    def __init__(
        self,
        bus: Connection,
        subject: str,
        *,
        after: int,
        digest: str | None,
        epoch_at: Callable[[int], str],
        accepted: Callable[[int], None],
        doubt: Callable[[str], None],
    ) -> None:
        """Begin after an entry of the stream and its digest; None: the stream is empty.

        `epoch_at` returns the epoch of an entry that is sent. `accepted` hears the last entry
        that the stream has, in order; `doubt` why something went wrong. After the first doubt, or
        `close`, neither is called again.
        """
        self.sent = after
        self.accepted = after
        self._bus = bus
        self._subject = subject.encode()
        self._before = digest
        self._epoch_at = epoch_at
        self._on_accepted = accepted
        self._on_doubt = doubt
        self._under_way: deque[_UnderWay] = deque()
        self._closed = False
        self._now = asyncio.get_running_loop().time

    @property
    def under_way(self) -> int:
        """How many entries are sent and not yet accepted."""
        return self.sent - self.accepted

    def waits_s(self) -> float:
        """Return for how long the oldest group has waited for its answer."""
        return self._now() - self._under_way[0].sent_s if self._under_way else 0.0

    def send(self, records: Sequence[Record]) -> None:
        """Send entries that follow those sent before, as one group with one answer."""
        assert records, "a group has entries"
        assert records[0].seq == self.sent + 1, "groups follow each other"
        last, parts = records[-1], []
        try:
            inbox, answer = self._bus.expect_answer()
            for record, epoch in zip(records, self._epochs(records), strict=True):
                reply = inbox if record is last else ""
                parts.append(frames.entry(self._subject, record, epoch, self._before, reply))
                self._before = record.digest.hex()
            self._bus.send(b"".join(parts))
        except connection.Disconnected as error:
            self._doubt(error.message)
            return
        self.sent = last.seq
        self._under_way.append(_UnderWay(last.seq, self._now()))
        answer.add_done_callback(partial(self._answered, last.seq))

    def _epochs(self, records: Sequence[Record]) -> Iterable[str]:
        """Return the epoch of each; if those of the first and the last are the same, it is all's.

        Asking for each would take a fifth of the time.
        """
        first, last = self._epoch_at(records[0].seq), self._epoch_at(records[-1].seq)
        if first == last:
            return repeat(first, len(records))
        return [self._epoch_at(record.seq) for record in records]

    def close(self) -> None:
        """Hear nothing any more."""
        self._closed = True

    def _answered(self, last: int, answer: asyncio.Future[Message]) -> None:
        if answer.cancelled():
            return
        error = answer.exception()  # also tells asyncio that somebody cares
        if self._closed:
            return
        if error is not None:
            self._doubt(str(error))
        elif refusal := _refusal(answer.result(), last):
            self._doubt(refusal)
        elif last > self.accepted:
            while self._under_way and self._under_way[0].last <= last:
                self._under_way.popleft()
            self.accepted = last
            self._on_accepted(last)

    def _doubt(self, reason: str) -> None:
        self.close()
        self._on_doubt(reason)


def _refusal(message: Message, last: int) -> str | None:
    """Return why the stream does not have entry `last` now; None: it has."""
    if connection.is_no_responders(message):
        return "no stream takes our subject"
    try:
        answer = _decode(message.data)
    except errors.Invalid as error:
        return f"an answer that is none: {error.message}"
    if answer.error is not None:
        return str(answer.error.get("description", "refused"))
    return None if answer.seq == last else f"accepted as {answer.seq} instead of {last}"
