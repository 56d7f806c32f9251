"""The log: entries, the digest that chains them, positions, and the lineage of epochs.

Called by whoever writes, publishes, replicates or checks ops. All arithmetic of "which past is
this" is here, and only here.

**Invariant:** `digest(n) = BLAKE2b-256(digest(n-1) ‖ payload(n))`, with payload(n) the very bytes
that are in SQLite and in the stream, and digest(0) = 32 zero bytes.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from msgspec.structs import replace

from wig import codec, errors
from wig.codec import Time, Value
from wig.model import Object
from wig.ops import Op

DIGEST_BYTES = 32
ZERO_DIGEST = bytes(DIGEST_BYTES)
_STATE_MODULUS = 1 << 256


class Entry(Value, frozen=True, kw_only=True):
    """One op, with who asked for it, when and as which request."""

    seq: int
    time: Time
    """When the primary decided, by its clock."""
    actor: str
    """The identity that sent the command."""
    request: str
    """The client's request id; empty for what the primary does by itself."""
    op: Op


class Record(NamedTuple):
    """An entry as it is stored and published."""

    seq: int
    payload: bytes
    digest: bytes
    """The chain's digest up to and including this payload."""


class Position(Value, frozen=True, kw_only=True):
    """Where a replica is: equal positions mean equal state, byte for byte."""

    epoch: str
    seq: int
    """The last entry applied; 0: none yet."""
    digest: str
    """The chain's digest at `seq`, hexadecimal."""


class Fork(Value, frozen=True, kw_only=True):
    """One epoch, and the place in its parent where it began."""

    epoch: str
    parent: str
    """Empty for the first epoch of a database."""
    seq: int
    digest: str


Lineage = tuple[Fork, ...]
"""The epochs up to the current one, in order; the oldest are forgotten."""

EPOCHS_MAX = 100
"""How many a lineage keeps. Each start of a primary begins one; who has been away for more of them
gets a snapshot. A primary tells its lineage every second: 20 kB."""


class Loss(Value, frozen=True, kw_only=True):
    """Entries that somebody had, and that are not in the timeline that goes on."""

    first: int
    last: int
    exact: bool = True
    """False: perhaps earlier ones, too; what would tell is pruned, or nobody knows it."""

    def __str__(self) -> str:
        """Return it as an operator is told."""
        more = "" if self.exact else ", and perhaps earlier ones,"
        return f"entries {self.first}–{self.last}{more}"


decode_entry = codec.decoder(Entry)
encode_entry = codec.encode


def chain(digest: bytes, payload: bytes) -> bytes:
    """Return the chain's digest after `payload`."""
    return blake2b(digest + payload, digest_size=DIGEST_BYTES).digest()


def follow(digest: bytes, seq: int, records: Iterable[Record]) -> None:
    """Check that `records` continue the chain after (seq, digest); raise `Damaged` if not."""
    for record in records:
        if record.seq != seq + 1:
            raise errors.Damaged(f"log: entry {record.seq} follows entry {seq}")
        digest = chain(digest, record.payload)
        if digest != record.digest:
            raise errors.Damaged(f"log: entry {record.seq} does not match its digest")
        seq = record.seq


def advanced(position: Position, epoch: str, records: Sequence[Record]) -> Position:
    """Return the position after `records` of `epoch`; none of them: the epoch has just begun."""
    if not records:
        return replace(position, epoch=epoch)
    return Position(epoch=epoch, seq=records[-1].seq, digest=records[-1].digest.hex())


def extended(lineage: Lineage, epoch: str, position: Position) -> Lineage:
    """Return the lineage of a timeline at `position` that goes on in `epoch`."""
    if any(fork.epoch == epoch for fork in lineage):
        return lineage
    fork = Fork(epoch=epoch, parent=position.epoch, seq=position.seq, digest=position.digest)
    return (*lineage, fork)[-EPOCHS_MAX:]


def epoch_at(lineage: Lineage, seq: int) -> str:
    """Return the epoch of entry `seq` in the timeline that `lineage` describes.

    Of entries from before the first epoch that it remembers, nothing is known.
    """
    return next((fork.epoch for fork in reversed(lineage) if fork.seq < seq), lineage[0].epoch)


def all_in(lineage: Lineage, records: Sequence[Record], epoch: str) -> bool:
    """Say whether records in a row are all of `epoch`."""
    ends = (records[0], records[-1]) if records else ()
    return all(epoch_at(lineage, record.seq) == epoch for record in ends)


def related(mine: Lineage, theirs: Lineage) -> bool:
    """Say whether two timelines have an epoch in common that neither has forgotten."""
    return any(fork in theirs for fork in mine)


def parted(mine: Lineage, theirs: Lineage, head: int) -> tuple[int, str | None]:
    """Return the last entry that two timelines may have in common, as far as their epochs tell.

    And the digest that it has in theirs, None if they do not say: one epoch has two branches when
    the machine of its writer was rolled back as it ran. `head` is the last entry of mine. They are
    `related`.
    """
    shared = max(n for n, fork in enumerate(mine) if fork in theirs)
    they_left = next(iter(theirs[theirs.index(mine[shared]) + 1 :]), None)
    we_left = next((fork.seq for fork in mine[shared + 1 :]), head)
    if they_left is None or they_left.seq > we_left:
        return we_left, None
    return they_left.seq, they_left.digest


def object_digest(thing: Object) -> int:
    """Return the object's part of the state digest."""
    return int.from_bytes(blake2b(codec.encode(thing), digest_size=DIGEST_BYTES).digest(), "big")


def state_digest_add(total: int, part: int) -> int:
    """Return the state digest with one more object (or, with a negative part, one less)."""
    return (total + part) % _STATE_MODULUS


def state_digest_text(total: int) -> str:
    """Return the state digest as it travels: 64 hexadecimal digits."""
    return f"{total:064x}"


def epoch_id(now: datetime, entropy: bytes, term: int = 0) -> str:
    """Return a new epoch's id: hexadecimal, 4 digits of `term`, 12 of milliseconds, 8 of `entropy`.

    The text sorts by term, then by time. Raises ValueError unless `entropy` has 4 bytes.
    """
    if len(entropy) != 4:
        raise ValueError(f"needs 4 bytes of entropy, got {len(entropy)}")
    return f"{term:04x}{int(now.timestamp() * 1000):012x}{entropy.hex()}"


def next_epoch(lineage: Lineage, now: datetime, entropy: bytes, *, promoted: bool = False) -> str:
    """Return the id of an epoch that goes on with this timeline: it sorts after all before it.

    Also when the clock was set back. `promoted`: it has a higher term.
    """
    last = lineage[-1].epoch
    epoch = epoch_id(now, entropy, term(last) + promoted)
    if epoch > last or len(last) != len(epoch):
        return epoch
    return f"{int(last[:16], 16) + 1:016x}{epoch[16:]}"


def term(epoch: str) -> int:
    """Return how often a follower had been promoted when `epoch` began."""
    return int(epoch[:4], 16) if len(epoch) == 24 else 0


def contains(lineage: Lineage, position: Position, digest_at: "str | None") -> bool:
    """Say whether `position` is in the past of the timeline that `lineage` describes.

    `digest_at` is the timeline's own digest at `position.seq`, None when it is not known (pruned,
    or ahead). No two entries are alike, so it is the same only if all entries up to there are.
    """
    known = any(fork.epoch == position.epoch for fork in lineage)
    return known and digest_at == position.digest
