"""What every `ports.Sink` must do: replication drives databases and devices alike.

Add an implementation to `SINKS`: a context manager that gives a sink which holds nothing, and a
function that returns its objects in the order of a snapshot.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests import builders, datastores, world
from tests.builders import create_interface, create_peer, create_token, delete_peer, key, spec
from tests.hosts import FakeHost
from wig import errors, log, ops, sqlite
from wig.commands import DeleteInterface, ImportPeers, UpdatePeer
from wig.linux.record import Records
from wig.linux.sink import HostSink
from wig.log import Position, Record
from wig.model import Object
from wig.ports import Sink
from wig.snapshot import Header
from wig.state import State

EPOCH = world.EPOCH


class StateSink:
    """`wig.state` as replication needs it: what a gateway is inside."""

    def __init__(self) -> None:
        self._state = State(allocating=False)
        self._position: Position | None = None

    def position(self) -> Position | None:
        return self._position

    def apply(self, epoch: str, records: Sequence[Record]) -> None:
        assert self._position is not None
        self._position = replace(self._position, epoch=epoch)
        for record in records:
            try:
                op = log.decode_entry(record.payload).op
            except errors.Invalid as error:
                raise errors.Unsupported(f"log: entry {record.seq}: {error}") from None
            self._state.apply_op(op, epoch, record.seq)
            self._position = Position(epoch=epoch, seq=record.seq, digest=record.digest.hex())

    def load(self, header: Header, objects: Iterable[Object]) -> None:
        self._state.load(header, objects)
        self._position = header.position

    def objects(self) -> list[Object]:
        return list(self._state.objects())


@contextmanager
def state(_: Path) -> Iterator[tuple[Sink, Callable[[], list[Object]]]]:
    """A dict."""
    sink = StateSink()
    yield sink, sink.objects


@contextmanager
def datastore(folder: Path) -> Iterator[tuple[Sink, Callable[[], list[Object]]]]:
    """A follower's database."""
    sqlite.init_empty(folder / "wig.db")
    with sqlite.Datastore.open(folder / "wig.db") as sink:
        yield sink, lambda: datastores.contents(sink)[1]
        sqlite.verify(sink.path)


@contextmanager
def gateway(folder: Path) -> Iterator[tuple[Sink, Callable[[], list[Object]]]]:
    """A gateway, on a host in memory."""
    held = State(allocating=False)
    yield HostSink(FakeHost(), Records(folder, "gateway"), state=held), lambda: [*held.objects()]


SINKS: dict[str, Callable[[Path], AbstractContextManager[tuple[Sink, Callable[[], list[Object]]]]]]
SINKS = {"state": state, "datastore": datastore, "gateway": gateway}


@pytest.fixture(params=SINKS)
def subject(request, tmp_path):
    """Each implementation, holding nothing."""
    with SINKS[request.param](tmp_path) as subject:
        yield subject


@pytest.fixture
def sink(subject):
    return subject[0]


@pytest.fixture
def objects(subject):
    return subject[1]


class History:
    """A log of some commands, and the state at each of its positions."""

    def __init__(self) -> None:
        self.world = world.World()
        self.records: list[Record] = []
        for command in (
            create_interface(),
            create_token("admin"),
            ImportPeers(peers=tuple(spec(n) for n in range(5))),
            UpdatePeer(public_key=key(2), ip="10.0.0.8/29", name="moved"),
            delete_peer(3),
            create_interface("wg1", port=1, addresses=("10.1.0.1/24",)),
            create_peer("other", interface="wg1"),
            DeleteInterface(name="wg1", with_peers=True),
            create_peer("last"),
        ):
            for op in self.world.run(command):
                self.add(op)

    def add(self, op: ops.Op) -> None:
        seq = len(self.records) + 1
        entry = log.Entry(seq=seq, time=builders.NOON, actor="a", request="", op=op)
        self.add_payload(log.encode_entry(entry))

    def add_payload(self, payload: bytes) -> None:
        before = self.records[-1].digest if self.records else log.ZERO_DIGEST
        digest = log.chain(before, payload)
        self.records.append(Record(len(self.records) + 1, payload, digest))

    def position(self, seq: int) -> Position:
        digest = self.records[seq - 1].digest if seq else log.ZERO_DIGEST
        return Position(epoch=EPOCH, seq=seq, digest=digest.hex())

    def objects(self, seq: int) -> list[Object]:
        return list(world.replay(self.world.log[:seq]).objects())

    def snapshot(self, seq: int) -> tuple[Header, list[Object]]:
        things = self.objects(seq)
        fork = log.Fork(epoch=EPOCH, parent="", seq=0, digest=log.ZERO_DIGEST.hex())
        header = datastores.header(things, position=self.position(seq), lineage=(fork,))
        return header, things


