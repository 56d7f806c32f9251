"""A stream of packets between two hosts, both ways, and exactly which of them were lost."""

import json
import subprocess
import sys
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.eventually import eventually_sync
from tests.lab import send_packets
from tests.lab.host import Host

PORT = 4999
SETTLE_S_MAX = 30.0


class Lost(NamedTuple):
    """The numbers of the packets that did not arrive."""

    there: list[int]
    """From the client to the server."""
    back: list[int]


NOTHING = Lost([], [])


class PacketStream:
    """Numbered packets from its beginning to `stop`."""

    def __init__(self, client: Host, server: Host, rate: int = 1000) -> None:
        """Begin, with packets a second each way; the server is told no address of the client."""
        words = (sys.executable, send_packets.__file__, str(rate), str(PORT))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._server = server.spawn(*words, **pipes)
        self._ask(self._server, "status")  # it listens
        self._client = client.spawn(*words, server.ip, **pipes)
        self._ends = (self._client, self._server)
        self.sent = (0, 0)
        """How many packets there and back; known when it has ended."""
        self._ended = False
        self.settle()

    def _ask(self, end: Any, do: str, **fields: Any) -> dict[str, Any]:
        end.popen.stdin.write(json.dumps({"do": do, **fields}).encode() + b"\n")
        end.popen.stdin.flush()
        reply: dict[str, Any] = json.loads(end.popen.stdout.readline())
        return reply

    def received(self) -> int:
        """Return how many arrived so far where fewer did."""
        return min(int(self._ask(end, "status")["received"]) for end in self._ends)

    def settle(self, count: int = 200) -> None:
        """Wait for so many more packets, both ways."""
        goal = self.received() + count
        eventually_sync(
            lambda: self.received() >= goal, f"{count} more packets both ways", SETTLE_S_MAX
        )

    def stop(self) -> Lost:
        """End; return what was lost on the way. What a receiver itself lost fails the test."""
        self._ended = True
        there, back = (self._ask(end, "stop")["sent"] for end in self._ends)
        self.sent = (there, back)
        at_server = self._ask(self._server, "finish", sent=there)
        at_client = self._ask(self._client, "finish", sent=back)
        for end in self._ends:
            end.stop()
        assert (at_server["overflow"], at_client["overflow"]) == (0, 0), "a receiver was too slow"
        assert (at_server["twice"], at_client["twice"]) == (0, 0), "packets came twice"
        return Lost(at_server["lost"], at_client["lost"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._ended:
            for end in self._ends:
                end.stop()
