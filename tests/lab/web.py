"""A web server on a host of the lab, that remembers who asked."""

import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.eventually import eventually_sync
from tests.lab import serve_web
from tests.lab.host import Host
from tests.lab.serve_web import PAGE

__all__ = ["PAGE", "WebServer"]


class WebServer:
    """The server, as the test sees it."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._log = Path(tempfile.mkstemp(suffix=".log")[1])
        self._server = host.spawn(sys.executable, serve_web.__file__, str(self._log))
        self.urls = {4: f"http://{host.ip}/", 6: f"http://[{host.ip6}]/"}
        """By IP version."""
        answers = ("curl", "-sf", "-m", "1", self.urls[4])
        eventually_sync(
            lambda: host.run(*answers, check=False).returncode == 0, "the web server to answer"
        )
        self._log.write_bytes(b"")

    def visitors(self) -> list[str]:
        """Return the addresses that asked, in order, and forget them."""
        lines = self._log.read_text().splitlines()
        self._log.write_bytes(b"")
        return [line.split()[0] for line in lines]

    def close(self) -> None:
        """End it."""
        self._server.stop()
        self._log.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
