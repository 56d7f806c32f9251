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


def test_a_clock_that_is_set_back_is_noticed_once(recorded):
    """What was recorded since a time that has not come is recorded since now."""
    ahead = NOON + 365 * 86400
    recorded.heard(ahead)
    assert recorded.since == ahead, "a gap, as far as anybody can tell"

    assert recorded.heard(NOON + 60)
    assert recorded.since == NOON + 60
    assert not recorded.heard(NOON + 90)
