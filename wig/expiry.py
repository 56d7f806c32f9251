"""Expiry: whether the wall clock may be believed when it says that a peer's time has come.

Called by `bridge.expiry`, with readings of two clocks: the wall clock, which people and programs
set, and a steady one, which nobody does. A clock that is set wrongly by a year must not delete
everybody who would have had that year.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from wig import access
from wig.codec import Value

_, ACTOR, _ = access.ACTORS
"""Who deletes, in the log."""

JUMP_S = 60.0  # what is corrected in smaller steps is a clock that is kept right
HOLD_S = 3600.0  # for whoever set it wrongly, or is alerted, to set it right


class Reading(NamedTuple):
    """Both clocks at one moment."""

    time: datetime
    """What the wall clock says; aware."""
    steady_s: float
    """What a clock says that only goes on, also while the host sleeps; its zero means nothing."""

    @property
    def offset_s(self) -> float:
        """The difference of the two, which changes only when the wall clock is set."""
        return self.time.timestamp() - self.steady_s


class Watch(Value, frozen=True, kw_only=True):
    """What the readings so far say."""

    believed_s: float
    """The offset when the wall clock was last believed."""
    seen_s: float
    """The offset of the last jump; of no meaning while it is believed."""
    doubted_s: float | None = None
    """The steady clock at the last jump; None: the wall clock is believed."""

    @property
    def believed(self) -> bool:
        """Whether peers may expire."""
        return self.doubted_s is None

    @property
    def jump_s(self) -> float:
        """By how much the clock differs from what was believed, forwards or (negative) back."""
        return 0.0 if self.believed else self.seen_s - self.believed_s

    def believed_again(self, reading: Reading) -> datetime | None:
        """Return when it will be believed if nobody sets it again; None: it is believed."""
        if self.doubted_s is None:
            return None
        return reading.time + timedelta(seconds=self.doubted_s + HOLD_S - reading.steady_s)


def begin(reading: Reading) -> Watch:
    """Return what is known at the start: the clock is believed."""
    return Watch(believed_s=reading.offset_s, seen_s=reading.offset_s)


def look(watch: Watch, reading: Reading) -> Watch:
    """Return what is known after one more reading.

    A jump by more than `JUMP_S` either way is doubted until the clock is back, or has gone on
    for `HOLD_S` without another jump. Smaller corrections are believed at once.
    """
    offset_s = reading.offset_s
    if abs(offset_s - watch.believed_s) <= JUMP_S:
        return Watch(believed_s=offset_s, seen_s=offset_s)
    if watch.doubted_s is None or abs(offset_s - watch.seen_s) > JUMP_S:
        return replace(watch, seen_s=offset_s, doubted_s=reading.steady_s)
    if reading.steady_s - watch.doubted_s >= HOLD_S:
        return Watch(believed_s=offset_s, seen_s=offset_s)
    return watch
