"""When time may pass for sessions: not right after nobody could be heard.

Called by the process that keeps sessions. A session is over when nobody has seen its client for a
while. But after the hub was away, all gateways seem to have been silent, and what they have to say
is still on its way: then they are given a moment first.
"""

GAP_S = 60.0
"""Longer than this without a report, or a look that found none, and somebody was away. Gateways
report every 30 s."""
GRACE_S = 60.0
"""For gateways to come back, and to say what they have kept: a leaf node takes seconds."""


class Passing:
    """The time of the stream, as it is heard."""

    def __init__(self, gap_s: float = GAP_S, grace_s: float = GRACE_S) -> None:
        """Nothing has been heard yet."""
        self._gap_s = gap_s
        self._grace_s = grace_s
        self._last_s: float | None = None
        self._before_s = 0.0
        self._from_s = 0.0

    def heard(self, at_s: float) -> float:
        """Return the time by which to judge who is silent, when it is `at_s`, Unix s.

        `at_s` is when a report came to the stream; or, if all that came have been read, now. It
        is judged as before the gap while gateways may still come back: sessions then end only
        when those that were there have reported that they are over.
        """
        if self._last_s is not None and self._last_s - at_s > self._gap_s:
            # The clock was set back, or reports of an older time come late: judge by that time,
            # or nobody would be silent until the clock is where it was.
            self._last_s = self._before_s = self._from_s = at_s
        if self._last_s is None or at_s - self._last_s > self._gap_s:
            self._before_s = self._last_s or 0.0
            self._from_s = at_s + self._grace_s
        self._last_s = max(at_s, self._last_s or at_s)
        return at_s if at_s >= self._from_s else self._before_s
