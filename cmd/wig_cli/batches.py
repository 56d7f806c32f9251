"""Peers to commands: as many as one may carry, by count and by bytes.

Called by `imports`. Pure: rows in, batches out.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from wig import codec
from wig.commands import OBJECTS_MAX, PeerSpec
from wig_cli.rows import Row

ENVELOPE_BYTES = 200  # the command around the peers: its request id and brackets


class Batch(NamedTuple):
    """The peers of one command."""

    first_line: int
    rows: tuple[Row, ...]
    """In the order of the file; `peers[i]` of the command comes from `rows[i]`."""
    end: int
    """Bytes of the file up to the end of its last line."""

    def peers(self) -> tuple[PeerSpec, ...]:
        """Return what the command carries."""
        return tuple(row.spec for row in self.rows)


def batches(rows: Iterable[Row], bytes_max: int, objects_max: int = OBJECTS_MAX) -> Iterator[Batch]:
    """Yield batches of at most `objects_max` peers and `bytes_max` bytes each."""
    held: list[Row] = []
    size = ENVELOPE_BYTES
    for row in rows:
        weight = len(codec.encode(row.spec)) + 1
        if held and (len(held) == objects_max or size + weight > bytes_max):
            yield _batch(held)
            held, size = [], ENVELOPE_BYTES
        held.append(row)
        size += weight
    if held:
        yield _batch(held)


def _batch(rows: list[Row]) -> Batch:
    return Batch(rows[0].line, tuple(rows), rows[-1].end)
