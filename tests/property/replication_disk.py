"""What the simulated world stores: databases, streams, and messages on their way.

Used by `replication_nodes` and `replication_world`; values, and JetStream's own rules.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from wig import log
from wig import replica_events as on
from wig.log import Lineage, Position, Record
from wig.primacy import Announcement
from wig.replication import AttachRequest

EPOCHS_KEPT = 12
"""Fewer than in reality, so that some are forgotten."""

State = tuple[tuple[str, bytes], ...]
"""All that replicas agree on: every entry with the epoch that it is stamped with."""

Truth = Mapping[Position, State]
"""Every position that ever was, and its only state."""


@dataclass(frozen=True)
class Disk:
    """What a node has stored; changed by one transaction at a time."""

    lineage: Lineage
    state: State = ()
    records: tuple[Record, ...] = ()
    """All entries ever; those up to `base` are pruned."""
    base: int = 0
    generation: str = ""
    fenced: bool = False
    """It must not be a primary any more."""

    @property
    def head(self) -> int:
        return len(self.records)

    @property
    def position(self) -> Position:
        digest = self.records[-1].digest if self.records else log.ZERO_DIGEST
        return Position(epoch=self.lineage[-1].epoch, seq=self.head, digest=digest.hex())

    def digest_at(self, seq: int) -> str | None:
        if not self.base <= seq <= self.head:
            return None
        return self.records[seq - 1].digest.hex() if seq else log.ZERO_DIGEST.hex()

    def digests(self) -> set[str]:
        """Return what identifies each entry, also of what is pruned: for the invariants."""
        return {record.digest.hex() for record in self.records}

    def has(self, position: Position, truth: Truth) -> bool:
        """Say whether a position is in the past of this timeline, by what is true."""
        known = any(fork.epoch == position.epoch for fork in self.lineage)
        return known and truth.get(position) == self.state[: position.seq]

    def with_entry(self, record: Record) -> "Disk":
        entry = (self.lineage[-1].epoch, record.payload)
        return replace(self, records=(*self.records, record), state=(*self.state, entry))

    def with_epoch(self, epoch: str) -> "Disk":
        lineage = log.extended(self.lineage, epoch, self.position)
        return replace(self, lineage=lineage[-EPOCHS_KEPT:])


class Restored(NamedTuple):
    """A database that was replaced by an older one."""

    at: float
    disk: Disk


@dataclass
class Stream:
    """What JetStream has of one generation."""

    owner: str
    first: int
    records: list[Record] = field(default_factory=list)
    epochs: dict[int, str] = field(default_factory=dict)
    owners: list[str] = field(default_factory=list)
    """Who had it before."""
    taken: dict[int, str] = field(default_factory=dict)
    """The digest of each entry that it took, also of what is pruned: for the invariants."""
    ever: set[str] = field(default_factory=set)
    """The same of what it has lost since, too."""

    @property
    def last(self) -> int:
        return self.first + len(self.records) - 1

    def claim(self, instance: str) -> str:
        """Let only `instance` write from now on; return who could until now."""
        self.owners.append(self.owner)
        self.owner = instance
        return self.owners[-1]

    def take(self, entry: "Published") -> bool:
        """Take an entry, if all that its subject and headers ask for holds."""
        last = self.records[-1].digest if self.records else entry.before
        expected = (self.owner, self.last + 1, last)
        fits = expected == (entry.instance, entry.record.seq, entry.before)
        if fits:
            self.records.append(entry.record)
            self.epochs[entry.record.seq] = entry.epoch
            self.taken[entry.record.seq] = entry.record.digest.hex()
            self.ever.add(entry.record.digest.hex())
        return fits

    def entries(self, seq: int, count: int) -> tuple[list[Record], str]:
        """Return some entries of one epoch."""
        epoch = self.epochs.get(seq, "")
        found = itertools.takewhile(
            lambda record: record and self.epochs[record.seq] == epoch,
            (self.get(seq + n) for n in range(count)),
        )
        return [record for record in found if record], epoch

    def get(self, seq: int) -> Record | None:
        inside = self.first <= seq <= self.last
        return self.records[seq - self.first] if inside else None

    def prune(self, before: int) -> None:
        """Forget the entries before this one."""
        self.records = self.records[max(0, before - self.first) :]
        self.first = max(self.first, before)

    def lose_tail(self, count: int) -> None:
        """Forget the last entries, as after a loss of power; numbers are used again."""
        del self.records[max(0, len(self.records) - count) :]
        self.taken = {seq: digest for seq, digest in self.taken.items() if seq <= self.last}

    def rot(self, seq: int) -> None:
        """Damage an entry where it is stored."""
        if record := self.get(seq):
            self.records[seq - self.first] = record._replace(payload=b"rotten")


@dataclass(frozen=True)
class Published:
    """An entry on its way into a stream."""

    key: tuple[str, str]
    instance: str
    """In the subject."""
    record: Record
    before: bytes
    """The digest of the entry that must be the last one."""
    epoch: str


@dataclass
class Consumer:
    """Where a downstream is in a stream."""

    stream: Stream
    key: tuple[str, str]
    attempt: int
    next: int


@dataclass(frozen=True)
class Message:
    """On its way from one node to another: a request, an event for a replica, or a word."""

    sender: str
    to: str
    event: on.Event | None = None
    request: AttachRequest | None = None
    attempt: int = 0
    fetch: bool = False
    contents: Disk | None = None
    announcement: Announcement | None = None
