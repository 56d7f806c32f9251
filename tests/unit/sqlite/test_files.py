"""Making, opening, copying files; and every file that cannot be used."""

import os
import shutil
import sqlite3
import stat

import pytest

from tests import builders, datastores
from tests.builders import create_interface, create_peer
from wig import errors, sqlite
from wig.sqlite import connections


def init(path):
    sqlite.init(path, now=builders.NOON, entropy=os.urandom, token=builders.token())


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def path(tmp_path):
    """A closed database with 200 peers."""
    path = tmp_path / "wig.db"
    with datastores.make(path, create_interface()) as datastore:
        datastores.commit(datastore, *(datastores.request(create_peer(n)) for n in range(200)))
    return path


def test_a_new_database_has_an_epoch_and_its_first_token_in_the_log(tmp_path):
    """Op 1, by whoever ran init."""
    init(tmp_path / "wig.db")

    with sqlite.Datastore.open(tmp_path / "wig.db") as datastore:
        (fork,) = datastore.lineage
        assert (fork.parent, fork.seq) == ("", 0)
        assert datastore.position().epoch == fork.epoch
        assert datastore.position().seq == 1
        assert len(datastore.database) == 32
        (logged,) = datastore.reader().entries(0, 10)
        assert logged.entry.actor == "init"
        assert logged.entry.op.token == builders.token()


def test_an_empty_database_has_no_position(tmp_path):
    """It belongs to nobody until it loads a snapshot."""
    sqlite.init_empty(tmp_path / "wig.db")

    with sqlite.Datastore.open(tmp_path / "wig.db") as datastore:
        assert datastore.position() is None
        assert (datastore.database, datastore.lineage, datastore.generation) == ("", (), "")


def test_all_files_are_for_their_owner_only(tmp_path):
    """They hold private keys; the process's umask does not matter."""
    old = os.umask(0)
    try:
        with datastores.make(tmp_path / "wig.db", create_interface()) as datastore:
            sqlite.backup(datastore.path, tmp_path / "copy.db")
            found = {each.name: mode(each) for each in tmp_path.iterdir()}
    finally:
        os.umask(old)

    assert {"wig.db", "wig.db-wal", "wig.db-shm", "wig.db.lock", "copy.db"} <= found.keys()
    assert set(found.values()) == {0o600}


def test_init_leaves_only_the_database(tmp_path):
    """Nothing half-made stays beside it."""
    init(tmp_path / "wig.db")

    assert [each.name for each in tmp_path.iterdir()] == ["wig.db"]


def test_init_never_touches_an_existing_file(tmp_path):
    """Whatever it is."""
    path = tmp_path / "wig.db"
    path.write_text("precious")

    with pytest.raises(errors.Unusable, match="exists already"):
        init(path)

    assert path.read_text() == "precious"


def test_a_failed_init_leaves_nothing(tmp_path):
    """So that it can be repeated."""
    refused = builders.token("longer than any identity may be, by far")

    with pytest.raises(errors.Damaged, match="CHECK constraint"):
        sqlite.init(tmp_path / "wig.db", now=builders.NOON, entropy=os.urandom, token=refused)

    assert list(tmp_path.iterdir()) == []


def test_init_in_a_directory_that_does_not_exist_says_so(tmp_path):
    """No traceback."""
    with pytest.raises(errors.Unusable, match="cannot be made: No such file or directory"):
        init(tmp_path / "no" / "wig.db")


def missing(path):
    path.unlink()


def directory(path):
    path.unlink()
    path.mkdir()


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_bytes(b"hello, this is not a database\n" * 100)


def foreign(path):
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.close()


def wrong_magic(path):
    write_at(path, 0, b"SQLite format 4")


def write_at(path, offset, content):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def newer(path):
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {connections.SCHEMA_VERSION + 1}")
    connection.close()


