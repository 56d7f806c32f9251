"""Which clients are idle: virtual time, and a wall clock that jumps."""

import pytest

from tests import hosts
from wig import errors, idle
from wig.idle import AGE_S_MIN, SESSION_S_MAX, Idle

AGE_S = 900.0
WALL = 1_800_000_000.0


def clients(**handshakes):
    return {key: hosts.NEW_PEER._replace(handshake_s=at) for key, at in handshakes.items()}


@pytest.fixture
def known():
    return Idle(AGE_S)


def look(known, now, wall_s=None, **handshakes):
    """Look at `now`; the wall clock goes with it unless it says something else."""
    wall = WALL + (now if wall_s is None else wall_s)
    return known.look("wg0", clients(**handshakes), now=now, wall=wall)


def test_a_client_is_idle_when_its_last_handshake_is_old_enough(known):
    """Not a second earlier; one that greets again begins anew."""
    at = int(WALL)
    assert look(known, 10.0, a=at, b=at) == ()
    assert look(known, AGE_S - 1, a=at, b=at + 800) == ()
    assert known.oldest_s(AGE_S - 1) == AGE_S - 1

    assert look(known, AGE_S, a=at, b=at + 800) == ("a",)
    assert look(known, AGE_S, b=at + 800) == ()
    assert len(known) == 1
    assert known.oldest_s(AGE_S) == AGE_S - 800


def test_the_oldest_come_first(known):
    """Whatever the order of the device."""
    look(known, 0.0, a=int(WALL) - 10, b=int(WALL) - 30, c=int(WALL) - 20)

    assert look(known, AGE_S, a=int(WALL) - 10, b=int(WALL) - 30, c=int(WALL) - 20) == (
        *("b", "c", "a"),
    )


def test_a_client_without_a_handshake_counts_from_when_it_was_seen(known):
    """One that was brought back after a device died, and did not answer."""
    assert look(known, 0.0, a=0) == ()
    assert look(known, AGE_S - 1, a=0) == ()

    assert look(known, AGE_S, a=0) == ("a",)


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, 10 * 365 * 86400.0])
def test_a_clock_that_jumps_makes_nobody_idle_and_keeps_nobody_longer(known, jump_s):
    """Only handshakes that come later are told by the new time."""
    at = int(WALL)
    look(known, 0.0, a=at)

    assert look(known, 60.0, wall_s=60.0 + jump_s, a=at) == ()
    assert look(known, AGE_S, wall_s=AGE_S + jump_s, a=at) == ("a",)


@pytest.mark.parametrize("wrong_s", [3600.0, -3600.0])
def test_a_first_look_never_makes_a_connected_client_idle(known, wrong_s):
    """Its handshake must be seen to stay the same for longer than a session lives."""
    at = int(WALL)
    assert look(known, 0.0, wall_s=wrong_s, a=at) == ()
    assert look(known, SESSION_S_MAX - 1, wall_s=wrong_s, a=at) == ()

    assert look(known, AGE_S, wall_s=wrong_s, a=at) == ("a",)


def test_interfaces_that_are_gone_are_forgotten(known):
    """And nobody is left."""
    look(known, 0.0, a=int(WALL))
    known.keep(frozenset({"wg1"}))

    assert len(known) == 0
    assert known.oldest_s(5.0) == 0.0


@pytest.mark.parametrize("age_s", [0.0, AGE_S_MIN, AGE_S])
def test_an_age_is_none_or_longer_than_a_session(age_s):
    """Else a connected client would be cut."""
    assert idle.parse_age(age_s) == age_s


def test_an_age_at_which_a_client_may_be_connected_is_refused():
    """With what to do."""
    with pytest.raises(errors.Invalid, match="endpoint_max_age: 239 s is less than 240 s") as said:
        idle.parse_age(AGE_S_MIN - 1)

    assert said.value.field == "endpoint_max_age"
