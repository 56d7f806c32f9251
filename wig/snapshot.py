"""Snapshots: all objects at one position, as a checked, compressed stream of bytes.

Called by the datastore that serves one and by the replica that loads one. Inside the zlib stream:
one JSON line for the header, one per object (interfaces, then peers, then tokens), and a last
line with the BLAKE2b-256 of all bytes before it.

Why not one JSON document: a million peers are 250 MB; lines are encoded and decoded in batches in
bounded memory on both sides.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b

from wig import codec, errors
from wig.codec import Value
from wig.log import Lineage, Position
from wig.model import Object

COMPRESSION_LEVEL = 1  # measured: level 6 takes four times as long for 15 % less
BATCH_OBJECTS = 1000
_DIGEST_PREFIX = b'{"digest":"'  # no object and no header begins like this


class Header(Value, frozen=True, kw_only=True):
    """What the snapshot is a snapshot of."""

    database: str
    """The id of the database; a node refuses another's."""
    position: Position
    lineage: Lineage
    state_digest: str
    """Sum of the digests of all objects (`log.object_digest`), hexadecimal."""
    objects: int
    """How many objects follow."""


_decode_header = codec.decoder(Header)
_decode_objects: Callable[[bytes], list[Object]] = codec.lines_decoder(Object)


def encode(header: Header, objects: Iterable[Object]) -> Iterator[bytes]:
    """Yield the compressed bytes of a snapshot, in pieces of no particular size."""
    packer = zlib.compressobj(COMPRESSION_LEVEL)
    digest = blake2b(digest_size=32)
    for lines in _lines(header, objects):
        digest.update(lines)
        if piece := packer.compress(lines):
            yield piece
    yield packer.compress(_trailer(digest.hexdigest()))
    yield packer.flush()


def _trailer(digest: str) -> bytes:
    return _DIGEST_PREFIX + digest.encode() + b'"}\n'


def _lines(header: Header, objects: Iterable[Object]) -> Iterator[bytes]:
    yield codec.encode(header) + b"\n"
    batch = []
    for thing in objects:
        batch.append(thing)
        if len(batch) == BATCH_OBJECTS:
            yield codec.encode_lines(batch)
            batch.clear()
    if batch:
        yield codec.encode_lines(batch)


class Reader:
    """Decodes a snapshot from pieces of any size.

    `feed` returns the objects that became complete; `finish` raises unless everything that was
    promised arrived, unchanged. A caller must not act on objects for good before `finish`.
    """

    def __init__(self) -> None:
        """Expect the first piece."""
        self.header: Header | None = None
        self._unpacker = zlib.decompressobj()
        self._digest = blake2b(digest_size=32)
        self._rest = b""
        self._objects = 0
        self._ended = False
        self._strange: errors.Invalid | None = None

    def feed(self, piece: bytes) -> list[Object]:
        """Return the objects that `piece` completed; raise `Damaged` if it cannot be one."""
        try:
            text = self._rest + self._unpacker.decompress(piece)
        except zlib.error as error:
            raise errors.Damaged(f"snapshot: {error}") from None
        cut = text.rfind(b"\n") + 1
        self._rest, lines = text[cut:], text[:cut]
        if (self._ended and text) or self._unpacker.unused_data:
            raise errors.Damaged("snapshot: there is something after its end")
        return self._take(lines) if lines else []

    def _take(self, lines: bytes) -> list[Object]:
        last = lines.rfind(b"\n", 0, -1) + 1
        trailer = lines[last:] if lines.startswith(_DIGEST_PREFIX, last) else b""
        lines = lines[:last] if trailer else lines
        self._digest.update(lines)
        if trailer:
            self._check_end(trailer)
        if self._strange is not None:
            return []
        try:
            return self._decode(lines)
        except errors.Invalid as error:
            # Damaged, or of a newer version? The digest will tell.
            self._strange = error
            return []

    def _decode(self, lines: bytes) -> list[Object]:
        if self.header is None:
            first, _, lines = lines.partition(b"\n")
            self.header = _decode_header(first)
        objects = _decode_objects(lines)
        self._objects += len(objects)
        return objects

    def _check_end(self, trailer: bytes) -> None:
        if trailer != _trailer(self._digest.hexdigest()):
            raise errors.Damaged("snapshot: its bytes do not match its digest")
        self._ended = True

    def finish(self) -> Header:
        """Return the header of a complete snapshot.

        Raises `Damaged` if something is missing or not as it was sent, `Unsupported` if all is
        there and this version does not understand it.
        """
        if not self._ended or self._rest or not self._unpacker.eof:
            raise errors.Damaged("snapshot: it ends too early")
        if self._strange is not None:
            raise errors.Unsupported(f"snapshot: {self._strange}", hint="upgrade this node")
        assert self.header is not None, "else it was strange"
        if self._objects != self.header.objects:
            raise errors.Damaged(
                f"snapshot: {self._objects} objects instead of {self.header.objects}"
            )
        return self.header
