"""Moving the WAL into the file beside the writer."""

import sqlite3
import threading
from contextlib import closing

import pytest

from tests import builders, datastores
from tests.eventually import eventually_sync
from wig import sqlite
from wig.sqlite import checkpoints

WAL_BYTES_MAX = 1_500_000  # 3,000 peers write 20 MB


@pytest.fixture(autouse=True)
def _often(monkeypatch, datastore):
    monkeypatch.setattr(checkpoints, "DUE_PAGES", 40)
    large = builders.create_interface("large", addresses=("172.16.0.1/12",), port=51821)
    datastores.ask(datastore, large)


def write(datastore, peers, start=0):
    for first in range(start, start + peers, 20):
        datastores.commit(datastore, *requests(first, 20))
        settle()


def requests(first, count):
    return [
        datastores.request(builders.create_peer(n, interface="large"))
        for n in range(first, first + count)
    ]


def settle():
    """Wait for the thread: how long it takes is the machine's business."""
    eventually_sync(
        lambda: all(each.name != "wig-checkpoint" for each in threading.enumerate()),
        "the WAL is moved",
        timeout_s=10,
    )


def wal_bytes(datastore):
    return datastore.path.with_name(datastore.path.name + "-wal").stat().st_size


def test_wal_stays_small_while_the_writer_never_pauses(datastore):
    """It begins from its start again and again, and the file has what it had."""
    write(datastore, 3000)

    assert wal_bytes(datastore) < WAL_BYTES_MAX
    with datastore.reader() as reader:
        assert reader.counts().peers == 3000


def test_a_reader_keeps_the_wal_and_not_the_writer(datastore):
    """What a snapshot still reads stays in the WAL; writing goes on, and it is moved afterwards."""
    with closing(sqlite3.connect(datastore.path)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM entry").fetchone()
        write(datastore, 1000)
        kept = wal_bytes(datastore)
    write(datastore, 1000, start=1000)

    assert kept > WAL_BYTES_MAX
    assert wal_bytes(datastore) == kept, "the file is written from its start again"


def test_file_is_whole_when_it_is_closed_meanwhile(datastore):
    """Closing waits for the thread; whoever opens the file finds everything."""
    datastores.commit(datastore, *requests(0, 200))
    datastore.close()

    with sqlite.Datastore.open(datastore.path) as again, again.reader() as reader:
        assert reader.counts().peers == 200
    sqlite.verify(datastore.path)
