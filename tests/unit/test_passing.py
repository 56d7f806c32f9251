"""When time may pass for sessions."""

import pytest

from wig.passing import GAP_S, GRACE_S, Passing


def heard(*moments):
    passing = Passing()
    return [passing.heard(at_s) for at_s in moments]


def test_gateways_are_given_a_moment_at_the_start():
    """They may have kept reports for an hour."""
    assert heard(1000, 1000 + GRACE_S - 1, 1000 + GRACE_S) == [False, False, True]


def test_gateways_are_given_a_moment_when_nobody_could_be_heard():
    """After the hub was away, all of them seem to have been silent."""
    back = 1000 + GRACE_S + GAP_S + 1

    assert heard(1000, 1000 + GRACE_S, back, back + GRACE_S / 2, back + GRACE_S) == [
        False, True, False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize("gap_s", [0, 1, GAP_S])
def test_a_little_silence_is_nothing(gap_s):
    """Gateways report twice a minute."""
    assert heard(1000, 1000 + GRACE_S, 1000 + GRACE_S + gap_s)[-1]


def test_a_report_from_before_does_not_turn_time_back():
    """Messages and looks at the clock may overtake each other."""
    assert heard(1000, 1000 + GRACE_S, 1000 + GRACE_S - 5, 1000 + GRACE_S + GAP_S) == [
        False, True, False, True,
    ]  # fmt: skip
