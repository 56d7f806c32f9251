"""Reading beside the writer."""

import itertools
from datetime import timedelta

import pytest

from tests import builders, datastores
from tests.builders import create_interface, create_peer, create_token, delete_peer, key, spec
from tests.datastores import ask
from wig import errors, snapshot, sqlite
from wig.commands import ImportPeers


@pytest.fixture
def reader(datastore):
    """A reader of two interfaces with 20 and 3 peers, and two tokens."""
    ask(datastore, create_interface("wg1", port=1, addresses=("10.1.0.1/24",)))
    ask(datastore, ImportPeers(peers=tuple(spec(n) for n in range(20))))
    ask(datastore, ImportPeers(peers=tuple(spec(n, interface="wg1") for n in "abc")))
    ask(datastore, create_token("b"))
    with datastore.reader() as reader:
        yield reader


def test_objects_are_read_by_identity(reader):
    """Absence is None."""
    assert reader.interface("wg1").port == 1
    assert reader.interface("no") is None
    assert reader.peer(key("a")).interface == "wg1"
    assert reader.peer(key("no")) is None
    assert [one.name for one in reader.interfaces()] == ["wg0", "wg1"]
    assert [one.id for one in reader.tokens()] == ["admin", "b"]
    assert reader.counts() == (2, 23, 2)


@pytest.mark.parametrize("small", [5000, 5, 0])
@pytest.mark.parametrize(
    ("interface", "seeds"),
    [
        pytest.param(None, [*range(20), *"abc"], id="all"),
        pytest.param("wg0", range(20), id="large"),
        pytest.param("wg1", "abc", id="small"),
        pytest.param("no", [], id="no-such-interface"),
    ],
)
def test_pages_of_peers_are_in_order_and_complete(reader, monkeypatch, small, interface, seeds):
    """Whichever way the peers of an interface are found."""
    monkeypatch.setattr("wig.sqlite.reader.SMALL_INTERFACE_PEERS", small)
    found, after = [], None

    while page := reader.peers(after, 3, interface):
        assert len(page) <= 3
        found += [peer.public_key for peer in page]
        after = found[-1]

    assert found == sorted(key(seed) for seed in seeds)


def test_peers_whose_time_has_come_are_found(datastore, reader):
    """Exactly at their time; those without one never."""
    for minutes in (3, 1, 2):
        expire = builders.NOON + timedelta(minutes=minutes)
        ask(datastore, create_peer(("expires", minutes), ip=None, expire=expire))

    def due(now, limit=10):
        return [peer.public_key for peer in reader.expired(now, limit)]

    two_past = builders.NOON + timedelta(minutes=2)
    assert due(builders.NOON) == []
    assert due(two_past) == [key(("expires", 1)), key(("expires", 2))]
    assert due(two_past - timedelta(microseconds=1)) == [key(("expires", 1))]
    assert due(two_past + timedelta(days=9999), limit=1) == [key(("expires", 1))]


def test_each_call_sees_what_is_committed(datastore, reader):
    """A reader is never behind."""
    ask(datastore, delete_peer("a"))

    assert reader.peer(key("a")) is None
    assert reader.position() == datastore.position()


def test_entries_come_with_their_digests(datastore, reader):
    """For `log show` and `log tail`."""
    first, second = reader.entries(1, 2)

    assert (first.entry.seq, second.entry.seq) == (2, 3)
    assert second == reader.entry(3)
    assert second.digest == datastore.digest_at(3) == reader.digest_at(3)
    assert reader.entry(1000) is reader.digest_at(1000) is None
    assert reader.records(2, 1) == datastore.records(2, 1)


def test_a_snapshot_is_one_moment(datastore, reader):
    """What is committed while it is read is not in it, and does not wait for it."""
    before = datastore.position()
    datastore._connection.execute("PRAGMA busy_timeout = 0")

    with reader.snapshot() as (header, objects):
        first = next(objects)
        for n in range(100, 150):
            ask(datastore, create_peer(n))
        ask(datastore, delete_peer("a"))
        rest = list(objects)

    assert header.position == before
    assert header.objects == len(rest) + 1 == 27
    assert {first.name, rest[0].name} == {"wg0", "wg1"}
    assert key("a") in {getattr(thing, "public_key", "") for thing in rest}
    assert reader.position() == datastore.position()


def test_a_snapshot_travels_and_is_loaded(reader, tmp_path):
    """From reader to bytes to another database."""
    with reader.snapshot() as (header, objects):
        pieces = list(snapshot.encode(header, objects))
    unpacked = snapshot.Reader()
    received = [thing for piece in pieces for thing in unpacked.feed(piece)]
    sqlite.init_empty(tmp_path / "other.db")

    with sqlite.Datastore.open(tmp_path / "other.db") as other:
        other.load(unpacked.finish(), received)

        assert datastores.contents(other) == (header, received)


def test_a_snapshot_that_was_left_early_lets_go(datastore, reader):
    """The next call sees the present."""
    with reader.snapshot() as (_, objects):
        next(objects)

    ask(datastore, delete_peer("a"))
    assert reader.peer(key("a")) is None


def test_a_snapshot_ends_when_the_wal_grows_too_large(datastore, reader, monkeypatch):
    """A slow reader must not fill the disk; it is told to try again."""
    monkeypatch.setattr("wig.sqlite.reader.WAL_BYTES_MAX", 500_000)
    monkeypatch.setattr("wig.sqlite.reader.SNAPSHOT_ROWS", 5)
    seeds = itertools.count(1000)

    def read_slowly():
        with reader.snapshot() as (_, objects):
            for _ in objects:
                peers = tuple(spec(next(seeds), ip=None) for _ in range(200))
                ask(datastore, ImportPeers(peers=peers))

    with pytest.raises(errors.Unavailable, match="snapshot: the writer has written"):
        read_slowly()

    assert reader.counts().peers > 223


def test_an_empty_database_has_an_empty_snapshot_position(tmp_path):
    """There is nothing to give."""
    sqlite.init_empty(tmp_path / "wig.db")

    with sqlite.Reader(tmp_path / "wig.db") as reader:
        assert reader.position() is None
        with pytest.raises(errors.Conflict, match="holds nothing"), reader.snapshot():
            pass


def test_a_reader_cannot_write(reader):
    """Neither by mistake."""
    with pytest.raises(errors.Unusable, match="cannot be written"):
        reader._all("token_delete", ("admin",))


def test_a_reader_works_without_a_writer(datastore):
    """`wig log show` on a file at rest."""
    ask(datastore, create_peer(1))
    datastore.close()

    with sqlite.Reader(datastore.path) as reader:
        assert reader.peer(key(1)) == builders.peer(
            1, ip="10.0.0.2", ip6="fd00::2", revision=f"{reader.position().epoch}:3"
        )
