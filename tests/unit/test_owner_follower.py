"""The owner of a follower's stream: a table of what happened, and what it does about it."""

import pytest

from tests.streams import COPYING, FOLLOWS, LOG, ME, NOBODY, begin, found
from wig.owner import (
    Begun,
    Cause,
    Compare,
    Compared,
    Doubted,
    Found,
    Gone,
    Log,
    Look,
    Opened,
    Owner,
    Publish,
    Replaced,
    Retire,
    Stop,
)


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(
            [(Opened("", LOG, strangers=0), (begin(Cause.RESTORED),))],
            id="other streams of its name",
        ),
        pytest.param(
            [FOLLOWS, (Gone(LOG, strangers=None), (begin(Cause.LOST),))],
            id="a stream that is gone",
        ),
        pytest.param(
            [
                FOLLOWS,
                (found(120), (Compare(100),)),
                (Compared(100, same=True), (begin(Cause.RESTORED),)),
            ],
            id="a stream that is ahead: the database is an older copy",
        ),
        pytest.param(
            [
                *COPYING,
                (Replaced(), (Look(),)),
                (
                    found(100, log=Log(70, 70), displaced=NOBODY),
                    (begin(Cause.REPLACED, 71),),
                ),
                (Begun(71), (Retire(), Publish(70))),
                (Doubted(), (Look(),)),
            ],
            id="a snapshot was loaded: a new stream begins after it",
        ),
        pytest.param(
            [
                *COPYING,
                (Replaced(), (Look(),)),
                (
                    Found("third", NOBODY, 1, 120, Log(70, 70)),
                    (Stop("instance third has claimed the stream"),),
                ),
            ],
            id="a snapshot was loaded by a follower that another one has replaced",
        ),
        pytest.param(
            [*COPYING, (Replaced(), (Look(),)), (Doubted(), ())],
            id="a doubt about the old stream changes nothing",
        ),
    ],
)
def test_a_follower_never_begins_an_epoch(story):
    """Its log is a copy: what does not fit means a new stream, and no more."""
    owner = Owner(ME, follows=True)

    for event, actions in story:
        assert owner.handle(event) == actions, event
