"""The tokens as they are in the database, in memory. Called by the auth callout.

Read through a reader of its own, in a thread of its own: neither the writer nor queries wait for
logins, or the other way round.
"""

import logging
from collections.abc import Callable
from contextlib import suppress

from bridge.worker import Worker
from wig import errors
from wig.log import Position
from wig.model import Token
from wig.sqlite.reader import Reader

logger = logging.getLogger(__name__)


class TokenTable:
    """All tokens by id. Close it at the end."""

    def __init__(
        self, make_reader: Callable[[], Reader], decides: Callable[[Position], bool]
    ) -> None:
        """Know nothing before the first `refresh`.

        `decides` says whether whoever is not in a table of this position may not be there.
        """
        self.tokens: dict[str, Token] = {}
        self.version = 0
        """Counts the changes of `tokens`."""
        self._worker = Worker("tokens")
        self._reader = make_reader()
        self._decides = decides
        self._position: Position | None = None

    @property
    def known(self) -> bool:
        """Whether there is anything to judge by: an empty follower has no position."""
        return self._position is not None

    @property
    def decides(self) -> bool:
        """Whether whoever is not in it is to be refused, and disconnected."""
        return self._position is not None and self._decides(self._position)

    async def refresh(self) -> None:
        """Read them again if anything changed in the database.

        A database that cannot be read leaves what was known: that must not log out everybody.
        """
        with suppress(errors.Temporary):
            found = await self._worker.call(self._read, self._position)
            if found is not None:
                self.version += found[1] != self.tokens
                self._position, self.tokens = found

    def _read(self, known: Position | None) -> tuple[Position | None, dict[str, Token]] | None:
        # The position first: what is committed between the two is read again the next time.
        position = self._reader.position()
        if position is not None and position == known:
            return None
        return position, {token.id: token for token in self._reader.tokens()}

    def close(self) -> None:
        """End the thread, and let go of the file."""
        self._worker.close()
        self._reader.close()
