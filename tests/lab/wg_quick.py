"""A client as its user runs it: `wg-quick up` with a configuration file."""

import shutil
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.host import Host

_WIDEN = """
import os, sys
from wig.linux.buffers import widen
for pid in map(int, sys.argv[1:]):
    widen(pid, os.pidfd_open(pid))
"""


class WgQuick:
    """A tunnel from a host, by the text of its configuration."""

    def __init__(self, host: Host, config: str, name: str = "vpn0") -> None:
        self.host = host
        self._folder = Path(tempfile.mkdtemp())
        self._path = self._folder / f"{name}.conf"
        self._path.touch(mode=0o600)
        self._path.write_text(config)
        self.up()

    def up(self) -> None:
        """Connect, with the first packet."""
        self.host.run("wg-quick", "up", str(self._path))
        # A client of today has these buffers: newer wireguard-go asks for them.
        found = self.host.run("pgrep", "-x", "wireguard-go", check=False).stdout.split()
        if found:
            self.host.run(sys.executable, "-c", _WIDEN, *found)

    def fetch(self, url: str, timeout_s: float = 5.0) -> str | None:
        """Return the page, or None if it did not come in time."""
        done = self.host.run("curl", "-sf", "-m", str(timeout_s), url, check=False)
        return done.stdout if done.returncode == 0 else None

    def down(self) -> None:
        """Take the tunnel down."""
        self.host.run("wg-quick", "down", str(self._path))

    def close(self) -> None:
        """Take the tunnel down for good."""
        self.down()
        shutil.rmtree(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
