"""Who may write to a file: its role, promotion, and the mark of a primary that was replaced."""

import pytest

from tests import builders, datastores
from tests.builders import create_interface, create_peer
from wig import errors, log, sqlite
from wig.sqlite import initialise


@pytest.fixture
def primary(tmp_path):
    with datastores.make(tmp_path / "hub.db", create_interface()) as datastore:
        yield datastore


@pytest.fixture
def follower(tmp_path, primary):
    """A follower's database, as far as the primary's."""
    sqlite.init_empty(tmp_path / "copy.db")
    with sqlite.Datastore.open(tmp_path / "copy.db") as datastore:
        datastore.load(*datastores.contents(primary))
        yield datastore


def test_a_file_knows_its_role(primary, follower):
    """From its making; a snapshot does not change it."""
    assert (primary.role, follower.role) == ("primary", "follower")
    assert (primary.fenced, follower.fenced) == ("", "")


def test_a_snapshot_ends_the_stream_of_what_was_there(primary, follower):
    """Its generation is not continued, not even after a crash."""
    follower.set_generation("aa")

    follower.load(*datastores.contents(primary))

    assert follower.generation == ""
    with follower.reader() as reader:
        assert reader.position() == primary.position()


def test_promotion_begins_an_epoch_where_the_follower_is(primary, follower):
    """Its past stays good, and it decides commands from then on."""
    before = follower.position()
    epoch = log.epoch_id(builders.NOON, bytes(4), term=1)

    follower.promote(epoch)

    assert follower.role == "primary"
    assert follower.position() == log.Position(epoch=epoch, seq=before.seq, digest=before.digest)
    assert log.contains(follower.lineage, before, before.digest)
    datastores.ask(follower, create_peer(1))
    assert follower.position().seq == before.seq + 1
    assert sqlite.verify(follower.path).peers == 1


def test_a_fenced_primary_stays_fenced_until_it_is_promoted(tmp_path, primary):
    """Also when it is started again where nobody can tell it."""
    primary.fence("'paris' was promoted")
    primary.close()

    with sqlite.Datastore.open(primary.path) as again:
        assert again.fenced == "'paris' was promoted"
        again.promote(log.epoch_id(builders.NOON, bytes(4), term=2))
        assert (again.role, again.fenced) == ("primary", "")


def test_a_damaged_file_is_set_aside_with_what_belongs_to_it(tmp_path):
    """A new one can be made in its place; an older damaged one goes."""
    path = tmp_path / "copy.db"
    for content in (b"first", b"second"):
        path.write_bytes(content)
        path.with_name("copy.db-wal").write_bytes(b"wal")

        aside = initialise.set_aside(path)

        assert aside.read_bytes() == content
        assert not path.exists()
        assert not path.with_name("copy.db-wal").exists()
    sqlite.init_empty(path)


def test_a_file_in_use_is_not_set_aside(primary):
    """It may be damaged, but somebody writes to it."""
    with pytest.raises(errors.Unusable, match="in use"):
        initialise.set_aside(primary.path)
