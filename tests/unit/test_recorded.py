"""What the arrival of reports tells."""

import pytest

from wig.recorded import GAP_S, SET_BACK_S, Recorded

NOON = 1_800_000_000


@pytest.fixture
def recorded():
    """One that has heard a report."""
    it = Recorded()
    it.heard(NOON)
    return it


def test_nothing_is_recorded_before_the_first_report():
    """Then it begins."""
    recorded = Recorded()
    assert recorded.since == 0

    assert not recorded.heard(NOON)
    assert recorded.since == NOON


def test_it_goes_on_while_no_report_can_be_lost(recorded):
    """The stream keeps what nobody reads for three days."""
    assert not recorded.heard(NOON + GAP_S)

    assert recorded.since == NOON


def test_it_begins_anew_after_a_gap(recorded):
    """Also when the gap was while this program did not run."""
    later = NOON + GAP_S + 1
    stored = Recorded(NOON, NOON)

    for it in (recorded, stored):
        it.heard(later)
        assert it.since == later


def test_it_begins_anew_when_reports_are_known_to_be_lost(recorded):
    """With the next one."""
    recorded.anew()
    recorded.heard(NOON + 30)

    assert recorded.since == NOON + 30


def test_reports_that_come_a_little_disordered_are_no_news(recorded):
    """Servers of a cluster take turns."""
    assert not recorded.heard(NOON - SET_BACK_S)
    assert not recorded.heard(NOON)
    assert recorded.since == NOON


def test_it_begins_anew_with_the_report_after_those_that_are_lost(recorded):
    """That one has come; those before it have not."""
    recorded.heard(NOON + 60)
    recorded.lost(NOON + 60)
    recorded.heard(NOON + 90)

    assert recorded.since == NOON + 60


def test_a_clock_that_is_set_back_is_noticed_once(recorded):
    """What was recorded since a time that has not come is recorded since now."""
    stored = Recorded(NOON + 365 * 86400, NOON + 365 * 86400)

    assert stored.heard(NOON + 60)
    assert stored.since == NOON + 60
    assert not stored.heard(NOON + 90)


def test_a_clock_that_was_ahead_for_minutes_is_no_gap(recorded):
    """As far as anybody can tell it is one, until the clock is set back."""
    ahead = NOON + 365 * 86400
    recorded.heard(ahead)
    assert recorded.since == ahead

    assert recorded.heard(NOON + 60)
    assert recorded.since == NOON


def test_a_gap_stays_one_when_the_clock_is_set_back_after_it(recorded):
    """It was as long by the clock that is right."""
    later = NOON + GAP_S + 1000
    recorded.heard(later)

    assert recorded.heard(later - 100)
    assert recorded.since == later - 100


def test_what_is_lost_is_a_gap_whatever_the_clock_says(recorded):
    """Reports of a clock that was ahead pushed others out of the stream."""
    ahead = NOON + 365 * 86400
    recorded.heard(ahead)
    recorded.lost(ahead)

    assert recorded.heard(NOON + 60)
    assert recorded.since == NOON + 60
