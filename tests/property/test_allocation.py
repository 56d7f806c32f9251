"""Islands against the simplest model there is: a set of used addresses."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from wig import allocation, errors
from wig.allocation import MemoryIslands

SIZE = 32
BASES = st.sampled_from([0, 10 << 24, (1 << 32) - SIZE, (1 << 128) - SIZE])
BOUNDS = st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)).map(
    lambda ends: (min(ends), max(ends))
)
STEPS = st.lists(st.tuples(st.booleans(), BOUNDS), max_size=40)


def _runs(used: set[int]) -> list[tuple[int, int]]:
    starts = sorted(address for address in used if address - 1 not in used)
    ends = sorted(address for address in used if address + 1 not in used)
    return list(zip(starts, ends, strict=True))


@given(BASES, STEPS, BOUNDS)
def test_islands_are_the_runs_of_a_set(base, steps, within):
    """Whatever is occupied and released, in any order, up to the last address of a family."""
    islands, used = MemoryIslands(), set()

    for occupying, (first, last) in steps:
        bounds = (base + first, base + last)
        wanted = set(range(bounds[0], bounds[1] + 1))
        change = allocation.occupy if occupying else allocation.release
        if used.isdisjoint(wanted) if occupying else wanted <= used:
            change(islands, bounds)
            used = used | wanted if occupying else used - wanted
        else:
            with pytest.raises(errors.Damaged):
                change(islands, bounds)
        assert islands.all() == _runs(used)

    pool = range(base + within[0], base + within[1] + 1)
    free = min(set(pool) - used, default=None)
    assert allocation.first_free(islands, (pool[0], pool[-1])) == free
    met = allocation.overlapping(islands, (pool[0], pool[-1]))
    assert (met is None) == used.isdisjoint(pool)
