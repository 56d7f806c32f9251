"""What happens to the owner of a stream, to tell stories from."""

from wig.log import Loss
from wig.owner import (
    Begin,
    Cause,
    Claim,
    Compare,
    Compared,
    Found,
    Log,
    Mint,
    Opened,
    Publish,
    Retire,
)

ME, OTHER, NOBODY = "me", "other", ""
LOG = Log(base=0, head=100)


def found(last: int, *, first: int = 1, log: Log = LOG, displaced: str = OTHER) -> Found:
    """Return our claimed stream."""
    return Found(owner=ME, displaced=displaced, first=first, last=last, log=log)


def lost(first: int, last: int, *, exact: bool = True, begins: int = 1) -> Begin:
    """Return what a restored primary does."""
    loss = Loss(first=first, last=last, exact=exact)
    return Begin(begins, Cause.RESTORED, loss)


def begin(cause: Cause, first: int = 1) -> Begin:
    return Begin(first, cause)


OPENED = (Opened("g", LOG, strangers=None), (Mint(), Claim()))
FOLLOWS = (Opened("g", LOG, strangers=None), (Claim(),))
PUBLISHING = [
    OPENED,
    (found(100), (Compare(100),)),
    (Compared(100, same=True), (Retire(), Publish(100))),
]
COPYING = [FOLLOWS, *PUBLISHING[1:]]
