"""When time may pass for sessions."""

import pytest

from wig.passing import GAP_S, GRACE_S, Passing


def heard(*moments):
    passing = Passing()
    return [passing.heard(at_s) for at_s in moments]


def test_gateways_are_given_a_moment_at_the_start():
    """They may have kept reports for an hour: nobody is silent until then."""
    over = 1000 + GRACE_S

    assert heard(1000, over - 1, over) == [0, 0, over]


def test_gateways_are_given_a_moment_when_nobody_could_be_heard():
    """After the hub was away, all of them seem to have been silent."""
    gone, back = 1000 + GRACE_S, 1000 + GRACE_S + GAP_S + 1

    assert heard(1000, gone, back, back + GRACE_S / 2, back + GRACE_S) == [
        0, gone, gone, gone, back + GRACE_S,
    ]  # fmt: skip


@pytest.mark.parametrize("gap_s", [0, 1, GAP_S])
def test_a_little_silence_is_nothing(gap_s):
    """Gateways report twice a minute."""
    at_s = 1000 + GRACE_S + gap_s

    assert heard(1000, 1000 + GRACE_S, at_s)[-1] == at_s


def test_a_report_from_before_does_not_turn_time_back():
    """Messages and looks at the clock may overtake each other."""
    start = 1000 + GRACE_S

    assert heard(1000, start, start + 5, start + 2, start + 5 + GAP_S)[-1] == start + 5 + GAP_S


@pytest.mark.parametrize("ahead_s", [GRACE_S + GAP_S, 365 * 86400])
def test_a_clock_that_was_wrong_and_is_set_back_stops_nothing(ahead_s):
    """Otherwise a gateway that is gone for good would be waited for until that time comes again."""
    start = 1000 + GRACE_S
    wrong = start + ahead_s

    assert heard(1000, start, wrong, wrong + 30, start + 60, start + 90) == [
        0, start, start, start, start + 60, start + 90,
    ]  # fmt: skip