def cut_in_half(path):
    os.truncate(path, path.stat().st_size // 2)


def cut_in_header(path):
    os.truncate(path, 60)


BAD_FILES = [
    pytest.param(missing, errors.Unusable, "does not exist", id="missing"),
    pytest.param(directory, errors.Unusable, "cannot be read: Is a directory", id="directory"),
    pytest.param(empty, errors.Damaged, "is truncated", id="empty"),
    pytest.param(text, errors.Unusable, "is not a database", id="text"),
    pytest.param(wrong_magic, errors.Unusable, "is not a database", id="magic"),
    pytest.param(foreign, errors.Unusable, "is not a database of wig", id="foreign"),
    pytest.param(newer, errors.Unsupported, "has format 2, this program knows 1", id="newer"),
    pytest.param(cut_in_half, errors.Damaged, "is truncated", id="cut-in-half"),
    pytest.param(cut_in_header, errors.Damaged, "is truncated", id="cut-in-header"),
]


@pytest.mark.parametrize(("spoil", "kind", "message"), BAD_FILES)
@pytest.mark.parametrize(
    "use",
    [
        pytest.param(sqlite.Datastore.open, id="open"),
        pytest.param(sqlite.Reader, id="read"),
        pytest.param(sqlite.verify, id="verify"),
        pytest.param(lambda path: sqlite.backup(path, path.with_name("b.db")), id="backup"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(path, spoil, kind, message, use):
    """The same for every way to use it, and nothing is made or changed."""
    spoil(path)
    before = sorted(path.parent.iterdir())

    with pytest.raises(kind, match=message) as caught:
        use(path)

    assert str(path)[:40] in caught.value.message
    assert caught.value.field == "db"
    assert sorted(path.parent.iterdir()) == before


def test_a_missing_file_says_how_to_make_one(tmp_path):
    """The hint is the command."""
    with pytest.raises(errors.Unusable) as caught:
        sqlite.Datastore.open(tmp_path / "wig.db")

    assert caught.value.hint == f"`wig init --db {tmp_path}/wig.db` makes a new one"


def test_a_newer_format_that_is_still_in_the_wal_is_noticed(path):
    """A newer program crashed right after it had migrated."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA user_version = {connections.SCHEMA_VERSION + 1}")
    wal = path.with_name("wig.db-wal")
    shutil.copy(path, path.with_name("old.db"))
    shutil.copy(wal, path.with_name("old.db-wal"))
    connection.close()

    with pytest.raises(errors.Unsupported, match="has format 2"):
        sqlite.Datastore.open(path.with_name("old.db"))


def test_a_second_writer_is_told_who_the_first_one_is(path):
    """One database has one writer, in any process."""
    refused = pytest.raises(errors.Unusable, match=f"is in use by process {os.getpid()}")
    with sqlite.Datastore.open(path), refused:
        sqlite.Datastore.open(path)

    sqlite.Datastore.open(path).close()


def test_a_database_that_another_program_locks_is_not_opened(path, monkeypatch):
    """After the time-out, with a hint; and it is free for the next try."""
    monkeypatch.setattr(connections, "BUSY_TIMEOUT_S", 0.01)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(errors.Unusable, match="is locked by another program"):
        sqlite.Datastore.open(path)
    other.execute("ROLLBACK")
    other.close()

    sqlite.Datastore.open(path).close()


def test_closing_twice_is_closing_once(path):
    """The number of a closed file may be another file's by then."""
    datastore = sqlite.Datastore.open(path)
    datastore.close()

    datastore.close()


def test_a_generation_is_kept(path):
    """It names the stream that this database owns."""
    with sqlite.Datastore.open(path) as datastore:
        datastore.set_generation("g1")

    with sqlite.Datastore.open(path) as datastore:
        assert datastore.generation == "g1"


def test_a_backup_is_a_whole_database_of_one_moment(path, tmp_path):
    """Commits that come meanwhile neither wait nor get in."""
    with sqlite.Datastore.open(path) as datastore:
        before = datastores.contents(datastore)
        datastore._connection.execute("PRAGMA busy_timeout = 0")
        steps = []

        def progress(done, pages):
            datastores.ask(datastore, create_peer(("late", len(steps)), ip=None, ip6=None))
            steps.append((done, pages))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("wig.sqlite.copying.STEP_PAGES", 10)
            sqlite.backup(path, tmp_path / "copy.db", progress)

        assert len(steps) > 3
        assert steps[-1][0] == steps[-1][1]

    with sqlite.Datastore.open(tmp_path / "copy.db") as copy:
        assert datastores.contents(copy) == before
    sqlite.verify(tmp_path / "copy.db")


def test_a_backup_never_replaces_a_file(path, tmp_path):
    """Not even an empty one."""
    (tmp_path / "copy.db").touch()

    with pytest.raises(errors.Unusable, match="exists already"):
        sqlite.backup(path, tmp_path / "copy.db")

    assert (tmp_path / "copy.db").read_bytes() == b""


def test_a_backup_that_fails_leaves_nothing(path, tmp_path):
    """An operator who interrupts it, say."""

    def interrupt(done, pages):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sqlite.backup(path, tmp_path / "copy.db", interrupt)

    assert not list(tmp_path.glob("copy.db*"))
