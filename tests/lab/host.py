"""One host of the lab: its own network, processes, mounts, /run and /etc, inside this machine."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.eventually import PATIENCE, eventually_sync

START_TIMEOUT_S = 10.0 * PATIENCE
RUN_TIMEOUT_S = 60.0 * PATIENCE
STOP_TIMEOUT_S = 10.0 * PATIENCE

# Process 1 of the host. Nobody waits for those it inherits: with SIGCHLD ignored, the kernel does.
_INIT = """
import os, signal, subprocess, sys
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
subprocess.run(["sh", "-ec", sys.argv[1]], check=True)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.write(1, b"ready")
os.close(1)
while True:
    signal.pause()
"""
# A /run of its own holds the WireGuard sockets, so that each host can have a wg0; an /etc of its
# own lets resolvconf write resolv.conf.
_SETUP = """
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/.lab/upper /run/.lab/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/.lab/upper,workdir=/run/.lab/work /etc
hostname {name}
echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad
echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
ip link set lo up
"""


class Spawned:
    """A program that runs on a host; `stop` it."""

    def __init__(self, popen: "subprocess.Popen[bytes]") -> None:
        self.popen = popen
        path = Path(f"/proc/{popen.pid}/task/{popen.pid}/children")
        found = eventually_sync(lambda: path.read_text().split(), "the program to start")
        self.pid = int(found[0])
        """As this machine sees it, not as the host does."""

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the program itself."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Return its exit status."""
        return self.popen.wait(timeout_s)

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Ask it to end, wait, and return its exit status."""
        self.kill(number)
        try:
            return self.wait(timeout_s)
        finally:
            self.kill()
            self.wait()
            for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class Host:
    """A host; made by `Internet.host`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.addresses: dict[str, tuple[str, str]] = {}
        """By network: IPv4 and IPv6 address, without prefix length."""
        self._spawned: list[Spawned] = []
        # The signal makes the host end with the tests, even if they are killed.
        self._holder = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL"),
                *("unshare", "--net", "--mount", "--pid", "--uts"),
                *("--fork", "--kill-child", "--mount-proc"),
                *(sys.executable, "-ISc", _INIT, _SETUP.format(name=name)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            cwd="/",
        )
        assert self._holder.stdout is not None
        ready, _, _ = select.select([self._holder.stdout], [], [], START_TIMEOUT_S)
        said = os.read(self._holder.stdout.fileno(), 5) if ready else b""
        self._holder.stdout.close()
        if said != b"ready":
            self.close()
            raise RuntimeError(f"host {name!r} did not start")
        pid = self._holder.pid
        self.pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        """Process 1 of the host, as this machine sees it."""

    @property
    def ip(self) -> str:
        """Return the IPv4 address in the first network."""
        return next(iter(self.addresses.values()))[0]

    @property
    def ip6(self) -> str:
        """Return the IPv6 address in the first network."""
        return next(iter(self.addresses.values()))[1]

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Return what runs a command line on the host, in the present directory."""
        enter = ["nsenter", "--target", str(self.pid), "--net", "--mount", "--pid", "--uts", "--"]
        return [*enter, "env", "-C", str(Path.cwd()), *arguments]

    def run(
        self,
        *arguments: str,
        stdin: str | None = None,
        check: bool = True,
        timeout_s: float = RUN_TIMEOUT_S,
        env: Mapping[str, str] | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program to its end; unless `check` is off, fail with what it said."""
        done = subprocess.run(
            self.command(arguments),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env=None if env is None else {**os.environ, **env},
        )
        said = f"{done.stdout}{done.stderr}"
        assert not check or done.returncode == 0, f"{self.name}: {arguments} failed:\n{said}"
        return done

    def out(self, *arguments: str, **options: Any) -> str:
        """Run a program and return what it printed."""
        return self.run(*arguments, **options).stdout

    def kind(self, interface: str) -> str:
        """Return Linux's name for the type of an interface."""
        (found,) = json.loads(self.out("ip", "-json", "-details", "link", "show", interface))
        return str(found["linkinfo"]["info_kind"])

    def spawn(self, *arguments: str, **options: Any) -> Spawned:
        """Start a program; it ends with the host at the latest. Options are those of `Popen`."""
        options = {"stdin": subprocess.DEVNULL, **options}
        spawned = Spawned(subprocess.Popen(self.command(arguments), **options))
        self._spawned.append(spawned)
        return spawned

    def python(self, module: str, *arguments: str, **options: Any) -> Spawned:
        """Start a Python module of this project."""
        return self.spawn(sys.executable, "-m", module, *arguments, **options)

    def close(self) -> None:
        """End every process of the host, and the host."""
        self._holder.kill()
        self._holder.wait()
        for spawned in self._spawned:
            spawned.stop()
