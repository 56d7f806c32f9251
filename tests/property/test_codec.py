"""The codec: any value survives, and its bytes never vary."""

import hypothesis.strategies as st
from hypothesis import given

from tests.property import strategies
from wig import codec, log
from wig.model import Object

decode_objects = codec.lines_decoder(Object)


@given(st.lists(strategies.objects, max_size=5))
def test_objects_survive_and_keep_their_bytes(objects):
    """Decoded and encoded again, it is the same value and the same bytes: digests stay true."""
    raw = codec.encode_lines(objects)

    got = decode_objects(raw)

    assert got == objects
    assert codec.encode_lines(got) == raw


@given(strategies.entries)
def test_entries_survive_and_keep_their_bytes(entry):
    """A follower that stores what it decoded would have the same chain."""
    raw = log.encode_entry(entry)

    got = log.decode_entry(raw)

    assert got == entry
    assert log.encode_entry(got) == raw
