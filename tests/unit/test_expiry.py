"""When the wall clock is believed."""

from datetime import timedelta

import pytest

from tests.builders import NOON
from wig import expiry
from wig.expiry import HOLD_S, JUMP_S, Reading, Watch


def at(steady_s: float, jumped_s: float = 0.0) -> Reading:
    """Return a reading `steady_s` after the start, of a clock that is wrong by `jumped_s`."""
    return Reading(NOON + timedelta(seconds=steady_s + jumped_s), 1000 + steady_s)


def watched(*readings: Reading) -> Watch:
    watch = expiry.begin(readings[0])
    for reading in readings[1:]:
        watch = expiry.look(watch, reading)
    return watch


@pytest.mark.parametrize(
    "readings",
    [
        pytest.param([at(0)], id="the first one"),
        pytest.param([at(0), at(86400)], id="a day without a reading"),
        pytest.param([at(0), at(1, JUMP_S)], id="a correction"),
        pytest.param([at(0), at(1, -JUMP_S)], id="a correction back"),
        pytest.param([at(0), at(1, 50), at(2, 100), at(3, 150)], id="many corrections"),
        pytest.param([at(0), at(1, 3600), at(2, 0)], id="set back at once"),
        pytest.param([at(0), at(1, 3600), at(2, JUMP_S)], id="set back nearly"),
        pytest.param([at(0), at(1, 3600), at(1 + HOLD_S, 3600)], id="long ago"),
        pytest.param([at(0), at(1, 3600), at(1 + HOLD_S, 3650)], id="long ago, corrected since"),
        pytest.param(
            [at(0), at(1, 3600), at(1 + HOLD_S, 3600), at(2 + HOLD_S, 3601)], id="and later"
        ),
    ],
)
def test_a_clock_that_goes_on_is_believed(readings):
    """And so is one that is corrected, or has shown for an hour that it is meant."""
    watch = watched(*readings)

    assert watch.believed
    assert watch.jump_s == 0
    assert watch.believed_again(readings[-1]) is None


@pytest.mark.parametrize(
    ("readings", "jump_s", "held_s"),
    [
        pytest.param([at(0), at(1, 61)], 61, 0, id="forwards"),
        pytest.param([at(0), at(1, -61)], -61, 0, id="back"),
        pytest.param([at(0), at(1, 9e8)], 9e8, 0, id="by years"),
        pytest.param([at(0), at(1, 3600), at(HOLD_S, 3600)], 3600, HOLD_S - 1, id="not yet"),
        pytest.param(
            [at(0), at(1, 3600), at(1800, 9000), at(1 + HOLD_S, 9000)],
            9000, HOLD_S - 1799, id="again",
        ),
    ],
)  # fmt: skip
def test_a_clock_that_jumped_is_doubted(readings, jump_s, held_s):
    """Until it has gone on for an hour after its last jump."""
    watch = watched(*readings)

    assert not watch.believed
    assert watch.jump_s == jump_s
    again = watch.believed_again(readings[-1])
    assert again == readings[-1].time + timedelta(seconds=HOLD_S - held_s)