@pytest.fixture
def history():
    return History()


def test_a_new_sink_holds_nothing(sink):
    """So it gets a snapshot from whoever has one."""
    assert sink.position() is None


@pytest.mark.parametrize("seq", [0, 1, 9, 14])
def test_a_snapshot_sets_position_and_objects(sink, objects, history, seq):
    """Whatever it is a snapshot of."""
    sink.load(*history.snapshot(seq))

    assert sink.position() == history.position(seq)
    assert objects() == history.objects(seq)


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("start", [0, 6])
def test_entries_lead_from_any_snapshot_to_the_same_state(sink, objects, history, start, size):
    """In batches of any size, with equal position and equal objects after each."""
    sink.load(*history.snapshot(start))

    for first in range(start, len(history.records), size):
        batch = history.records[first : first + size]
        sink.apply(EPOCH, batch)
        assert sink.position() == history.position(batch[-1].seq)

    assert objects() == history.objects(len(history.records))


def test_a_snapshot_replaces_everything(sink, objects, history):
    """Back to an earlier state, and forward to a later one."""
    for seq in (8, 3, 14):
        sink.load(*history.snapshot(seq))

        assert sink.position() == history.position(seq)
        assert objects() == history.objects(seq)


def test_an_epoch_changes_without_an_entry(sink, objects, history):
    """The position names it, and nothing else changes."""
    sink.load(*history.snapshot(9))

    sink.apply("e2", [])

    assert sink.position() == Position(epoch="e2", seq=9, digest=history.position(9).digest)
    assert objects() == history.objects(9)


def test_objects_carry_the_epoch_that_changed_them(sink, objects, history):
    """As the primary stored them."""
    sink.load(*history.snapshot(13))

    sink.apply("e2", history.records[13:])

    revisions = {thing.revision for thing in objects() if getattr(thing, "name", "") != "wg0"}
    assert f"e2:{len(history.records)}" in revisions


def test_a_snapshot_with_a_wrong_digest_changes_nothing(sink, objects, history):
    """All of it or nothing."""
    sink.load(*history.snapshot(9))
    header, things = history.snapshot(14)

    with pytest.raises(errors.Damaged, match="state digest"):
        sink.load(header, [*things[:-1], builders.token("other", revision="e1:1")])

    assert sink.position() == history.position(9)
    assert objects() == history.objects(9)


def test_a_snapshot_that_breaks_off_changes_nothing(sink, objects, history):
    """What its source raises is what the caller sees."""
    sink.load(*history.snapshot(9))
    header, things = history.snapshot(14)

    def broken():
        yield from things[:3]
        raise errors.Damaged("snapshot: it ends too early")

    with pytest.raises(errors.Damaged, match="ends too early"):
        sink.load(header, broken())

    assert sink.position() == history.position(9)
    assert objects() == history.objects(9)


def test_an_entry_of_an_unknown_kind_stops_after_those_before_it(sink, objects, history):
    """It waits for a newer program, serving what it has."""
    known = len(history.records)
    history.add_payload(
        b'{"seq":%d,"time":"2026-01-01T12:00:00Z","actor":"a","request":"","op":{"do":"new"}}'
        % (known + 1)
    )
    sink.load(*history.snapshot(9))

    with pytest.raises(errors.Unsupported):
        sink.apply(EPOCH, history.records[9:])

    assert sink.position() == history.position(known)
    assert objects() == history.objects(known)
