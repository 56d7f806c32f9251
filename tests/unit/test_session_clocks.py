"""Sessions found in reports of gateways whose clocks are wrong."""

import pytest

from tests.builders import key
from tests.reports import START, Teller
from tests.session_log import Log


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def gateway():
    return Teller("gw1")


@pytest.fixture
def other():
    return Teller("gw2")


@pytest.mark.parametrize("skew", [-5, 5])
def test_clocks_may_differ_by_seconds(log, gateway, skew):
    """A client that roams between two of them has one session, forwards in time."""
    other = Teller("gw2", clock=skew)
    log.hear(gateway.tell(0), other.tell(0), at=0)
    log.hear(gateway.tell(30, (1, 20, 1, 1)), other.tell(31, (1, 30, 1, 1)), at=31)
    log.hear(gateway.tell(700), other.tell(700), at=700)

    (session,) = log.tick(710)

    assert session.begin == 20
    assert 25 <= session.end <= 36


@pytest.mark.parametrize("wrong", [-(10**9), -7200, 7200, 10**9])
def test_a_clock_that_is_wrong_is_corrected(log, wrong):
    """By when the stream took the report, and how long the gateway had kept it."""
    gateway = Teller("gw1", clock=wrong)
    log.hear(gateway.tell(0), at=10, age_s=10.0)
    log.hear(gateway.tell(30, (1, 20, 1, 1)), at=45, age_s=15.0)
    log.hear(gateway.tell(700), at=700, age_s=0.0)

    assert [(each.begin, each.end) for each in log.tick(700)] == [(20, 30)]


def test_a_clock_of_the_future_is_corrected_whatever_the_gateway_says(log):
    """Nothing is read after it arrives."""
    gateway = Teller("gw1", clock=10**9)
    log.hear(gateway.tell(0), at=0)
    log.hear(gateway.tell(30, (1, 20, 1, 1)), at=30)

    assert [each.begin for each in log.told()] == [20]


def test_a_handshake_of_the_future_is_one_of_now(log, gateway):
    """The gateway's clock was set back after it, and later handshakes count."""
    log.hear(gateway.tell(0), gateway.tell(30, (1, 10**9, 1, 1)))
    log.hear(gateway.tell(60, (1, 50, 1, 1)), gateway.tell(700))

    assert [(each.begin, each.end) for each in log.tick(700)] == [(30, 50)]


def test_a_gateway_whose_clock_was_set_back_still_has_news(log, gateway):
    """What it had heard of by then was in its future."""
    log.hear(Teller("gw1", clock=9000).tell(0), at=0)
    gateway.reboot(1)
    log.hear(gateway.tell(30, (1, 20, 1, 1)), at=30)

    assert [each.begin for each in log.told()] == [20]


def test_a_clock_that_is_behind_makes_no_overlap(log, gateway):
    """A session begins after the one before, whatever this gateway thinks."""
    slow = Teller("gw2", clock=-400)
    log.hear(gateway.tell(0), slow.tell(0), gateway.tell(30, (1, 20, 1, 1)), at=30)
    log.hear(gateway.tell(700), at=700)
    log.tick(5000)
    log.hear(gateway.tell(5000), slow.tell(5000), at=5000)
    log.hear(slow.tell(5010, (1, 5005, 9, 9)), at=5010)
    first, second = log.told()

    assert second.begin > first.end


YEAR = 365 * 86400


def test_a_hub_that_was_a_year_ahead_leaves_nothing_in_the_future(log, gateway):
    """Sessions of the wrong minutes are over in time, and peers can come back."""
    log.hear(gateway.tell(0), at=0, age_s=0)
    log.hear(gateway.tell(30, (1, 20, 1, 1)), at=30, age_s=0)
    log.hear(gateway.tell(60, (1, 50, 2, 2), (2, 55, 1, 1)), at=YEAR + 60, age_s=0)

    log.hear(gateway.tell(90, (3, 80, 1, 1)), at=90, age_s=0)
    log.hear(gateway.tell(800), at=800, age_s=0)
    first, second, third = log.tick(800)

    assert (first.begin, first.end) == (20, 90)
    assert (second.begin, second.end) == (90, 90)
    assert (third.begin, third.end) == (80, 90)
    log.hear(gateway.tell(830, (1, 820, 3, 3)), at=830, age_s=0)
    assert log.told()[-1].begin == 820


def test_a_peer_that_left_while_the_hub_was_ahead_can_come_back(log, gateway):
    """Its last sign of life is not in the future."""
    log.hear(gateway.tell(0), at=0, age_s=0)
    log.hear(gateway.tell(30, (1, 20, 1, 1)), at=YEAR + 30, age_s=0)
    log.hear(gateway.tell(700), at=YEAR + 700, age_s=0)
    (only,) = log.tick(YEAR + 700)
    assert only.end == YEAR + 30

    log.hear(gateway.tell(730, (1, 720, 3, 3)), at=730, age_s=0)

    assert log.told()[-1].begin == 731, "after its last sign of life, which is now"


def test_what_is_not_stored_yet_is_corrected_too(log, gateway):
    """All of it is one transaction, or more than one."""
    log.hear(gateway.tell(0), gateway.tell(30, (1, 20, 1, 1)), at=YEAR, age_s=0)
    log.observer.deleted([key(1)], START + YEAR)
    log.hear(gateway.tell(60), at=60, age_s=0)

    changes = log.observer.changes()

    times = [row.begin for row in changes.begun] + [row.end for row in changes.ended]
    assert times == [START + 60] * 2
    assert changes.not_after == START + 60
    assert all(row.arrived <= START + 60 for row in (*changes.gateways, *changes.boots))


def test_a_peer_that_was_deleted_while_the_hub_was_ahead_can_be_made_again(log, gateway):
    """What it does then is no report from before."""
    log.hear(gateway.tell(0), at=YEAR, age_s=0)
    log.observer.deleted([key(1)], START + YEAR)
    log.hear(gateway.tell(30), at=30, age_s=0)

    log.hear(gateway.tell(60, (1, 50, 1, 1)), at=60, age_s=0)

    assert [each.begin for each in log.told()] == [50]


def test_a_report_that_comes_again_sets_no_clock_back(log, gateway):
    """After a crash, those that were not acknowledged do."""
    log.hear(gateway.tell(0), at=0, age_s=0)
    first = gateway.tell(30, (1, 20, 1, 1))
    log.hear(first, at=30, age_s=0)
    log.hear(gateway.tell(500, (1, 490, 2, 2)), at=500, age_s=0)
    log.hear(first, at=30, age_s=0)
    log.hear(gateway.tell(1200), at=1200, age_s=0)

    assert [each.end for each in log.tick(1200)] == [500]


def test_what_was_seen_before_the_hub_was_ahead_stays(log, gateway):
    """Only what is in the future is wrong."""
    log.hear(gateway.tell(0), at=0, age_s=0)
    log.hear(gateway.tell(30, (1, 20, 1, 1)), at=30, age_s=0)
    log.hear(gateway.tell(800), at=800, age_s=0)
    log.tick(800)
    log.hear(gateway.tell(830), at=YEAR, age_s=0)
    log.hear(gateway.tell(860, (1, 850, 2, 2)), at=860, age_s=0)

    first, second = log.told()

    assert (first.begin, first.end, second.begin) == (20, 30, 850)
