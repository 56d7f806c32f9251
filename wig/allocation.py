"""Which addresses are used, and which is the first free one, in one look-up each.

Called by `decide` and by every state that keeps islands. An island is a maximal run of used
addresses: two islands never touch, so the address after an island is always free. A pool of a
million peers, created one by one, is a single island; neither the size of the pool nor the number
of peers costs anything.

Why not a bitmap: a /48 has 2**80 addresses. Why not a list of free ranges: a peer may also have
addresses outside its pool, and those must not overlap either.
"""

from bisect import bisect_left, bisect_right

from wig import errors
from wig.addresses import BITS, Cidr
from wig.ports import Bounds, Islands


class MemoryIslands:
    """Islands as a sorted list, for tests and for states in memory."""

    def __init__(self) -> None:
        """Use no address yet."""
        self._firsts: list[int] = []
        self._lasts: dict[int, int] = {}

    def at_or_before(self, address: int) -> Bounds | None:
        """Return the island with the greatest first address ≤ `address`."""
        index = bisect_right(self._firsts, address)
        if index == 0:
            return None
        first = self._firsts[index - 1]
        return first, self._lasts[first]

    def put(self, island: Bounds) -> None:
        """Store an island; one with the same first address is replaced."""
        first, last = island
        if first not in self._lasts:
            self._firsts.insert(bisect_left(self._firsts, first), first)
        self._lasts[first] = last

    def drop(self, first: int) -> None:
        """Remove the island that starts at `first`."""
        del self._lasts[first]
        del self._firsts[bisect_left(self._firsts, first)]

    def all(self) -> list[Bounds]:
        """Return every island, in order."""
        return [(first, self._lasts[first]) for first in self._firsts]


def first_free(islands: Islands, within: Bounds) -> int | None:
    """Return the lowest free address of `within`, or None."""
    first, last = within
    island = islands.at_or_before(first)
    if island is None or island[1] < first:
        return first
    free = island[1] + 1
    return free if free <= last else None


def overlapping(islands: Islands, bounds: Bounds) -> Bounds | None:
    """Return an island that has any address of `bounds`, or None."""
    island = islands.at_or_before(bounds[1])
    return island if island is not None and island[1] >= bounds[0] else None


def occupy(islands: Islands, bounds: Bounds) -> None:
    """Mark addresses as used; raise `Damaged` if any of them already is."""
    first, last = bounds
    left = islands.at_or_before(last + 1)
    right = None
    if left is not None and left[0] == last + 1:
        right, left = left, islands.at_or_before(last)
    if left is not None and left[1] >= first:
        raise errors.Damaged(f"islands: {bounds} meets {left}, which is used already")
    if right is not None:
        islands.drop(right[0])
        last = right[1]
    if left is not None and left[1] + 1 == first:
        first = left[0]
    islands.put((first, last))


def release(islands: Islands, bounds: Bounds) -> None:
    """Mark used addresses as free; raise `Damaged` if any of them already is."""
    first, last = bounds
    island = islands.at_or_before(first)
    if island is None or island[1] < last:
        raise errors.Damaged(f"islands: {bounds} is not in use")
    if island[0] < first:
        islands.put((island[0], first - 1))
    else:
        islands.drop(first)
    if last < island[1]:
        islands.put((last + 1, island[1]))


def special(cidr: Cidr) -> dict[int, str]:
    """Return the addresses of a network that no host may have, and what they are.

    Networks of one or two addresses have none (RFC 3021, RFC 6164).
    """
    first, last = cidr.pool
    if cidr.prefix_length >= BITS[cidr.version] - 1:
        return {}
    if cidr.version == 4:
        return {first: "network address", last: "broadcast address"}
    return {first: "subnet-router anycast address"}  # RFC 4291, section 2.6.1


def reserved(cidr: Cidr) -> dict[int, str]:
    """Return the addresses of an interface's network that no peer may have, and what they are."""
    return special(cidr) | {cidr.address: "own address"}


def occupy_reserved(islands: Islands, cidr: Cidr) -> None:
    """Mark what no peer may have as used, when an interface gets its address."""
    for address in reserved(cidr):
        occupy(islands, (address, address))


def release_reserved(islands: Islands, cidr: Cidr) -> None:
    """Undo `occupy_reserved`, when an interface loses its address."""
    for address in reserved(cidr):
        release(islands, (address, address))
