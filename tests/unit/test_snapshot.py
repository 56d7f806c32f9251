"""Snapshots: what arrives is what was sent, or is refused."""

import zlib
from hashlib import blake2b

import pytest

from tests import builders
from wig import codec, errors, log, snapshot
from wig.model import Object

OBJECTS: list[Object] = [
    builders.interface(),
    *(builders.peer(seed, ip=f"10.0.0.{seed + 2}") for seed in range(3)),
    builders.token(),
]


def header(objects: int = len(OBJECTS)) -> snapshot.Header:
    return snapshot.Header(
        database="db",
        position=log.Position(epoch="e1", seq=5, digest="d5"),
        lineage=(log.Fork(epoch="e1", parent="", seq=0, digest="d0"),),
        state_digest="5" * 64,
        objects=objects,
    )


def read(raw: bytes) -> tuple[snapshot.Header, list[Object]]:
    reader = snapshot.Reader()
    objects = reader.feed(raw)
    return reader.finish(), objects


def sealed(*lines: bytes) -> bytes:
    """Return a snapshot of these lines whose digest is right."""
    text = b"".join(line + b"\n" for line in lines)
    digest = blake2b(text, digest_size=32).hexdigest().encode()
    return zlib.compress(text + b'{"digest":"' + digest + b'"}\n')


def test_a_snapshot_arrives_as_it_was_sent():
    """Header and objects come back, in order."""
    raw = b"".join(snapshot.encode(header(), OBJECTS))

    assert read(raw) == (header(), OBJECTS)


def test_an_empty_snapshot_is_a_snapshot():
    """A database without objects can be followed too."""
    assert read(b"".join(snapshot.encode(header(0), []))) == (header(0), [])


def test_more_objects_than_a_batch_arrive():
    """The border between two batches loses nothing and repeats nothing."""
    peers = [builders.peer(seed) for seed in range(snapshot.BATCH_OBJECTS + 1)]

    pieces = list(snapshot.encode(header(len(peers)), iter(peers)))
    reader = snapshot.Reader()
    got = [thing for piece in pieces for thing in reader.feed(piece)]

    assert got == peers
    assert reader.finish().objects == len(peers)


def test_the_header_is_known_before_the_objects():
    """A replica can refuse another database before it has read a million peers."""
    reader = snapshot.Reader()
    for byte in b"".join(snapshot.encode(header(), OBJECTS)):
        if reader.feed(bytes([byte])):
            break

    assert reader.header == header()


def test_a_count_that_is_wrong_is_damage():
    """The header promises a number of objects."""
    raw = b"".join(snapshot.encode(header(9), OBJECTS))

    with pytest.raises(errors.Damaged, match="5 objects instead of 9"):
        read(raw)


def test_anything_after_the_end_is_damage():
    """Neither more bytes in the same piece nor another piece is part of a snapshot."""
    raw = b"".join(snapshot.encode(header(), OBJECTS))

    with pytest.raises(errors.Damaged, match="after its end"):
        read(raw + b"x")
    reader = snapshot.Reader()
    reader.feed(raw)
    with pytest.raises(errors.Damaged, match="after its end"):
        reader.feed(b"x")


def test_a_line_after_the_end_is_damage():
    """The digest is the last line, whatever the compression says."""
    text = zlib.decompress(b"".join(snapshot.encode(header(), OBJECTS)))
    packer = zlib.compressobj()
    first = packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)
    second = packer.compress(b"x") + packer.flush()

    with pytest.raises(errors.Damaged):
        read(first + second)
    reader = snapshot.Reader()
    reader.feed(first)
    with pytest.raises(errors.Damaged, match="after its end"):
        reader.feed(second)


def test_a_digest_that_is_wrong_is_damage():
    """The bytes are not what was hashed."""
    raw = zlib.compress(codec.encode(header(0)) + b'\n{"digest":"' + b"0" * 64 + b'"}\n')

    with pytest.raises(errors.Damaged, match="do not match its digest"):
        read(raw)


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        pytest.param(
            [codec.encode(header(2)), b'{"kind":"route"}', codec.encode(builders.peer())],
            "route",
            id="kind",
        ),
        pytest.param(
            [codec.encode(header(1)), codec.encode(builders.peer())[:-1] + b',"color":1}'],
            "color",
            id="field",
        ),
        pytest.param(
            [codec.encode(header(0))[:-1] + b',"term":1}', codec.encode(builders.peer())],
            "term",
            id="header",
        ),
        pytest.param([], "truncated", id="no-header"),
    ],
)
@pytest.mark.parametrize("piece_bytes", [1, 10_000])
def test_a_snapshot_of_a_newer_version_says_upgrade(lines, rule, piece_bytes):
    """What is whole but not understood is not damage: nothing would be better another time."""
    raw = sealed(*lines)
    reader = snapshot.Reader()
    for start in range(0, len(raw), piece_bytes):
        reader.feed(raw[start : start + piece_bytes])

    with pytest.raises(errors.Unsupported, match=rule) as caught:
        reader.finish()

    assert caught.value.hint == "upgrade this node"
