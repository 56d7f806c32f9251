"""How soon to connect again, so that no fault can make a tight loop. Called by `connection`.

A login costs everybody's server: a signed answer, subscriptions, and what the program does first.
"""

import random
import time
from collections.abc import Callable

from wig.backoff import Backoff

LASTED_S = 10.0  # a connection that lasted so long was a good one
AGAIN_S_MIN = 0.1
AGAIN_S_MAX = 5.0


class Pace:
    """At once after a connection that was good, and after the first that was not.

    Then `AGAIN_S_MIN`, and twice as long for each that does not last, up to `AGAIN_S_MAX`.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Have seen no connection. `now` is in seconds, `chance` uniform in [0, 1)."""
        self._now = now
        self._chance = chance
        self._backoff = Backoff(AGAIN_S_MIN, AGAIN_S_MAX)
        self._opened_at = 0.0

    def opened(self) -> None:
        """There is a connection."""
        self._opened_at = self._now()

    def wait_s(self) -> float:
        """It is lost: return how long to wait."""
        if self._now() - self._opened_at >= LASTED_S:
            self._backoff.succeeded()
        return self._backoff.wait_s(self._chance())
