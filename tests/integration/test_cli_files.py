"""Commands on files, and programs that run until they are told to stop."""

import contextlib
import fcntl
import json
import os
import signal
import sqlite3
import subprocess

import pytest

from bridge.server import NatsServer, ServerOptions
from tests.eventually import eventually_sync
from tests.program import WIG, Up, environment, running, wig


@pytest.fixture
def run(tmp_path):
    """Run a command on files."""
    return lambda *words, **options: wig(tmp_path / "state", *words, **options)


@pytest.fixture
def db(run, tmp_path):
    """A new database."""
    path = tmp_path / "wig.db"
    assert run("init", "--db", str(path)).code == 0
    return path


def test_init_prints_the_first_token_once(run, tmp_path):
    """It is the whole of stdout; the database is for its owner only."""
    path = tmp_path / "wig.db"

    done = run("init", "--db", str(path))

    assert done.code == 0
    assert done.document["id"] == "admin"
    assert len(done.document["secret"]) >= 43
    assert path.stat().st_mode & 0o777 == 0o600
    assert done.document["secret"].encode() not in path.read_bytes()


def test_init_writes_the_token_into_a_private_file(run, tmp_path):
    """Then nothing secret is on the terminal."""
    path = tmp_path / "admin.json"

    done = run("init", "--db", str(tmp_path / "wig.db"), "--admin", "root", "--out", str(path))

    token = json.loads(path.read_text())
    assert (done.code, done.out, token["id"]) == (0, "", "root")
    assert token["secret"] not in done.err
    assert path.stat().st_mode & 0o777 == 0o600


def test_init_never_replaces_a_database(run, db):
    """The second init fails and leaves the first database as it was."""
    before = db.read_bytes()

    done = run("init", "--db", str(db))

    assert done.code == 1
    assert "exists already" in done.err
    assert db.read_bytes() == before


def test_a_backup_of_a_running_database_is_sound(tmp_path):
    """Copied while it is in use, verified, and complete."""
    with Up(tmp_path / "state", "--no-gateway") as up:
        words = ("peer", "create", "wg0", "--endpoint", "x")
        assert [up.wig(*words).code for _ in range(3)] == [0, 0, 0]
        target = tmp_path / "backup.db"

        copied = up.wig("backup", str(target))
        verified = up.wig("verify", str(target), "--output", "json")

    assert copied.code == 0
    assert target.stat().st_mode & 0o777 == 0o600
    assert verified.document["peers"] == 3
    assert verified.document["entries"] == 5


def test_a_backup_never_replaces_a_file(run, db, tmp_path):
    """The last good backup is not overwritten by mistake."""
    target = tmp_path / "backup.db"
    target.write_text("precious")

    done = run("backup", "--db", str(db), str(target))

    assert (done.code, target.read_text()) == (1, "precious")


def test_a_restored_backup_runs(tmp_path):
    """Everything but the database may be lost."""
    with Up(tmp_path / "first", "--no-gateway") as up:
        up.wig("peer", "create", "wg0", "--endpoint", "x")
        up.wig("backup", str(tmp_path / "backup.db"))
        before = up.wig("peer", "list").out
    (tmp_path / "second").mkdir()
    (tmp_path / "backup.db").rename(tmp_path / "second" / "wig.db")

    with Up(tmp_path / "second", "--no-gateway") as up:
        assert up.wig("peer", "list").out == before
        assert up.wig("status").code == 0


def truncate(path):
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def flip(path):
    """Change one byte of an entry."""
    with path.open("r+b") as file:
        at = path.read_bytes().index(b"made with the database")
        file.seek(at)
        file.write(b"M")


