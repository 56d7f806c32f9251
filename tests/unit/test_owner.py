"""The owner of a stream: a table of what happened, and what it does about it."""

import pytest

from tests.streams import LOG, ME, NOBODY, OPENED, OTHER, PUBLISHING, begin, found, lost
from wig.owner import (
    REPUBLISHED_MAX,
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
    Mint,
    Opened,
    Owner,
    Publish,
    Retire,
    Stop,
)


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(
            [
                (Opened("", LOG, strangers=None), (Mint(), begin(Cause.FIRST))),
                (Begun(1), (Retire(), Publish(0))),
            ],
            id="a database that never published begins a stream",
        ),
        pytest.param(
            [(Opened("", LOG, strangers=0), (Mint(), begin(Cause.RESTORED)))],
            id="a copy from before the first stream",
        ),
        pytest.param(
            [(Opened("", LOG, strangers=170), (Mint(), lost(101, 170, exact=False)))],
            id="a copy from before the first stream, which has more",
        ),
        pytest.param(
            [OPENED, (Gone(LOG, strangers=170, news=True), (lost(101, 170, exact=False),))],
            id="a copy of a database that has begun another stream since",
        ),
        pytest.param(
            [
                OPENED,
                (found(12, first=10, log=Log(0, 12)), (Compare(12),)),
                (Compared(12, same=False), (Compare(10),)),
                (Compared(10, same=False), (lost(10, 12, exact=False),)),
            ],
            id="a fork that the stream does not have any more",
        ),
        pytest.param(
            [
                OPENED,
                (found(12, first=10, log=Log(0, 12)), (Compare(12),)),
                (Compared(12, same=False), (Compare(10),)),
                (Compared(10, same=True), (Compare(11),)),
                (Compared(11, same=False), (lost(11, 12),)),
            ],
            id="a fork in a stream whose begin is pruned",
        ),
        pytest.param(
            [
                *PUBLISHING,
                (Doubted(), (Look(),)),
                (
                    found(400, first=300, displaced=NOBODY),
                    (Stop("the stream has entries that this node did not write"),),
                ),
            ],
            id="a stream of ours that begins after our head",
        ),
        pytest.param(
            [
                OPENED,
                (found(120), (Compare(100),)),
                (Compared(100, same=None), (lost(101, 120, exact=False),)),
            ],
            id="a stream that is ahead and cannot be compared",
        ),
        pytest.param(
            [
                (
                    Opened("", Log(0, 1_000_000), strangers=0),
                    (Mint(), begin(Cause.RESTORED, 1_000_001 - REPUBLISHED_MAX)),
                )
            ],
            id="a long log is not published again as a whole",
        ),
        pytest.param(PUBLISHING, id="an equal stream is gone on with"),
        pytest.param(
            [
                OPENED,
                (found(70), (Compare(70),)),
                (Compared(70, same=True), (Retire(), Publish(70))),
            ],
            id="a stream that is behind gets the rest",
        ),
        pytest.param(
            [OPENED, (found(0), (Retire(), Publish(0)))],
            id="an empty stream gets everything",
        ),
        pytest.param(
            [OPENED, (found(80, first=81), (Retire(), Publish(80)))],
            id="an empty stream that begins later gets everything from there",
        ),
        pytest.param(
            [
                OPENED,
                (found(120), (Compare(100),)),
                (Compared(100, same=True), (lost(101, 120),)),
                (Begun(1), (Retire(), Publish(0))),
            ],
            id="a stream that is ahead means: restored",
        ),
        pytest.param(
            [
                OPENED,
                (found(8, log=Log(0, 8)), (Compare(8),)),
                (Compared(8, same=False), (Compare(4),)),
                (Compared(4, same=True), (Compare(6),)),
                (Compared(6, same=False), (Compare(5),)),
                (Compared(5, same=True), (lost(6, 8),)),
            ],
            id="the fork of a restored database that went on is found",
        ),
        pytest.param(
            [
                OPENED,
                (found(2, log=Log(0, 2)), (Compare(2),)),
                (Compared(2, same=False), (Compare(1),)),
                (Compared(1, same=False), (lost(1, 2),)),
            ],
            id="nothing in common",
        ),
        pytest.param(
            [OPENED, (found(400, first=300), (lost(101, 400, exact=False),))],
            id="a stream that begins after our head",
        ),
        pytest.param(
            [OPENED, (found(299, first=300), (lost(101, 299, exact=False),))],
            id="an empty stream that begins after our head",
        ),
        pytest.param(
            [OPENED, (found(30, log=Log(50, 100)), (begin(Cause.UNKNOWN, 51),))],
            id="a stream that ended before the log begins",
        ),
        pytest.param(
            [
                OPENED,
                (found(50, log=Log(50, 100)), (Compare(50),)),
                (Compared(50, same=True), (Retire(), Publish(50))),
            ],
            id="a stream that ends where the log begins",
        ),
        pytest.param(
            [
                OPENED,
                (found(50, log=Log(50, 50)), (Compare(50),)),
                (Compared(50, same=False), (lost(50, 50, exact=False, begins=51),)),
            ],
            id="a stream that differs where the log begins",
        ),
        pytest.param(
            [
                OPENED,
                (found(100), (Compare(100),)),
                (Compared(100, same=None), (begin(Cause.UNKNOWN),)),
            ],
            id="a stream that cannot be compared",
        ),
        pytest.param(
            [
                OPENED,
                (Gone(LOG, strangers=0, news=False), (begin(Cause.RESTORED),)),
                (Begun(1), (Retire(), Publish(0))),
            ],
            id="a stream that is gone at the start",
        ),
        pytest.param(
            [
                *PUBLISHING,
                (Doubted(), (Look(),)),
                (Doubted(), ()),
                (found(103, log=Log(0, 105), displaced=NOBODY), (Compare(103),)),
                (Compared(103, same=True), (Publish(103),)),
            ],
            id="an ambiguous publish that had landed",
        ),
        pytest.param(
            [
                *PUBLISHING,
                (Doubted(), (Look(),)),
                (found(90, displaced=NOBODY), (Compare(90),)),
                (Compared(90, same=True), (Publish(90),)),
            ],
            id="a stream that lost its tail gets it again",
        ),
        pytest.param(
            [
                *PUBLISHING,
                (Doubted(), (Look(),)),
                (Gone(LOG, strangers=None, news=False), (begin(Cause.LOST),)),
                (Begun(1), (Retire(), Publish(0))),
            ],
            id="a stream that is lost while we publish",
        ),
        pytest.param(
            [
                *PUBLISHING,
                (Doubted(), (Look(),)),
                (
                    Gone(LOG, strangers=0, news=True),
                    (Stop("another instance has replaced the stream"),),
                ),
            ],
            id="a stream that another instance replaced",
        ),
        pytest.param(
            [
                *PUBLISHING,
                (Doubted(), (Look(),)),
                (Gone(LOG, strangers=90, news=False), (begin(Cause.LOST),)),
                (Begun(1), (Retire(), Publish(0))),
            ],
            id="a stream that is lost, beside an old one that could not be deleted",
        ),
        pytest.param(
            [
                *PUBLISHING,
                (Doubted(), (Look(),)),
                (
                    Found("third", NOBODY, 1, 120, LOG),
                    (Stop("instance third has claimed the stream"),),
                ),
            ],
            id="a stream that another instance claimed",
        ),
        pytest.param(
            [
                *PUBLISHING,
                (Doubted(), (Look(),)),
                (Found(OTHER, NOBODY, 1, 90, LOG), (Claim(),)),
                (found(90), (Compare(90),)),
                (Compared(90, same=True), (Publish(90),)),
            ],
            id="a server that lost our claim in a crash",
        ),
        pytest.param(
            [
                *PUBLISHING,
                (Doubted(), (Look(),)),
                (found(120, displaced=NOBODY), (Compare(100),)),
                (
                    Compared(100, same=True),
                    (Stop("the stream has entries that this node did not write"),),
                ),
            ],
            id="entries under our subject that are not ours",
        ),
        pytest.param(
            [
                *PUBLISHING,
                (Doubted(), (Look(),)),
                (found(100, displaced=NOBODY), (Compare(100),)),
                (
                    Compared(100, same=False),
                    (Stop("the stream has entries that this node did not write"),),
                ),
            ],
            id="another entry in the place of ours",
        ),
        pytest.param(
            [
                OPENED,
                (
                    Found(OTHER, OTHER, 1, 5, LOG),
                    (Stop(f"instance {OTHER} has claimed the stream"),),
                ),
            ],
            id="a claim that another instance overtook",
        ),
    ],
)
def test_owner_does_what_the_story_says(story):
    """Each event leads to exactly the actions beside it."""
    owner = Owner(ME)

    for event, actions in story:
        assert owner.handle(event) == actions, event
