"""Sends snapshots to downstreams, in pieces, as fast as they make room.

Run by every node that can be followed. The receiving side is `bridge.transfer`. A downstream
gives credit up to a number of a piece; nothing is sent beyond it, so a slow or dead one costs a
read transaction and two pieces of memory, and for `SILENCE_S_MAX` at most. Reading, encoding and
compressing happen in one thread per transfer; the event loop only sends.
"""

import asyncio
import logging
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Never

from bridge import attach, connection, subjects, wire
from bridge.source import Source
from wig import codec, errors, snapshot
from wig.replication import Snapshot

logger = logging.getLogger(__name__)

PIECE_BYTES_MAX = 256 * 1024  # measured: 230–330 MB/s with 8 of them on their way
SILENCE_S_MAX = 10.0  # without a word from the downstream
TRANSFERS_MAX = 4  # each costs a thread that encodes; others wait a second and ask again
KEEP_S = 30.0  # after a transfer, in which the downstream loads it and attaches


@dataclass(slots=True)
class _Transfer:
    """One snapshot on its way."""

    inbox: str
    credit: int
    task: asyncio.Task[None] | None = None
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    seq: int | None = None
    """The position that it shows; None: not begun."""


class Snapshots:
    """The snapshots that one node sends."""

    def __init__(
        self,
        bus: connection.Connection,
        node: str,
        source: Source,
        attachments: attach.Attachments,
    ) -> None:
        """`attachments` says who may have one."""
        self._bus = bus
        self._node = node
        self._source = source
        self._attachments = attachments
        self._transfers: dict[str, _Transfer] = {}
        self._kept: list[tuple[float, int]] = []
        self._group: asyncio.TaskGroup | None = None

    def oldest(self) -> int | None:
        """Return the oldest position of a running or just finished snapshot; None: none runs.

        The log is needed from there on.
        """
        now = asyncio.get_running_loop().time()
        self._kept = [(until, seq) for until, seq in self._kept if until > now]
        running = [it.seq for it in self._transfers.values() if it.seq is not None]
        return min([*running, *(seq for _, seq in self._kept)], default=None)

    async def run(self) -> Never:
        """Answer requests, send, take credit."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            asked = subjects.node_of(self._node, "snapshot")
            credited = subjects.node_of(self._node, "credit")
            subscriptions = [
                await self._bus.subscribe(asked, self._asked),
                await self._bus.subscribe(credited, self._credited),
            ]
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                for subscription in subscriptions:
                    await subscription.stop()
        raise AssertionError("unreachable: nobody completes that future")

    async def _asked(self, message: connection.Message) -> None:
        parsed = subjects.parse_node(message.subject)
        if parsed is None or self._group is None:
            return
        _, identity, _ = parsed
        if not subjects.may_answer(message.reply, identity):
            logger.warning("reply subject refused", extra={"from": identity})
            return
        self._group.create_task(self._answer(identity, message))

    async def _answer(self, identity: str, message: connection.Message) -> None:
        await self._bus.wait_up()  # as in `attach`
        answer = await self._begin(identity, message.data)
        with suppress(connection.Disconnected):
            await self._bus.publish(message.reply, codec.encode(answer))

    async def _begin(self, identity: str, body: bytes) -> wire.AttachAnswer:
        """Start the transfer, if it is still the right thing; say what was decided."""
        try:
            request = wire.decode_snapshot_request(body)
            if not subjects.may_answer(request.inbox, identity):
                raise errors.Invalid("inbox: it is not under the caller's own", field="inbox")
            answer = await self._attachments.decide(identity, request.attach)
            key = attach.consumer_name(identity, request.attach.kind)
        except errors.Permanent as error:
            return wire.AttachAnswer(error=error.body())
        except errors.Temporary as error:
            return wire.AttachAnswer(wait=wire.Because(reason=error.message))
        if isinstance(answer, Snapshot):
            before = self._transfers.pop(key, None)
            if before is not None and before.task is not None:
                before.task.cancel()
            if len(self._transfers) >= TRANSFERS_MAX:
                return wire.AttachAnswer(wait=wire.Because(reason="others are being served"))
            self._start(key, _Transfer(request.inbox, request.credit))
        return attach.to_wire(answer)

    def _start(self, key: str, transfer: _Transfer) -> None:
        assert self._group is not None
        self._transfers[key] = transfer
        transfer.task = self._group.create_task(self._transfer(key, transfer))

    async def _credited(self, message: connection.Message) -> None:
        parsed = subjects.parse_node(message.subject)
        with suppress(errors.Invalid):
            credit = wire.decode_credit(message.data)
            for key, transfer in self._transfers.items():
                mine = parsed is not None and key in attach.consumer_names(parsed[1])
                if mine and transfer.inbox == credit.transfer:
                    transfer.credit = max(transfer.credit, credit.credit)
                    transfer.heard.set()

    async def _transfer(self, key: str, transfer: _Transfer) -> None:
        try:
            await self._send(key, transfer)
        except errors.WigError as error:
            logger.warning("snapshot aborted", extra={"to": key, "error": error.message})
            with suppress(errors.WigError):
                headers = {wire.ABORT: "1"}
                await self._bus.publish(transfer.inbox, error.message.encode(), headers=headers)
        finally:
            if self._transfers.get(key) is transfer:
                del self._transfers[key]
            if transfer.seq is not None:
                now = asyncio.get_running_loop().time()
                self._kept.append((now + KEEP_S, transfer.seq))

    async def _send(self, key: str, transfer: _Transfer) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        thread = ThreadPoolExecutor(1, thread_name_prefix="snapshot")
        pieces = _pieces(self._source, transfer)
        upcoming = loop.run_in_executor(thread, next, pieces, None)
        number = 0
        try:
            while (piece := await upcoming) is not None:
                upcoming = loop.run_in_executor(thread, next, pieces, None)
                await self._wait_for_credit(transfer, number)
                headers = {wire.CHUNK: str(number)}
                await self._bus.publish(transfer.inbox, piece, headers=headers)
                number += 1
            await self._bus.publish(transfer.inbox, headers={wire.END: str(number)})
        finally:
            upcoming.cancel()
            thread.submit(pieces.close)  # in its own thread, like all else of the reader
            thread.shutdown(wait=False)
        logger.info(
            "snapshot sent",
            extra={"to": key, "seq": transfer.seq, "seconds": round(loop.time() - began, 3)},
        )

    async def _wait_for_credit(self, transfer: _Transfer, number: int) -> None:
        while number >= transfer.credit:
            transfer.heard.clear()
            try:
                async with asyncio.timeout(SILENCE_S_MAX):
                    await transfer.heard.wait()
            except TimeoutError:
                raise errors.Unavailable(f"no credit for {SILENCE_S_MAX:g} s") from None


def _pieces(source: Source, transfer: _Transfer) -> Generator[bytes, None, None]:
    """Yield the bytes of a snapshot in pieces of one size; all in one thread."""
    with closing(source.reader()) as reader, reader.snapshot() as (header, objects):
        transfer.seq = header.position.seq
        gathered = bytearray()
        for some in snapshot.encode(header, objects):
            gathered += some
            while len(gathered) >= PIECE_BYTES_MAX:
                yield bytes(gathered[:PIECE_BYTES_MAX])
                del gathered[:PIECE_BYTES_MAX]
        yield bytes(gathered)
