"""A stream of packets between two hosts, both ways, and exactly which of them were lost."""

import json
import select
import subprocess
import sys
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.eventually import PATIENCE
from tests.lab import send_packets
from tests.lab.host import Host, Spawned

PORT = 4999
REPLY_S_MAX = 30.0 * PATIENCE
TICK_S = 0.01 if PATIENCE > 1 else 0.001
"""How often packets are sent: one by one, but where that would take all of an emulated machine."""
# Where everything takes long, packets come before those who make them necessary.
_FIRST = ("nice", "-n", "-10") if PATIENCE > 1 else ()


class Lost(NamedTuple):
    """The numbers of the packets that did not arrive."""

    there: list[int]
    """From the client to the server."""
    back: list[int]


NOTHING = Lost([], [])


class PacketStream:
    """Numbered packets from its beginning to `stop`."""

    def __init__(
        self,
        client: Host,
        server: Host,
        rate: int = 1050,
        address: str | None = None,
        port: int = PORT,
    ) -> None:
        """Begin, with packets a second each way, to an address of the server or its IPv4 address.

        The server is told no address of the client.
        """
        self.rate = rate
        words = (*_FIRST, sys.executable, send_packets.__file__, str(rate), str(port), str(TICK_S))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._server = server.spawn(*words, **pipes)
        self._ask(self._server, "begin")  # it listens
        self._client = client.spawn(*words, address or server.ip, **pipes)
        self._ends = (self._client, self._server)
        self.sent = (0, 0)
        """How many packets there and back; known when it has ended."""
        self.rates = (0.0, 0.0)
        """How many a second that were, from the beginning to the end."""
        self._ended = False
        self.settle()

    def _ask(self, end: Spawned, do: str, **fields: Any) -> dict[str, Any]:
        self._request(end, do, **fields)
        return self._reply(end)

    def _request(self, end: Spawned, do: str, **fields: Any) -> None:
        assert end.popen.stdin is not None
        end.popen.stdin.write(json.dumps({"do": do, **fields}).encode() + b"\n")
        end.popen.stdin.flush()

    def _reply(self, end: Spawned) -> dict[str, Any]:
        assert end.popen.stdout is not None
        ready, _, _ = select.select([end.popen.stdout], [], [], REPLY_S_MAX)
        assert ready, "packets do not come, or cannot be sent in time"
        reply: dict[str, Any] = json.loads(end.popen.stdout.readline())
        return reply

    def settle(self, count: int = 200) -> None:
        """Wait for so many more packets, both ways."""
        self._both("settle", count=count)

    def catch_up(self) -> None:
        """Wait for packets that were delayed to be sent."""
        self._both("catch up")

    def _both(self, do: str, **fields: Any) -> None:
        for end in self._ends:
            self._request(end, do, **fields)
        for end in self._ends:
            self._reply(end)

    def stop(self) -> Lost:
        """End; return what was lost on the way. What a receiver itself lost fails the test."""
        self._ended = True
        ended = [self._ask(end, "stop") for end in self._ends]
        there, back = self.sent = (ended[0]["sent"], ended[1]["sent"])
        self.rates = (there / ended[0]["took_s"], back / ended[1]["took_s"])
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
