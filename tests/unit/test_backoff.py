"""Waits between retries."""

from wig.backoff import Backoff


def test_the_first_retry_after_a_success_is_at_once_and_later_ones_take_longer():
    """0, then 1, 2, 4 … seconds, at most 5."""
    backoff = Backoff(1.0, 5.0)
    almost = 1 - 1e-9

    waits = [round(backoff.wait_s(almost), 6) for _ in range(6)]

    assert waits == [0, 1, 2, 4, 5, 5]


def test_chance_takes_away_up_to_half_of_a_wait():
    """Many who failed together come back spread out."""
    backoff = Backoff(1.0, 5.0)
    backoff.failed()

    assert backoff.wait_s(0.0) == 0.5


def test_a_success_makes_the_next_retry_immediate_again():
    """What happened before does not count any more."""
    backoff = Backoff(1.0, 5.0)
    backoff.wait_s(0.5)
    backoff.wait_s(0.5)

    backoff.succeeded()

    assert backoff.wait_s(0.5) == 0


def test_after_a_noted_failure_no_retry_is_immediate():
    """Repeats of noting it change nothing."""
    backoff = Backoff(1.0, 5.0)

    backoff.failed()
    backoff.failed()

    assert backoff.wait_s(0.0) == 0.5
