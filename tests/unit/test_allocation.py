"""Islands: used addresses as runs that never touch."""

import pytest

from wig import addresses, allocation, errors
from wig.allocation import MemoryIslands


def _islands(*bounds: tuple[int, int]) -> MemoryIslands:
    islands = MemoryIslands()
    for each in bounds:
        allocation.occupy(islands, each)
    return islands


@pytest.mark.parametrize(
    ("new", "after"),
    [
        pytest.param((1, 2), [(1, 2), (10, 19), (30, 39)], id="apart"),
        pytest.param((8, 9), [(8, 19), (30, 39)], id="touches-the-next"),
        pytest.param((20, 21), [(10, 21), (30, 39)], id="touches-the-one-before"),
        pytest.param((20, 29), [(10, 39)], id="bridges-both"),
        pytest.param((40, 40), [(10, 19), (30, 40)], id="at-the-end"),
    ],
)
def test_islands_that_touch_become_one(new, after):
    """Islands are maximal runs."""
    islands = _islands((10, 19), (30, 39))

    allocation.occupy(islands, new)

    assert islands.all() == after


@pytest.mark.parametrize("bounds", [(10, 10), (19, 20), (9, 10), (12, 13), (0, 50), (19, 30)])
def test_a_used_address_is_never_used_twice(bounds):
    """Occupying is refused, and changes nothing, when any address is used."""
    islands = _islands((10, 19), (30, 39))

    with pytest.raises(errors.Damaged, match="used already"):
        allocation.occupy(islands, bounds)

    assert islands.all() == [(10, 19), (30, 39)]


@pytest.mark.parametrize(
    ("gone", "after"),
    [
        pytest.param((10, 19), [], id="all"),
        pytest.param((10, 12), [(13, 19)], id="head"),
        pytest.param((17, 19), [(10, 16)], id="tail"),
        pytest.param((13, 14), [(10, 12), (15, 19)], id="middle"),
    ],
)
def test_releasing_splits_an_island(gone, after):
    """What was around the released range stays used."""
    islands = _islands((10, 19))

    allocation.release(islands, gone)

    assert islands.all() == after


@pytest.mark.parametrize("bounds", [(9, 10), (19, 20), (25, 26), (1, 2)])
def test_a_free_address_is_never_released(bounds):
    """Releasing is refused, and changes nothing, when any address is free."""
    islands = _islands((10, 19))

    with pytest.raises(errors.Damaged, match="not in use"):
        allocation.release(islands, bounds)

    assert islands.all() == [(10, 19)]


@pytest.mark.parametrize(
    ("within", "free"),
    [
        pytest.param((0, 9), 0, id="nothing-used"),
        pytest.param((10, 29), 20, id="after-an-island"),
        pytest.param((15, 29), 20, id="inside-an-island"),
        pytest.param((20, 29), 20, id="between"),
        pytest.param((10, 19), None, id="full"),
        pytest.param((12, 15), None, id="part-of-an-island"),
        pytest.param((30, 99), 40, id="last-island"),
    ],
)
def test_the_lowest_free_address_is_found(within, free):
    """Only addresses of the pool count."""
    assert allocation.first_free(_islands((10, 19), (30, 39)), within) == free


@pytest.mark.parametrize(
    ("bounds", "found"),
    [
        pytest.param((0, 9), None, id="before"),
        pytest.param((20, 29), None, id="between"),
        pytest.param((40, 50), None, id="after"),
        pytest.param((5, 10), (10, 19), id="first-address"),
        pytest.param((19, 25), (10, 19), id="last-address"),
        pytest.param((0, 99), (30, 39), id="all"),
    ],
)
def test_overlapping_is_seen(bounds, found):
    """One look-up finds an island that has any of the addresses."""
    assert allocation.overlapping(_islands((10, 19), (30, 39)), bounds) == found


@pytest.mark.parametrize(
    ("text", "reserved"),
    [
        pytest.param(
            "10.0.0.1/24",
            {"10.0.0.0": "network address", "10.0.0.255": "broadcast address"},
            id="ipv4",
        ),
        pytest.param("fd00::1/64", {"fd00::": "subnet-router anycast address"}, id="ipv6"),
        pytest.param("10.0.0.0/31", {}, id="point-to-point"),
        pytest.param("fd00::/127", {}, id="point-to-point6"),
        pytest.param("10.0.0.7/32", {}, id="single"),
    ],
)
def test_some_addresses_of_a_network_are_reserved(text, reserved):
    """The interface's own, and those that no host may have."""
    cidr = addresses.parse_cidr(text, "addresses")

    found = {
        addresses.host_text(cidr.version, address): what
        for address, what in allocation.reserved(cidr).items()
    }

    assert found == reserved | {text.split("/")[0]: "own address"}


def test_reserved_addresses_come_and_go_with_the_interface():
    """Nothing is left when the interface loses its address."""
    islands, cidr = MemoryIslands(), addresses.parse_cidr("10.0.0.1/24", "addresses")

    allocation.occupy_reserved(islands, cidr)
    used = [last - first + 1 for first, last in islands.all()]
    allocation.release_reserved(islands, cidr)

    assert used == [2, 1]
    assert islands.all() == []


class CountingIslands(MemoryIslands):
    """Islands that count how often they are looked at."""

    looks = 0

    def at_or_before(self, address: int) -> tuple[int, int] | None:
        self.looks += 1
        return super().at_or_before(address)


@pytest.mark.parametrize("text", ["10.0.0.1/24", "10.0.0.1/8", "fd00::1/48"])
def test_a_free_address_costs_one_look_however_big_the_pool_is(text):
    """And taking it one more, whatever is used already."""
    cidr, islands = addresses.parse_cidr(text, "addresses"), CountingIslands()
    allocation.occupy_reserved(islands, cidr)
    for index in range(0, 200, 2):
        allocation.occupy(islands, (cidr.pool[0] + 10 + index, cidr.pool[0] + 10 + index))
    islands.looks = 0

    free = allocation.first_free(islands, cidr.pool)
    assert islands.looks == 1
    allocation.overlapping(islands, (free, free))
    assert islands.looks == 2
    allocation.occupy(islands, (free, free))
    assert islands.looks == 3
