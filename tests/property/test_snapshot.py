"""Snapshots over a bad line: what arrives is what was sent, or is refused."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tests import builders
from tests.property import strategies
from wig import errors, log, snapshot
from wig.model import Object


def encoded(objects: list[Object]) -> bytes:
    header = snapshot.Header(
        database="db",
        position=log.Position(epoch="e1", seq=5, digest="d5"),
        lineage=(log.Fork(epoch="e1", parent="", seq=0, digest="d0"),),
        state_digest="5" * 64,
        objects=len(objects),
    )
    return b"".join(snapshot.encode(header, objects))


def read(*pieces: bytes) -> tuple[snapshot.Header, list[Object]]:
    reader = snapshot.Reader()
    objects = [thing for piece in pieces for thing in reader.feed(piece)]
    return reader.finish(), objects


SMALL: list[Object] = [builders.interface(), builders.peer(), builders.token()]
SMALL_BYTES = encoded(SMALL)


@given(st.lists(strategies.objects, max_size=8), st.data())
def test_any_split_gives_the_same(objects, data):
    """The network cuts where it likes."""
    raw = encoded(objects)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=5)))

    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]

    assert read(*pieces)[1] == objects
    assert read(*(bytes([byte]) for byte in raw))[1] == objects


def test_every_truncation_is_refused():
    """Half a snapshot is none, wherever it ends, in one piece or byte by byte."""
    for end in range(len(SMALL_BYTES)):
        with pytest.raises(errors.Damaged):
            read(SMALL_BYTES[:end])
        with pytest.raises(errors.Damaged):
            read(*(bytes([byte]) for byte in SMALL_BYTES[:end]))


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_is_refused(bit):
    """Only the bits that deflate never reads may differ: then everything else is as it was."""
    good, unread = read(SMALL_BYTES), 0
    for at in range(len(SMALL_BYTES)):
        bad = SMALL_BYTES[:at] + bytes([SMALL_BYTES[at] ^ 1 << bit]) + SMALL_BYTES[at + 1 :]
        try:
            got = read(bad)
        except errors.Damaged:
            continue
        assert got == good
        unread += 1

    assert unread <= 1  # the padding of the last deflate block


@given(st.data())
def test_a_lost_or_repeated_piece_is_refused(data):
    """Pieces are numbered on the way, but the snapshot needs no such help."""
    size = data.draw(st.integers(1, 40))
    pieces = [SMALL_BYTES[at : at + size] for at in range(0, len(SMALL_BYTES), size)]
    index = data.draw(st.integers(0, len(pieces) - 1))

    with pytest.raises(errors.Damaged):
        read(*pieces[:index], *pieces[index + 1 :])
    with pytest.raises(errors.Damaged):
        read(*pieces[: index + 1], *pieces[index:])
