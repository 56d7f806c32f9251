"""Entries of an upstream, snapshots, epochs."""

import pytest

from tests import builders, datastores
from tests.builders import create_interface, create_peer, delete_peer, key, spec
from tests.datastores import ask
from wig import codec, errors, log, ops, sqlite
from wig.commands import DeleteInterface, ImportPeers, UpdatePeer


@pytest.fixture
def upstream(tmp_path):
    """A primary with some history."""
    commands = (
        create_interface(),
        create_interface("wg1", port=1, addresses=("10.1.0.1/24",)),
        ImportPeers(peers=tuple(spec(n) for n in range(20))),
        create_peer("other", interface="wg1"),
        UpdatePeer(public_key=key(3), ip="10.0.0.128/30", name="x"),
        delete_peer(5),
        DeleteInterface(name="wg1", with_peers=True),
        create_peer("last", ip="192.168.0.0/16", outside_pool=True),
    )
    with datastores.make(tmp_path / "up.db", *commands) as upstream:
        yield upstream


@pytest.fixture
def empty(tmp_path):
    """A follower's first database."""
    sqlite.init_empty(tmp_path / "down.db")
    with sqlite.Datastore.open(tmp_path / "down.db") as empty:
        yield empty


def zero(upstream):
    """Return the snapshot of the same database before its first entry."""
    return datastores.header(
        [],
        database=upstream.database,
        position=log.Position(epoch=upstream.lineage[0].epoch, seq=0, digest=log.ZERO_DIGEST.hex()),
        lineage=upstream.lineage[:1],
    )


def same(one, other):
    """Everything that a snapshot carries."""
    return datastores.contents(one) == datastores.contents(other)


def test_a_follower_that_applied_the_whole_log_is_its_upstream(upstream, empty):
    """Objects, revisions, digests, payloads: byte for byte."""
    empty.load(zero(upstream), [])

    empty.apply(upstream.position().epoch, upstream.records(0, 1000))

    assert same(empty, upstream)
    assert empty.records(0, 1000) == upstream.records(0, 1000)
    assert empty.state_digest() == upstream.state_digest()
    sqlite.verify(empty.path)


def test_a_follower_that_loaded_a_snapshot_is_its_upstream(upstream, empty):
    """And can go on from there, while what came before is not kept."""
    header, objects = datastores.contents(upstream)

    empty.load(header, objects)

    assert same(empty, upstream)
    assert empty.base() == (header.position.seq, bytes.fromhex(header.position.digest))
    assert empty.oldest() == header.position.seq + 1
    assert empty.records(0, 10) == []
    assert empty.digest_at(header.position.seq).hex() == header.position.digest
    assert empty.digest_at(1) is None
    sqlite.verify(empty.path)
    ask(upstream, create_peer("next"))
    empty.apply(header.position.epoch, upstream.records(header.position.seq, 10))
    assert same(empty, upstream)


def test_a_promoted_follower_allocates_like_its_upstream(upstream, empty):
    """The used addresses came along, in either way."""
    empty.load(*datastores.contents(upstream))

    assert ask(empty, create_peer("next"))["peer"] | {"revision": ""} == (
        ask(upstream, create_peer("next"))["peer"] | {"revision": ""}
    )


def test_a_new_epoch_begins_where_it_is_told(upstream, empty):
    """With entries or without; the revisions say which epoch an op was decided in."""
    empty.load(zero(upstream), [])
    old = upstream.position().epoch
    upstream.mint("e2")
    ask(upstream, create_peer("in-e2"))
    fork = upstream.lineage[-1]

    empty.apply(old, upstream.records(0, fork.seq))
    empty.apply("e2", [])
    assert empty.position() == log.Position(epoch="e2", seq=fork.seq, digest=fork.digest)
    empty.apply("e2", upstream.records(fork.seq, 10))

    assert same(empty, upstream)
    assert empty.lineage == upstream.lineage
    assert empty.reader().peer(key("in-e2")).revision == f"e2:{fork.seq + 1}"
    sqlite.verify(empty.path)


