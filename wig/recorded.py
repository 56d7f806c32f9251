"""What the arrival of reports tells: since when all are recorded, and whether time went back.

Called by `wig.sessions` with each report that is new. Times are Unix s by the clock of the server
that keeps the stream of reports, which is the one that everybody else's is corrected by.
"""

GAP_S = 3 * 86400
"""For so long does the stream keep reports. When more than that passed between two, some may be
lost: nobody read them, or the database is an older copy."""
SET_BACK_S = 60
"""By less does nobody's clock differ who has NTP; servers of a cluster take turns."""


class Recorded:
    """How far reports have come."""

    def __init__(self, since: int = 0, latest: int = 0) -> None:
        """Go on from what is stored."""
        self.since = since
        """Every report from then on has been read; 0: there was none."""
        self._latest = latest
        self._before: tuple[int, int] | None = None
        """`since` and `_latest` before the last gap, until it is known whether it was one."""

    def heard(self, arrived: int) -> bool:
        """Note that a report arrived; return whether the clock was set back before that."""
        set_back = arrived < self._latest - SET_BACK_S
        if not self.since:
            self.since = arrived
        elif arrived > self._latest + GAP_S:
            self._before = self.since, self._latest
            self.since = arrived
        if set_back:
            self.since = min(self._without_jump(arrived), arrived)
        self._latest = arrived if set_back else max(arrived, self._latest)
        return set_back

    def _without_jump(self, arrived: int) -> int:
        """Return `since`, by a clock that went back to `arrived`: was it all that made the gap?"""
        before, self._before = self._before, None
        if before is not None and arrived <= before[1] + GAP_S:
            return before[0]
        return self.since

    def lost(self, arrived: int) -> None:
        """Note that reports are lost that came before the one that arrived now."""
        self.anew()
        self.since = arrived

    def anew(self) -> None:
        """Begin with the next report: some are lost."""
        self.since = 0
        self._before = None
