"""A downstream's machine, driven by hand: a log to follow, a clock, and events."""

from collections.abc import Sequence
from typing import Any

from wig import log
from wig import replica_actions as do
from wig import replica_events as on
from wig.log import Fork, Position, Record
from wig.replica import (
    Phase,
    Replica,
)
from wig.replication import Answer, Beacon, Continue, Root, Snapshot
from wig.snapshot import Header


def records(count: int, branch: str = "") -> list[Record]:
    """Return a log's first entries; logs of different branches differ from the first one."""
    made, digest = [], log.ZERO_DIGEST
    for seq in range(1, count + 1):
        payload = f"{branch}{seq}".encode()
        digest = log.chain(digest, payload)
        made.append(Record(seq, payload, digest))
    return made


LOG = records(3000)
FIRST = Fork(epoch="e1", parent="", seq=0, digest=log.ZERO_DIGEST.hex())


def at(seq: int, epoch: str = "e1", chain: Sequence[Record] = LOG) -> Position:
    digest = chain[seq - 1].digest if seq else log.ZERO_DIGEST
    return Position(epoch=epoch, seq=seq, digest=digest.hex())


def fork(epoch: str, parent: str, seq: int) -> Fork:
    return Fork(epoch=epoch, parent=parent, seq=seq, digest=at(seq).digest)


def beacon(position: Position | None, counter: int = 1, **fields: Any) -> Beacon:
    root = None
    if position is not None:
        root = Root(epoch=position.epoch, seq=position.seq, age_s=0.0, path=("hub",))
    given = {
        "node": "hub", "instance": "h", "version": "1", "role": "primary", "root": root,
    }  # fmt: skip
    return Beacon(**given | {"position": position, "counter": counter} | fields)


def header(seq: int, epoch: str = "e1", database: str = "db") -> Header:
    return Header(
        database=database, position=at(seq, epoch), lineage=(FIRST,), state_digest="", objects=0
    )


class Driven:
    """A replica, its clock, and what it did last."""

    def __init__(self, position: Position | None = None, **fields: Any) -> None:
        self.replica = Replica("gw1", **{"position": position, "database": "db"} | fields)
        self.now = 1000.0
        self.counter = 0
        self.lineage: log.Lineage = (FIRST,)

    def feed(self, event: on.Event, after_s: float = 0.0) -> list[do.Action]:
        self.now += after_s
        return self.replica.handle(event, self.now)

    @property
    def attempt(self) -> int:
        return self.replica.attempt

    def answered(self, answer: Answer | None) -> list[do.Action]:
        if isinstance(answer, Continue):
            self.lineage = answer.lineage
        return self.feed(on.Answered(self.attempt, answer))

    def arrived(self, *entries: Record) -> list[do.Action]:
        epoch = log.epoch_at(self.lineage, entries[0].seq) if entries else ""
        return self.feed(on.Arrived(self.attempt, entries, epoch))

    def applied(self, position: Position | None, **fields: Any) -> list[do.Action]:
        return self.feed(on.Applied(position, **fields))

    def hears(self, position: Position | None, after_s: float = 0.0, **fields: Any):
        self.counter += 1
        return self.feed(on.Heard(beacon(position, self.counter, **fields)), after_s)


def connected(position: Position | None = None, **fields: Any) -> Driven:
    one = Driven(position, **fields)
    one.feed(on.Connected())
    return one


def following(position: Position, lineage: log.Lineage = (FIRST,), **fields: Any) -> Driven:
    one = connected(position, **fields)
    one.answered(Continue(position.seq + 1, lineage))
    assert one.replica.phase is Phase.FOLLOWING
    return one


def loading(position: Position | None = None, **fields: Any) -> Driven:
    one = connected(position, **fields)
    one.answered(Snapshot("it holds nothing"))
    assert one.replica.phase is Phase.LOADING
    return one


def only(kind: type[Any], actions: Sequence[do.Action]) -> Any:
    """Return the one action of a kind."""
    (found,) = [action for action in actions if isinstance(action, kind)]
    return found
