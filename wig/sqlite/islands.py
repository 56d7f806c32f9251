"""The used addresses of one interface and family, in SQLite behind a window in memory.

Called by the writer's view. `wig.allocation` looks at the same two or three islands again and
again while peers are created, so they are held in a window: all islands that begin in
[`_low`, `_high`], of which the first begins at `_low` unless that is 0. Changes stay in the
window until `flush`. What is outside is read on demand, so that the memory is bounded however
fragmented a pool is.
"""

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from wig import addresses, allocation, errors
from wig.model import Interface
from wig.ports import Bounds
from wig.sqlite import rows, sql

WINDOW_ISLANDS = 16  # read on each side of an address: 15 µs when addresses come at random

_BEYOND = 1 << 128  # greater than every address

_BEFORE = sql.query("island_before")
_AFTER = sql.query("island_after")
_PUT = sql.query("island_put")
_DROP = sql.query("island_drop")


class SqliteIslands:
    """The islands of one interface and family; `ports.Islands`."""

    def __init__(self, connection: sqlite3.Connection, interface: str, version: int) -> None:
        """Hold nothing yet."""
        self._connection = connection
        self._interface = interface
        self._version = version
        self._greatest = (1 << 8 * rows.ADDRESS_BYTES[version]) - 1
        self._low, self._high = 1, 0  # an empty window
        self._firsts: list[int] = []
        self._lasts: dict[int, int] = {}
        self._changed: set[int] = set()

    def at_or_before(self, address: int) -> Bounds | None:
        """Return the island with the greatest first address ≤ `address`."""
        if not self._low <= address <= self._high:
            address = min(address, self._greatest)
            self._look_at(address)
        index = bisect_right(self._firsts, address)
        if index == 0:
            return None
        first = self._firsts[index - 1]
        return first, self._lasts[first]

    def put(self, island: Bounds) -> None:
        """Store an island; one with the same first address is replaced."""
        first, last = island
        if not self._low <= first <= self._high:
            self._look_at(first)
        if first not in self._lasts:
            self._firsts.insert(bisect_left(self._firsts, first), first)
        self._lasts[first] = last
        self._changed.add(first)

    def drop(self, first: int) -> None:
        """Remove the island that starts at `first`."""
        if not self._low <= first <= self._high:
            self._look_at(first)
        del self._lasts[first]
        del self._firsts[bisect_left(self._firsts, first)]
        self._changed.add(first)
        if first == self._low and first > 0:
            # What is at or before this address now is not in the window.
            self._low = self._firsts[0] if self._firsts else self._high + 1

    def flush(self) -> None:
        """Write what changed to SQLite."""
        if not self._changed:
            return
        version, lasts, key = self._version, self._lasts, (self._interface, self._version)
        gone = [(*key, rows.blob(version, each)) for each in self._changed if each not in lasts]
        self._connection.executemany(_DROP, gone)
        kept = [
            (*key, rows.blob(version, each), rows.blob(version, lasts[each]))
            for each in self._changed
            if each in lasts
        ]
        self._connection.executemany(_PUT, kept)
        self._changed.clear()

    def _look_at(self, address: int) -> None:
        """Move the window to where questions about `address` can be answered."""
        self.flush()
        key = (self._interface, self._version, rows.blob(self._version, address))
        before = self._connection.execute(_BEFORE, (*key, WINDOW_ISLANDS)).fetchall()
        after = self._connection.execute(_AFTER, (*key, WINDOW_ISLANDS)).fetchall()
        found = [rows.bounds(*row) for row in (*before[::-1], *after)]
        self._firsts = [first for first, _ in found]
        self._lasts = dict(found)
        self._low = self._firsts[0] if len(before) == WINDOW_ISLANDS else 0
        self._high = self._firsts[-1] if len(after) == WINDOW_ISLANDS else self._greatest


def sweep(connection: sqlite3.Connection, interface: Interface, version: int) -> Iterator[Bounds]:
    """Yield the islands that an interface must have, from its address and its peers' ranges.

    Raises `Damaged` if two of them overlap.
    """
    cidr = addresses.cidr_of(interface.addresses, version)
    special = sorted(allocation.reserved(cidr)) if cidr else []
    query = sql.query(f"peer_ranges_{version}")
    taken = connection.execute(query, (interface.name,))
    island: Bounds | None = None
    for first, last in _with(special, taken):
        if island is None:
            island = first, last
        elif first == island[1] + 1:
            island = island[0], last
        elif first <= island[1]:
            raise errors.Damaged(f"interface {interface.name!r}: two owners of one address")
        else:
            yield island
            island = first, last
    if island is not None:
        yield island


def stored(connection: sqlite3.Connection, interface: str, version: int) -> Iterator[Bounds]:
    """Yield the islands that are in the table."""
    found = connection.execute(sql.query("island_list"), (interface, version))
    return (rows.bounds(*row) for row in found)


def _with(special: list[int], taken: Iterable[tuple[bytes, bytes]]) -> Iterator[Bounds]:
    """Put a few single addresses into a million ranges, in order; `heapq.merge` is slower."""
    waiting = [*reversed(special)]
    limit = waiting[-1] if waiting else _BEYOND
    for stored_first, stored_last in taken:
        first = int.from_bytes(stored_first, "big")
        last = first if stored_last == stored_first else int.from_bytes(stored_last, "big")
        while limit < first:
            yield limit, waiting.pop()
            limit = waiting[-1] if waiting else _BEYOND
        yield first, last
    while waiting:
        address = waiting.pop()
        yield address, address
