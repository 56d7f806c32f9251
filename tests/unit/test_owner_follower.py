"""The owner of a follower's stream: a table of what happened, and what it does about it."""

import pytest

from tests.streams import LOG, ME, NOBODY, OPENED, PUBLISHING, begin, found
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
            [(Opened("", LOG, strangers=0), (begin(Cause.RESTORED, mint=False),))],
            id="other streams of its name",
        ),
        pytest.param(
            [OPENED, (Gone(LOG, strangers=None), (begin(Cause.LOST, mint=False),))],
            id="a stream that is gone",
        ),
        pytest.param(
            [
                OPENED,
                (found(120), (Compare(100),)),
                (Compared(100, same=True), (begin(Cause.RESTORED, mint=False),)),
            ],
            id="a stream that is ahead: the database is an older copy",
        ),
        pytest.param(
            [
                *PUBLISHING,
                (Replaced(), (Look(),)),
                (
                    found(100, log=Log(70, 70), displaced=NOBODY),
                    (begin(Cause.REPLACED, 71, mint=False),),
                ),
                (Begun(71), (Retire(), Publish(70))),
                (Doubted(), (Look(),)),
            ],
            id="a snapshot was loaded: a new stream begins after it",
        ),
        pytest.param(
            [
                *PUBLISHING,
                (Replaced(), (Look(),)),
                (
                    Found("third", NOBODY, 1, 120, Log(70, 70)),
                    (Stop("instance third has claimed the stream"),),
                ),
            ],
            id="a snapshot was loaded by a follower that another one has replaced",
        ),
        pytest.param(
            [*PUBLISHING, (Replaced(), (Look(),)), (Doubted(), ())],
            id="a doubt about the old stream changes nothing",
        ),
    ],
)
def test_a_follower_never_begins_an_epoch(story):
    """Its log is a copy: what does not fit means a new stream, and no more."""
    owner = Owner(ME, follows=True)

    for event, actions in story:
        assert owner.handle(event) == actions, event
