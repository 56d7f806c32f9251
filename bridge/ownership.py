"""Getting hold of the stream: does what `wig.owner` decides. Called by `publisher`.

Everything here is repeated until the bus and JetStream answer; what cannot be repeated (a new
epoch, a new generation) is committed to the database before the stream hears of it.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, Protocol, TypeVar, assert_never

from bridge import subjects, wire
from bridge.connection import Connection
from bridge.jetstream import INSUFFICIENT_STORAGE, Refused
from bridge.streams import Seen, Streams
from bridge.worker import Worker
from wig import errors, log, owner
from wig.log import Lineage, Loss, Position, Record

logger = logging.getLogger(__name__)

T = TypeVar("T")

ALONE_S = 0.5  # for another instance of this node to say that it is there
RETRY_S = 0.1  # between two attempts while the bus or JetStream is not there


class Store(Protocol):
    """What is needed of the datastore; called in the writer's thread."""

    @property
    def database(self) -> str:
        """The database's id."""

    @property
    def generation(self) -> str:
        """The generation of the stream; empty: none yet."""

    @property
    def lineage(self) -> Lineage:
        """The epochs up to the current one."""

    def set_generation(self, generation: str) -> None:
        """Store it, durably."""

    def position(self) -> Position | None:
        """Return the head."""

    def state_digest(self) -> str:
        """Return the state digest at the head."""

    def base(self) -> tuple[int, bytes]:
        """Return sequence and digest before the first entry kept."""

    def digest_at(self, seq: int) -> bytes | None:
        """Return the digest at `seq`, None if it is not known."""

    def records(self, after: int, limit: int) -> list[Record]:
        """Return entries in order."""

    def mint(self, epoch: str) -> None:
        """Begin a new epoch here, durably."""


class Head(NamedTuple):
    """Where a log is."""

    position: Position
    state_digest: str


def head_of(store: Store) -> Head:
    """Return where the store is; call it in the writer's thread."""
    position = store.position()
    assert position is not None, "a primary holds at least its own beginning"
    return Head(position, store.state_digest())


class Start(NamedTuple):
    """The stream is ours: where to go on."""

    after: int
    """The last entry in the stream."""
    digest: str | None
    """Its digest; None: the stream is empty."""
    first: int
    """The first entry in the stream, or the next one."""
    head: Head
    """The log, at some moment after the last change of epoch."""