def from_the_future(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 999")


UNUSABLE = [
    pytest.param(lambda path: path.unlink(), "does not exist", id="missing"),
    pytest.param(lambda path: path.write_text("hello"), "is not a database", id="no database"),
    pytest.param(lambda path: path.write_bytes(b""), "is truncated", id="empty"),
    pytest.param(truncate, "is truncated", id="truncated"),
    pytest.param(from_the_future, "has format 999", id="newer"),
]


@pytest.mark.parametrize(("spoil", "message"), UNUSABLE)
@pytest.mark.parametrize("command", ["verify", "backup", "datastore"])
def test_an_unusable_database_is_named_with_a_reason(run, db, spoil, message, command, tmp_path):
    """Every command that opens it says which file, what is wrong, and what to do."""
    spoil(db)
    words = {
        "verify": [str(db)],
        "backup": ["--db", str(db), str(tmp_path / "copy.db")],
        "datastore": ["--db", str(db), "--name", "n", "--server", "nats://127.0.0.1:1"],
    }

    done = run(command, *words[command])

    assert done.code == 1
    assert done.err.startswith("wig: db: ")
    assert message in done.err
    assert not (tmp_path / "copy.db").exists()


def test_another_sqlite_database_is_refused(run, tmp_path):
    """It is somebody else's."""
    path = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")

    done = run("verify", str(path))

    assert done.code == 1
    assert "is not a database of wig" in done.err


def test_verify_finds_one_wrong_byte(run, db):
    """A changed entry does not match its digest."""
    flip(db)

    done = run("verify", str(db))

    assert done.code == 1
    assert done.err.startswith("wig: ")


def test_a_database_in_use_names_its_process(run, db):
    """A second primary on one database is refused before it does anything."""
    with (db.parent / "wig.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{os.getpid()}\n")
        lock.flush()

        done = run("datastore", "--db", str(db), "--name", "n", "--server", "nats://127.0.0.1:1")

    assert done.code == 1
    assert f"is in use by process {os.getpid()}" in done.err


def test_needed_settings_are_named(run):
    """The error says how else they can be given."""
    done = run("datastore")

    assert done.code == 2
    assert done.err.startswith("wig: --db: needed, but not given\nhint: ")
    assert "WIG_DB" in done.err


@pytest.mark.parametrize("program", ["datastore", "gateway"])
def test_a_name_that_no_subject_can_have_is_refused(run, db, program):
    """Before anything is connected."""
    words = ["--db", str(db)] if program == "datastore" else ["--follow", "primary"]

    done = run(program, "--name", "my node", *words)

    assert done.code == 1
    assert done.err.startswith("wig: name: 'my node' is not 1–32 characters")


def test_no_root_is_said_before_anything_is_made(tmp_path):
    """`wig up` without rights leaves nothing behind, and says how to do without a gateway."""
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o777)
    # It may read what root may: the checkout can be in a directory that is root's own.
    reading = ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")
    done = subprocess.run(
        ["setpriv", "--reuid", "65534", "--clear-groups", *reading, *WIG, "up"],
        env=environment(home / "state"), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 1
    assert "may not change the network" in done.stderr
    assert "--no-gateway" in done.stderr
    assert not (home / "state").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--address", "10.0.0.0/16"], "addresses: '10.0.0.0/16'"),
        (["--port", "70000"], "port: '70000'"),
        (["--interface", "wg 0"], "name: 'wg 0'"),
    ],
)
def test_a_wrong_first_interface_ends_wig_up_and_can_be_corrected(run, tmp_path, words, message):
    """The first start failed, so the next one is the first again."""
    failed = run("up", "--no-gateway", *words)

    with Up(tmp_path / "state", "--no-gateway") as up:
        interfaces = up.ready["interfaces"]

    assert failed.code == 1
    assert message in failed.err
    assert "Traceback" not in failed.err
    assert len(interfaces) == 1


@pytest.fixture
async def server(tmp_path):
    """A nats-server of its own, as an operator would run one."""
    async with NatsServer(ServerOptions(directory=tmp_path / "nats")) as running:
        yield running


@pytest.fixture
def bus(server):
    """The options that lead to it."""
    token = ("--token-file", str(server.credentials_file))
    return ["--server", server.url, *token, "--identity", "admin"]


def test_a_datastore_of_its_own_serves_until_sigterm(run, db, bus, tmp_path):
    """`wig datastore` on somebody's server; a second one on the same database is refused."""
    serve = ["datastore", "--db", str(db), "--name", "one", *bus]
    with running(tmp_path / "state", *serve) as process:
        eventually_sync(lambda: run("status", *bus).code == 0, "the datastore to serve", 20)
        created = run("interface", "create", "wg0", "--address", "10.0.0.1/24", *bus)
        second = run("datastore", "--db", str(db), "--name", "one", *bus)

        process.send_signal(signal.SIGTERM)
        code = process.wait(20)

    assert (created.code, code) == (0, 0)
    assert (second.code, "is in use by process" in second.err) == (1, True)
    assert run("status", *bus).code == 3


def test_a_second_primary_of_the_same_name_is_turned_away(run, db, bus, tmp_path):
    """Another database under the same name finds the first one alive: exit code 78."""
    assert run("init", "--db", str(tmp_path / "other.db")).code == 0
    serve = ["datastore", "--db", str(db), "--name", "one", *bus]
    with running(tmp_path / "state", *serve) as process:
        eventually_sync(lambda: run("status", *bus).code == 0, "the datastore to serve", 20)

        done = run("datastore", "--db", str(tmp_path / "other.db"), "--name", "one", *bus)

        process.send_signal(signal.SIGTERM)
        process.wait(20)

    assert done.code == 78
    assert done.err.splitlines()[-2].startswith("wig: ")


def test_a_follower_has_what_the_primary_has(run, db, bus, tmp_path):
    """`wig datastore --follow` makes its database, keeps up, and can be verified."""
    state, copy = tmp_path / "state", tmp_path / "copy.db"
    serve = ["datastore", "--db", str(db), "--name", "one", *bus[:4]]
    follow = ["datastore", "--db", str(copy), "--name", "two", "--follow", "one", *bus[:4]]
    with running(state, *serve) as primary, running(state, *follow) as follower:
        eventually_sync(lambda: run("status", *bus).code == 0, "the primary to serve", 20)
        run("interface", "create", "wg0", "--address", "10.0.0.1/24", *bus)

        def lags():
            nodes = run("status", "--output", "json", *bus).document["nodes"]
            return {node["name"]: node["lag_entries"] for node in nodes}

        eventually_sync(lambda: lags() == {"one": 0, "two": 0}, "the follower to keep up", 20)
        for process in (follower, primary):
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(20) for process in (follower, primary)]

    first, second = (run("verify", str(path), "--output", "json").document for path in (db, copy))
    assert codes == [0, 0]
    assert second["position"] == first["position"]
