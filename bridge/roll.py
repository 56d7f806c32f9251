"""Which connections are still there, as the lists of nats-servers say. Called by `sweep`.

A list comes in pages, and is no snapshot: who leaves meanwhile moves others to a page that was
read before. And a server that was restarted has another id, and never again a list.
"""

from collections.abc import Iterable

SILENT_ROUNDS_MAX = 12  # a minute in which others answered
ROUND_S = 5.0


class Roll:
    """The last two lists of each server."""

    def __init__(self) -> None:
        """Have read nothing."""
        self._listing: dict[str, set[int]] = {}
        self._lists: dict[str, tuple[set[int], set[int] | None]] = {}
        self._silent: dict[str, int] = {}
        """In how many rounds, one after the other, a server has not answered."""
        self._answered = False
        self._round_at = 0.0

    def asked(self, servers: Iterable[str], now: float) -> None:
        """All servers are asked, at this time in seconds; `servers` are those that count."""
        if now - self._round_at < ROUND_S:
            return
        self._round_at = now
        if self._answered:  # else it is we who hear nobody
            for server in {*servers, *self._silent}:
                self._silent[server] = self._silent.get(server, 0) + 1
        self._answered = False

    def page(self, server: str, offset: int, numbers: Iterable[int], *, last: bool) -> None:
        """Read a page of a server's list of connections; `offset` is how many came before."""
        self._answered = True
        self._silent[server] = 0
        if offset == 0:
            self._listing[server] = set()
        listing = self._listing.get(server)
        if listing is None:
            return  # two lists at once: the other one is complete
        listing.update(numbers)
        if last:
            before = self._lists.get(server)
            self._lists[server] = self._listing.pop(server), before[0] if before else None

    def gone(self, server: str, number: int) -> bool:
        """Say whether a connection is surely not there: in none of two lists, or no server."""
        if self._silent.get(server, 0) >= SILENT_ROUNDS_MAX:
            return True
        last, before = self._lists.get(server, (set(), None))
        return before is not None and number not in last and number not in before

    def drop_silent(self) -> None:
        """Forget servers that are gone."""
        for server in [one for one, count in self._silent.items() if count >= SILENT_ROUNDS_MAX]:
            del self._silent[server]
            self._listing.pop(server, None)
            self._lists.pop(server, None)
