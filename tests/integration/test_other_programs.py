"""Somebody looks into the database of a running primary with another program."""

import subprocess
import sys

import pytest

from tests import builders, datastores
from tests.builders import key
from tests.program import Up
from wig import sqlite

LOOK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(connection.execute("SELECT count(*) FROM peer").fetchone()[0])
connection.close()
"""


def look(path):
    """Open the database as a shell does, count the peers, and close it."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(path)], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


BESIDE = [
    pytest.param(lambda path: sqlite.Reader(path).close(), id="a reader"),
    pytest.param(sqlite.verify, id="verify"),
    pytest.param(lambda path: sqlite.backup(path, path.with_name("copy.db")), id="backup"),
]


@pytest.mark.parametrize("beside", BESIDE)
def test_what_comes_after_is_in_the_file_and_not_in_a_deleted_one(tmp_path, beside):
    """Opening it in this process keeps SQLite's locks, so nobody believes to be the last."""
    path = tmp_path / "wig.db"
    with datastores.make(path, builders.create_interface()) as datastore:
        beside(path)
        look(path)
        datastores.ask(datastore, builders.create_peer())

        assert look(path) == 1


def test_nothing_acknowledged_is_lost_after_somebody_looked(tmp_path):
    """A shell is opened and closed, a peer is created, and the primary is killed."""
    state = tmp_path / "state"
    first = Up(state, "--no-gateway")
    assert look(state / "wig.db") == 0
    assert first.wig("peer", "create", "wg0", "--public-key", key(1)).code == 0
    first.kill()

    with Up(state, "--no-gateway") as second:
        peers = second.wig("peer", "list", "--output", "json").document["peers"]

    assert [peer["public_key"] for peer in peers] == [key(1)]