def test_a_minted_epoch_is_durable(upstream):
    """It is there after a restart, and the position names it."""
    before = upstream.position()
    upstream.mint("e2")
    upstream.close()

    with sqlite.Datastore.open(upstream.path) as again:
        assert again.position() == log.Position(epoch="e2", seq=before.seq, digest=before.digest)
        assert again.lineage[-1] == log.Fork(
            epoch="e2", parent=before.epoch, seq=before.seq, digest=before.digest
        )


def test_a_primary_that_is_started_often_forgets_its_first_epochs(upstream, empty):
    """Here and on followers; what they have is sound, and entries of old epochs stay readable."""
    empty.load(zero(upstream), [])
    empty.apply(upstream.position().epoch, upstream.records(0, 1000))
    for number in range(log.EPOCHS_MAX + 5):
        upstream.mint(f"e{number:03}")
        empty.apply(f"e{number:03}", [])
    upstream.close()

    with sqlite.Datastore.open(upstream.path) as again:
        assert again.lineage == empty.lineage
        assert len(again.lineage) == log.EPOCHS_MAX
        assert again.lineage[0].parent == "e004"
        assert again.records(0, 1)
    sqlite.verify(upstream.path)
    sqlite.verify(empty.path)


def broken_chain(record):
    return record._replace(payload=record.payload + b" ")


def wrong_sequence(record):
    return record._replace(seq=record.seq + 1)


@pytest.mark.parametrize("spoil", [broken_chain, wrong_sequence])
def test_entries_that_break_the_chain_change_nothing(upstream, empty, spoil):
    """Not even those before them in the same batch."""
    empty.load(zero(upstream), [])
    records = upstream.records(0, 10)
    records[5] = spoil(records[5])

    with pytest.raises(errors.Damaged, match="log: entry"):
        empty.apply(upstream.position().epoch, records)

    assert empty.position().seq == 0
    assert datastores.contents(empty)[1] == []


def chained(upstream, payload):
    """Return a record that continues the log of `upstream`, whatever it holds."""
    position = upstream.position()
    digest = log.chain(bytes.fromhex(position.digest), payload)
    return log.Record(position.seq + 1, payload, digest)


def entry(upstream, op):
    """Return a chained record of an op that nobody decided."""
    seq = upstream.position().seq + 1
    payload = codec.encode(log.Entry(seq=seq, time=builders.NOON, actor="a", request="", op=op))
    return chained(upstream, payload)


def test_an_entry_of_an_unknown_kind_stops_after_those_before_it(upstream, empty):
    """Upgrade leaves first: an old follower keeps what it understood."""
    empty.load(zero(upstream), [])
    payload = b'{"seq":1,"time":"2026-01-01T12:00:00Z","actor":"a","request":"","op":{"do":"new"}}'

    with pytest.raises(errors.Unsupported, match="is not understood"):
        empty.apply(
            upstream.position().epoch, [*upstream.records(0, 1000), chained(upstream, payload)]
        )

    assert same(empty, upstream)


@pytest.mark.parametrize(
    "op",
    [
        pytest.param(ops.PeerCreate(peer=builders.peer(1)), id="peer-exists"),
        pytest.param(ops.PeerCreate(peer=builders.peer("n", interface="no")), id="no-interface"),
        pytest.param(ops.PeerCreate(peer=builders.peer("n", ip="10.0.0.2")), id="address-taken"),
        pytest.param(ops.PeerUpdate(peer=builders.peer("n")), id="update-nobody"),
        pytest.param(ops.PeerDelete(public_key=key("n")), id="delete-nobody"),
        pytest.param(ops.InterfaceDelete(name="wg0"), id="delete-with-peers"),
        pytest.param(ops.InterfaceDelete(name="no"), id="delete-no-interface"),
        pytest.param(ops.InterfaceUpdate(interface=builders.interface("no")), id="no-such"),
        pytest.param(
            ops.InterfaceCreate(interface=builders.interface("wg0")), id="interface-exists"
        ),
        pytest.param(ops.TokenDelete(id="no"), id="no-token"),
        pytest.param(ops.TokenUpdate(token=builders.token("no")), id="update-no-token"),
        pytest.param(ops.TokenCreate(token=builders.token()), id="token-exists"),
    ],
)
def test_an_op_that_cannot_be_is_damage_and_changes_nothing(upstream, empty, op):
    """An upstream would never have decided it."""
    empty.load(*datastores.contents(upstream))

    with pytest.raises(errors.Damaged):
        empty.apply(upstream.position().epoch, [entry(upstream, op)])

    assert same(empty, upstream)
    ask(empty, create_peer("next"))
    sqlite.verify(empty.path)


