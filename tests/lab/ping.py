"""A stream of pings, and which of them were not answered."""

import os
import re
import signal
import tempfile
from types import TracebackType
from typing import Self

from tests.eventually import eventually_sync
from tests.lab.host import Host

_ANSWER = re.compile(r"icmp_seq=(\d+) ")
_SENT = re.compile(r"(\d+) packets transmitted")


class PingStream:
    """Pings from its beginning to `stop`; ICMP answers by number."""

    def __init__(self, host: Host, target: str, interval_s: float = 0.005) -> None:
        self._output = tempfile.TemporaryFile("w+b")  # noqa: SIM115  closed by `stop`
        self._ping = host.spawn("ping", "-n", "-i", str(interval_s), target, stdout=self._output)
        self.sent = 0
        eventually_sync(self.answered, f"the first answer from {target}")

    def answered(self) -> set[int]:
        """Return the numbers of the answers so far."""
        return {int(number) for number in _ANSWER.findall(self._said())}

    def _said(self) -> str:
        # Not by seeking: ping shares the place in the file, and would write over what is there.
        descriptor = self._output.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode()

    def settle(self, count: int = 50) -> None:
        """Wait for so many more answers."""
        goal = len(self.answered()) + count
        eventually_sync(lambda: len(self.answered()) >= goal, f"{count} more answers")

    def stop(self) -> list[int]:
        """End, and return the numbers of the pings that were lost, from the first answer on.

        What was sent in the last 50 ms may still be on its way, and does not count.
        """
        self._ping.stop(signal.SIGINT)
        answered = self.answered()
        found = _SENT.search(self._said())
        assert found, "ping did not say what it sent"
        self.sent = int(found[1])
        self._output.close()
        return sorted(set(range(min(answered), self.sent - 9)) - answered)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._output.closed:
            self.stop()
