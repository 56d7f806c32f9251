"""Who is gone, by the lists of servers."""

import pytest

from bridge.roll import ROUND_S, SILENT_ROUNDS_MAX, Roll


@pytest.fixture
def roll():
    """Nothing was read yet."""
    return Roll()


def listed(roll, *pages, server="A"):
    """Read a whole list."""
    offset = 0
    for number, page in enumerate(pages, 1):
        roll.page(server, offset, page, last=number == len(pages))
        offset += len(page)


def rounds(roll, count, *, server="A", answers=("B",)):
    """Ask so often, and have these servers answer."""
    for number in range(1, count + 1):
        roll.asked([server], number * ROUND_S)
        for one in answers:
            listed(roll, [1], server=one)


def test_who_is_in_none_of_two_lists_is_gone(roll):
    """However many pages a list has."""
    for _ in range(2):
        listed(roll, [1, 2], [3, 4], [5])

    assert [number for number in range(1, 8) if roll.gone("A", number)] == [6, 7]


def test_one_list_is_not_enough(roll):
    """Who left while it was read may have moved somebody to a page that was read before."""
    listed(roll, [1, 2], [3])
    assert not roll.gone("A", 4)

    listed(roll, [1, 2], [4])
    assert not roll.gone("A", 4)
    assert not roll.gone("A", 3)


def test_half_a_list_is_none(roll):
    """Its end was lost; the next one begins anew."""
    listed(roll, [1], [2])
    listed(roll, [1], [2])
    roll.page("A", 0, [1], last=False)
    assert not roll.gone("A", 2)

    listed(roll, [1], [2])
    assert not roll.gone("A", 2)


def test_two_lists_at_once_are_one(roll):
    """The second begins before the end of the first."""
    listed(roll, [1], [2])
    roll.page("A", 0, [1], last=False)
    roll.page("A", 0, [1], last=False)
    roll.page("A", 1, [2], last=True)
    roll.page("A", 1, [2], last=True)

    assert not roll.gone("A", 2)
    assert roll.gone("A", 3)


def test_a_server_that_is_silent_while_others_answer_is_gone(roll):
    """It was restarted, and has another id; nothing of it is kept."""
    listed(roll, [7])
    rounds(roll, SILENT_ROUNDS_MAX - 1)
    assert not roll.gone("A", 7)

    roll.asked(["A"], SILENT_ROUNDS_MAX * ROUND_S)
    listed(roll, [1], server="B")
    assert roll.gone("A", 7)
    assert not roll.gone("B", 1)

    roll.drop_silent()
    assert not roll.gone("A", 7)
    assert set(roll._silent) == set(roll._lists) == {"B"}


def test_nobody_is_gone_while_we_hear_nobody(roll):
    """It is our own connection that is down."""
    listed(roll, [7])
    rounds(roll, 3 * SILENT_ROUNDS_MAX, answers=())

    assert not roll.gone("A", 7)


def test_questions_in_a_hurry_are_one_round(roll):
    """Each change of a token asks: a server has a minute to answer all the same."""
    listed(roll, [7])
    for _ in range(3 * SILENT_ROUNDS_MAX):
        roll.asked(["A"], ROUND_S)
        listed(roll, [1], server="B")

    assert not roll.gone("A", 7)