class Ownership:
    """The claim of one instance on the stream of its node."""

    def __init__(
        self, bus: Connection, store: Store, writer: Worker, streams: Streams, *, node: str,
        instance: str, follows: bool = False, replace: bool = False,
    ) -> None:  # fmt: skip
        """`store` is used in `writer`'s thread only; `follows`: it is a copy of another node's.

        `replace`: streams of another database under this name may go.
        """
        self._bus = bus
        self._store = store
        self._writer = writer
        self._streams = streams
        self._node = node
        self._instance = instance
        self._follows = follows
        self._replace = replace
        self._machine = owner.Owner(instance, follows=follows)
        self._first = 0
        self._left: set[str] = set()
        """The generations that were to be deleted; what stays of them has replaced nobody."""
        self.generation = ""
        """Of the stream; empty: there is none yet."""
        self.domain: str | None = None
        """Of the JetStream that has the stream; None: it has no name."""
        self.problems: tuple[str, ...] = ()
        """What an operator must know, until the next start."""
        self.loss: Loss | None = None
        """What the database lacked when that was last found; None: nothing, in this process."""
        self.losses = 0
        """How often that was found in this process."""

    async def open(self) -> Start:
        """Get hold of the stream at the start.

        Raises `Fenced` if somebody else has it, `Foreign` if a stream of this name is of another
        database: a fresh one, or an unmounted volume, must not take a known node's place.
        """
        await self._bus.wait_up()
        self._machine = owner.Owner(self._instance, follows=self._follows)
        self.generation = self._store.generation
        self.domain = await self._surely(self._streams.domain)
        others = await self._others()
        if not self._replace:
            self._refuse_foreign(others.values())
        return await self._settle(
            owner.Opened(self.generation, await self._log(), self._strangers(others.values()))
        )

    async def _others(self) -> dict[str, Seen]:
        """Return the other streams of this node, by generation."""
        generations = await self._surely(lambda: self._streams.others(self.generation))
        found = {it: await self._surely(partial(self._streams.look, it)) for it in generations}
        return {generation: seen for generation, seen in found.items() if seen is not None}

    def _strangers(self, others: Iterable[Seen]) -> int | None:
        """Return the last entry in other streams, as `owner.Opened` has it."""
        return max((it.last if self._is_ours(it) else 0 for it in others), default=None)

    def _is_ours(self, seen: Seen) -> bool:
        return seen.database in {"", self._store.database}

    def _refuse_foreign(self, others: Iterable[Seen]) -> None:
        for seen in others:
            if not self._is_ours(seen):
                raise errors.Foreign(
                    f"database: {self._node!r} has published {seen.database}, "
                    f"this file is {self._store.database}",
                    field="db",
                    hint="is it the right file, and is its volume mounted? To give up what was "
                    "published under this name, start once with --replace",
                )

    async def recover(self) -> Start:
        """Find out where the stream is, after a doubt; raise `Fenced` if it is not ours."""
        return await self._settle(owner.Doubted())

    def replaced(self) -> None:
        """Take note that a snapshot has replaced the log, whatever is under way; then `recover`."""
        self._machine.handle(owner.Replaced())

    async def check_alone(self) -> None:
        """Raise `Fenced` if another instance of this node is alive."""
        await self._bus.wait_up()
        subject = subjects.node(self._node, self._bus.options.identity, "status")
        try:
            message = await self._bus.request(subject, b"{}", timeout_s=ALONE_S)
        except errors.Temporary:
            return
        other = _instance(message.data)
        if other != self._instance:
            raise errors.Fenced(
                f"node: {self._node!r} is served by another instance already ({other})",
                field="name",
                hint="stop the other one, or give this node another --name",
            )

    async def _settle(self, event: owner.Event) -> Start:
        """Do what the owner asks for, until it asks to publish."""
        while True:
            following: owner.Event | None = None
            for action in self._machine.handle(event):
                if isinstance(action, owner.Publish):
                    return await self._start(action.after)
                following = await self._perform(action)
            assert following is not None, "the owner asks for something until it publishes"
            event = following

    async def _perform(
        self,
        action: owner.Mint
        | owner.Claim
        | owner.Look
        | owner.Compare
        | owner.Begin
        | owner.Retire
        | owner.Stop,
    ) -> owner.Event | None:
        match action:
            case owner.Mint():
                await self._writer.call(_mint, self._store)
                return None
            case owner.Claim():
                claimed = await self._surely(lambda: self._streams.claim(self.generation))
                return await self._seen(*(claimed or (None, "")))
            case owner.Look():
                return await self._seen(
                    await self._surely(lambda: self._streams.look(self.generation)), ""
                )
            case owner.Compare(seq):
                theirs = await self._surely(lambda: self._streams.digest(self.generation, seq))
                mine = await self._writer.call(self._store.digest_at, seq)
                known = theirs is not None and mine is not None
                return owner.Compared(seq, mine.hex() == theirs if known and mine else None)
            case owner.Begin():
                return await self._begin(action)
            case owner.Retire():
                await self._retire()
                return None
            case owner.Stop(reason):
                raise errors.Fenced(
                    f"node: {self._node!r} has been replaced: {reason}",
                    field="name",
                    hint="see which process serves this node now; this one may be started again "
                    "when the other is stopped for good",
                )
            case _:
                assert_never(action)

    async def _seen(self, stream: Seen | None, displaced: str) -> owner.Event:
        if stream is None:
            others = await self._others()
            news = not self._left.issuperset(others)
            return owner.Gone(await self._log(), self._strangers(others.values()), news)
        self._first = stream.first
        return owner.Found(stream.owner, displaced, stream.first, stream.last, await self._log())

    async def _begin(self, action: owner.Begin) -> owner.Event:
        if not self._follows:
            self._tell(action.cause, action.loss)
        self.generation = _fresh_generation()
        await self._writer.call(self._store.set_generation, self.generation)
        await self._surely(partial(self._create, action.first))
        self._first = action.first
        logger.info("new stream", extra={"generation": self.generation, "first": action.first})
        return owner.Begun(action.first)

    async def _create(self, first: int) -> None:
        try:
            await self._streams.create(self.generation, first, self._store.database)
        except Refused as error:
            if error.number == INSUFFICIENT_STORAGE:
                await self._retire()  # then there will be room, at the next attempt
            raise

    def _tell(self, cause: owner.Cause, loss: Loss | None) -> None:
        if cause is owner.Cause.FIRST:
            return  # nothing was lost
        if loss is None:
            logger.warning("a new stream begins", extra={"reason": cause.value})
            return
        self.loss = loss
        self.losses += 1
        self.problems = (*self.problems, f"{cause.value}: {loss} are lost")
        logger.error(
            "acknowledged entries are lost",
            extra={"reason": cause.value, "first": loss.first, "last": loss.last},
        )

    async def _retire(self) -> None:
        """Delete the node's other streams; what cannot be deleted now will be at the next start."""
        self._left = set()
        try:
            self._left = set(await self._streams.others(self.generation))
            for other in sorted(self._left):
                await self._streams.delete(other)
        except errors.Temporary as error:
            logger.warning("an old stream stays", extra={"error": error.message})

    async def _start(self, after: int) -> Start:
        empty = after < self._first
        digest = None if empty else await self._writer.call(self._store.digest_at, after)
        head = await self._writer.call(head_of, self._store)
        return Start(after, digest.hex() if digest else None, self._first, head)

    async def _log(self) -> owner.Log:
        return await self._writer.call(_log_of, self._store)

    async def _surely(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer."""
        told = ""
        while True:
            await self._bus.wait_up()
            try:
                return await ask()
            except errors.Temporary as error:
                if error.message != told:
                    logger.warning("JetStream is not ready", extra={"error": error.message})
                    told = error.message
                await asyncio.sleep(RETRY_S)


def _log_of(store: Store) -> owner.Log:
    return owner.Log.of(store.base()[0], head_of(store).position.seq, store.lineage)


def _mint(store: Store) -> None:
    store.mint(log.next_epoch(store.lineage, datetime.now(UTC), secrets.token_bytes(4)))


def _fresh_generation() -> str:
    """Return one that sorts by time, and that nobody else has."""
    return log.epoch_id(datetime.now(UTC), secrets.token_bytes(4))


def _instance(raw: bytes) -> str:
    """Return which instance answered for its status; empty: it does not say."""
    try:
        nodes = (wire.unpack(raw).ok or {}).get("nodes") or [{}]
    except errors.WigError:
        return ""
    return str(nodes[0].get("instance", ""))
