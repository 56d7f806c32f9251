"""The used addresses in SQLite are those in memory, however small the window."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wig import allocation
from wig.allocation import MemoryIslands
from wig.sqlite import islands, migrations, rows
from wig.sqlite.islands import SqliteIslands

LAST = {4: (1 << 32) - 1, 6: (1 << 128) - 1}


@pytest.fixture
def connection():
    with closing(database()) as connection:
        yield connection


def database():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.text_factory = bytes
    migrations.create(connection)
    return connection


def stored(connection, version=4):
    return list(islands.stored(connection, "wg0", version))


@pytest.mark.parametrize("version", [4, 6])
def test_the_ends_of_the_address_space_are_addresses_like_others(connection, version):
    """Neither the first nor the last overflows."""
    used = SqliteIslands(connection, "wg0", version)
    last = LAST[version]
    for address in (0, last, last - 1, 1):
        allocation.occupy(used, (address, address))
    used.flush()

    assert stored(connection, version) == [(0, 1), (last - 1, last)]
    assert used.at_or_before(last + 1) == (last - 1, last)
    allocation.release(used, (0, 1))
    allocation.release(used, (last - 1, last))
    used.flush()
    assert stored(connection, version) == []


def test_what_is_not_flushed_is_seen(connection):
    """Reading elsewhere and coming back does not lose it."""
    used = SqliteIslands(connection, "wg0", 4)
    used.put((10, 20))

    assert used.at_or_before(15) == (10, 20)
    assert used.at_or_before(5) is None
    assert stored(connection) == []


def test_sequential_addresses_cost_one_island(connection):
    """A pool that fills up is one row that grows, however many peers there are."""
    used = SqliteIslands(connection, "wg0", 4)
    statements = []
    connection.set_trace_callback(statements.append)

    for _ in range(1000):
        address = allocation.first_free(used, (0, 5000))
        allocation.occupy(used, (address, address))
    used.flush()

    connection.set_trace_callback(None)
    assert stored(connection) == [(0, 999)]
    assert len(statements) == 3


step = st.one_of(
    st.tuples(st.just("toggle"), st.integers(0, 60), st.integers(0, 3)),
    st.tuples(st.just("find"), st.integers(0, 61), st.just(0)),
    st.tuples(st.just("flush"), st.just(0), st.just(0)),
    st.tuples(st.just("cold"), st.just(0), st.just(0)),
)


@given(st.lists(step, max_size=60), st.integers(1, 3))
@example([("toggle", 4, 0), ("toggle", 2, 0), ("toggle", 0, 0), ("cold", 0, 0), ("find", 1, 0)], 1)
def test_every_history_gives_the_islands_of_memory(steps, window):
    """Occupied, released, looked up, flushed and forgotten in any order."""
    with closing(database()) as connection, pytest.MonkeyPatch.context() as patch:
        patch.setattr(islands, "WINDOW_ISLANDS", window)
        used, model = SqliteIslands(connection, "wg0", 4), MemoryIslands()
        for what, address, more in steps:
            bounds = address, address + more
            if what == "toggle":
                toggle(used, model, bounds)
            elif what == "find":
                assert used.at_or_before(address) == model.at_or_before(address)
            elif what == "flush":
                used.flush()
            else:
                used.flush()
                used = SqliteIslands(connection, "wg0", 4)
        used.flush()
        assert stored(connection) == model.all()


def toggle(used, model, bounds):
    """Occupy what is free, release what is used, leave what is mixed."""
    meets = allocation.overlapping(model, bounds)
    if meets is None:
        change = allocation.occupy
    elif meets[0] <= bounds[0] and bounds[1] <= meets[1]:
        change = allocation.release
    else:
        return
    change(used, bounds)
    change(model, bounds)


def test_addresses_sort_as_numbers():
    """What SQLite compares are bytes."""
    numbers = [0, 1, 255, 256, (1 << 31) - 1, 1 << 31, LAST[4]]

    assert sorted(numbers, key=lambda each: rows.blob(4, each)) == numbers