def test_an_empty_database_applies_nothing(upstream, empty):
    """Entries continue a position, and it has none."""
    with pytest.raises(errors.Conflict, match="a snapshot comes first"):
        empty.apply("e1", upstream.records(0, 1))


def test_a_snapshot_replaces_state_log_and_outcomes(upstream, tmp_path):
    """Nothing of the old timeline is left."""
    with datastores.make(tmp_path / "old.db", create_interface("old")) as old:
        datastores.commit(old, datastores.request(create_peer(1, interface="old"), "r1"))

        old.load(*datastores.contents(upstream), replace=True)

        assert same(old, upstream)
        assert old.database == upstream.database
        assert sqlite.verify(old.path).requests == 0
        ask(old, create_peer("next"))


def test_a_snapshot_of_another_database_is_refused(upstream, tmp_path):
    """A fresh init must not wipe a fleet."""
    objects = [builders.interface(revision="e1:1")]
    header = datastores.header(objects)
    before = datastores.contents(upstream)

    with pytest.raises(errors.Foreign, match="the snapshot is of d1, this file is") as caught:
        upstream.load(header, objects)

    assert "--replace" in caught.value.hint
    assert datastores.contents(upstream) == before


OBJECTS = (
    builders.interface(revision="e1:1"),
    builders.peer(1, ip="10.0.0.2", revision="e1:2"),
    builders.peer(2, ip="10.0.0.3", revision="e1:3"),
    builders.token(revision="e1:4"),
)


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        pytest.param(OBJECTS[:-1], "3 objects instead of 4", id="one-missing"),
        pytest.param((*OBJECTS[:-1], OBJECTS[1]), "UNIQUE", id="one-twice"),
        pytest.param(
            (*OBJECTS[:-1], builders.token(revision="e1:5")), "state digest", id="one-different"
        ),
        pytest.param(OBJECTS[1:], "FOREIGN KEY", id="no-interface"),
    ],
)
def test_a_snapshot_that_is_not_what_it_promises_changes_nothing(upstream, objects, message):
    """All of it or nothing, whatever was there before."""
    header = datastores.header(OBJECTS, database=upstream.database)
    before = datastores.contents(upstream)

    with pytest.raises(errors.Damaged, match=message):
        upstream.load(header, objects)

    assert datastores.contents(upstream) == before
    ask(upstream, create_peer("next"))
    sqlite.verify(upstream.path)


def test_a_snapshot_with_two_owners_of_an_address_is_refused(empty):
    """Even if its digest is right."""
    objects = [*OBJECTS[:-1], builders.peer(3, ip="10.0.0.0/29", revision="e1:4")]

    with pytest.raises(errors.Damaged, match="two owners"):
        empty.load(datastores.header(objects), objects)

    assert empty.position() is None


def test_a_transfer_that_breaks_off_changes_nothing(upstream):
    """What the source of the objects raises comes through."""

    def objects():
        yield OBJECTS[0]
        raise errors.Damaged("snapshot: it ends too early")

    before = datastores.contents(upstream)

    with pytest.raises(errors.Damaged, match="ends too early"):
        upstream.load(datastores.header(OBJECTS, database=upstream.database), objects())

    assert datastores.contents(upstream) == before


def test_a_snapshot_that_was_loaded_is_in_the_file_not_in_the_wal(upstream, empty):
    """The WAL has become as large as the snapshot, and is cut back."""
    empty.load(*datastores.contents(upstream))

    assert empty.path.with_name("down.db-wal").stat().st_size == 0


def test_a_snapshot_is_sorted_in_files_and_commands_in_memory(upstream, empty):
    """A million peers would not fit; what a group of commands may undo does, and is quicker."""
    header, objects = datastores.contents(upstream)
    kept = []

    def watched():
        for each in objects:
            kept.append(empty._connection.execute("PRAGMA temp_store").fetchone())
            yield each

    empty.load(header, watched())

    assert set(kept) == {(1,)}
    assert empty._connection.execute("PRAGMA temp_store").fetchone() == (2,)
