"""Deleting peers whose time has come. Run by the primary, when its stream is its own.

Each is deleted by a command like anybody's, so it is in the log, with the actor `expiry`, and
travels like any other change. The command names the peer's revision: one that is given more time
meanwhile stays.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Never

from bridge import wire
from bridge.api import Take
from bridge.connection import Connection, Disconnected
from bridge.datastore import DatastoreNode
from bridge.denials import Asked
from bridge.worker import Worker
from wig import codec, errors, expiry
from wig.commands import DeletePeer
from wig.expiry import Reading, Watch
from wig.model import Peer

logger = logging.getLogger(__name__)

CHECK_S = 0.5  # between two looks: a peer is gone within a second of its time
BATCH_PEERS = 100  # deleted at once: 10 ms of the writer, with everybody else's commands in between
ANSWER_S_MAX = 10.0  # for one batch; the service itself answers within 5 s


def read_clocks() -> Reading:
    """Return what the clocks say; the steady one goes on while the host sleeps."""
    return Reading(datetime.now(UTC), time.clock_gettime(time.CLOCK_BOOTTIME))


class Expiry:
    """Deletes the peers of one primary on time."""

    def __init__(self, bus: Connection, node: DatastoreNode, take: Take) -> None:
        """`take` is the command service's."""
        self._bus = bus
        self._node = node
        self._take = take
        self.clock: Callable[[], Reading] = read_clocks
        self._watch: Watch | None = None
        self._reason: str | None = None  # why peers did not expire the last time

    @property
    def problems(self) -> tuple[str, ...]:
        """What an operator must know."""
        watch = self._watch
        until = None if watch is None else watch.believed_again(self.clock())
        if watch is None or until is None:
            return ()
        jump = f"the clock jumped by {watch.jump_s:+.0f} s"
        until_text = f"{until:%Y-%m-%d %H:%M} UTC"
        return (f"{jump}: peers do not expire until it is set back, or says {until_text}",)

    async def run(self) -> Never:
        """Look twice a second."""
        await self._node.publisher.ready.wait()
        with closing(self._node.datastore.reader()) as reader, closing(Worker("expiry")) as worker:
            while True:
                now = self.clock()
                if self._look(now):
                    while peers := await worker.call(reader.expired, now.time, BATCH_PEERS):
                        if await self._delete(peers) < len(peers):
                            break  # somebody changed them, or the stream is stuck: look again
                await asyncio.sleep(CHECK_S)

    def _look(self, now: Reading) -> bool:
        """Say whether the clock is believed."""
        before = self._watch or expiry.begin(now)
        self._watch = after = expiry.look(before, now)
        if before.doubted_s == after.doubted_s:
            return after.believed
        if after.believed:
            logger.info("the clock is believed again: peers expire")
        else:
            told = {"jump_s": round(after.jump_s), "until": str(after.believed_again(now))}
            logger.warning("the clock jumped: peers do not expire", extra=told)
        return after.believed

    async def _delete(self, peers: list[Peer]) -> int:
        """Delete those that nobody has changed, and return how many."""
        asked: list[Asked] = []
        reason: str | None = None
        try:
            asked.extend(self._ask(peer) for peer in peers)
            await asyncio.wait(asked, timeout=ANSWER_S_MAX)
        except Disconnected:
            reason = "there is no connection"
        finally:
            for answer in asked:
                answer.cancel()
        refusals = [_refusal(answer) for answer in asked]
        self._tell(reason or next(filter(None, refusals), None))
        deleted = refusals.count(None)
        if deleted:
            logger.info("peers expired: they are deleted", extra={"peers": deleted})
        return deleted

    def _tell(self, reason: str | None) -> None:
        """Say why peers do not expire: once, for it is tried twice a second."""
        if reason is not None and reason != self._reason:
            logger.info("peers did not expire", extra={"error": reason})
        self._reason = reason

    def _ask(self, peer: Peer) -> Asked:
        """Have a peer deleted as it was read."""
        command = DeletePeer(public_key=peer.public_key, revision=peer.revision)
        reply, answer = self._bus.expect_answer()
        self._take(expiry.ACTOR, "peer.delete", codec.encode(command), reply)
        return answer


def _refusal(answer: Asked) -> str | None:
    """Return why a peer was not deleted; the next look tries it again. None: it was."""
    if answer.cancelled() or answer.exception() is not None:
        return "there is no answer"
    try:
        wire.unpack(answer.result().data)
    except errors.WigError as error:
        return error.message
    return None
