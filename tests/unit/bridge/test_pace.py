"""How soon a lost connection is made again."""

import pytest

from bridge.pace import AGAIN_S_MAX, AGAIN_S_MIN, LASTED_S, Pace


class Watched:
    """A pace on a clock of its own, which always waits all that it may."""

    def __init__(self):
        self._now = 0.0
        self._pace = Pace(lambda: self._now, lambda: 1.0)

    def after(self, lasted_s):
        """Return the wait after a connection that lasted so long."""
        self._pace.opened()
        self._now += lasted_s
        return self._pace.wait_s()


@pytest.fixture
def pace():
    """No connection yet."""
    return Watched()


def test_a_connection_that_lasted_is_made_again_at_once(pace):
    """A restarted server has everybody back, however often it happens."""
    assert [pace.after(LASTED_S) for _ in range(10)] == [0.0] * 10


def test_connections_that_do_not_last_are_made_ever_more_slowly(pace):
    """The first at once: it may have met the end of a server."""
    waits = [pace.after(0.001) for _ in range(12)]

    assert waits[:3] == [0.0, AGAIN_S_MIN, 2 * AGAIN_S_MIN]
    assert waits == sorted(waits)
    assert waits[-1] == AGAIN_S_MAX


def test_one_that_lasts_ends_the_slowness(pace):
    """What was wrong is over."""
    waits = [pace.after(lasted_s) for lasted_s in (0.001, 0.001, 0.001, LASTED_S)]

    assert waits[-2:] == [2 * AGAIN_S_MIN, 0.0]
