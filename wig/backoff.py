"""How long to wait before trying again. Pure: chance is an input."""


class Backoff:
    """Nothing after a success; then `first_s`, twice as long each time, at most `most_s`.

    Each wait is between half of that and all of it, so that many who failed together do not come
    back together.
    """

    def __init__(self, first_s: float, most_s: float) -> None:
        """Wait between `first_s` and `most_s` seconds."""
        self._first_s = first_s
        self._most_s = most_s
        self._failures = 0

    def succeeded(self) -> None:
        """Let the next retry be at once."""
        self._failures = 0

    def failed(self) -> None:
        """Let no retry be at once until there is a success."""
        self._failures = max(self._failures, 1)

    def wait_s(self, chance: float) -> float:
        """Count a failure and return the wait that it costs; `chance` is uniform in [0, 1)."""
        self._failures += 1
        if self._failures == 1:
            return 0.0
        wait_s: float = min(self._most_s, self._first_s * 2 ** min(self._failures - 2, 20))
        return wait_s * (1 + chance) / 2
