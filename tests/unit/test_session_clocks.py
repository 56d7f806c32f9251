"""Sessions found in reports of gateways whose clocks are wrong."""

import pytest

from tests.reports import Teller
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
