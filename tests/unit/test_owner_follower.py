"""The owner of a follower's stream: a table of what happened, and what it does about it."""

import pytest

from tests.streams import COPYING, FOLLOWS, LOG, ME, NOBODY, OTHER, begin, found
from wig.owner import (
    Begun,
    Cause,
    Claim,
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

SHORT = Log(70, 70)
"""Of a snapshot."""


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(
            [(Opened("", LOG, strangers=0), (begin(Cause.RESTORED),))],
            id="other streams of its name",
        ),
        pytest.param(
            [FOLLOWS, (Gone(LOG, strangers=None, news=False), (begin(Cause.LOST),))],
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
                (Replaced(), ()),
                (Doubted(), (Look(),)),
                (
                    found(100, log=SHORT, displaced=NOBODY),
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
                (Replaced(), ()),
                (Doubted(), (Look(),)),
                (
                    Found("third", NOBODY, 1, 120, SHORT),
                    (Stop("instance third has claimed the stream"),),
                ),
            ],
            id="a snapshot was loaded by a follower that another one has replaced",
        ),
        pytest.param(
            [
                *COPYING,
                (Doubted(), (Look(),)),
                (Replaced(), ()),
                (found(100), (Look(),)),
                (found(100, log=SHORT), (begin(Cause.REPLACED, 71),)),
            ],
            id="a snapshot came while the stream was looked at",
        ),
        pytest.param(
            [
                *COPYING,
                (Doubted(), (Look(),)),
                (found(100), (Compare(100),)),
                (Replaced(), ()),
                (Compared(100, same=None), (Look(),)),
                (found(100, log=SHORT), (begin(Cause.REPLACED, 71),)),
            ],
            id="a snapshot came while the stream was compared",
        ),
        pytest.param(
            [
                *COPYING,
                (Doubted(), (Look(),)),
                (Replaced(), ()),
                (Gone(LOG, strangers=None, news=False), (Look(),)),
                (Gone(SHORT, strangers=None, news=False), (begin(Cause.LOST, 71),)),
            ],
            id="a snapshot came while the stream was not found",
        ),
        pytest.param(
            [
                FOLLOWS,
                (Gone(LOG, strangers=None, news=False), (begin(Cause.LOST),)),
                (Replaced(), ()),
                (Begun(1), (Look(),)),
                (found(0, log=SHORT), (begin(Cause.REPLACED, 71),)),
                (Begun(71), (Retire(), Publish(70))),
            ],
            id="a snapshot came while a stream was begun",
        ),
        pytest.param(
            [
                FOLLOWS,
                (Replaced(), ()),
                (found(100, displaced=OTHER), (Look(),)),
                (Found(OTHER, NOBODY, 1, 100, SHORT), (Claim(),)),
            ],
            id="a snapshot came while the stream was claimed, and the claim was lost",
        ),
    ],
)
def test_a_follower_never_begins_an_epoch(story):
    """Its log is a copy: what does not fit means a new stream, and no more."""
    owner = Owner(ME, follows=True)

    for event, actions in story:
        assert owner.handle(event) == actions, event
