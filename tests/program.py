"""The program as its users meet it: processes, exit codes, what they print."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.lab.host import Host

RUN_S_MAX = 120
READY_S_MAX = 30
STOP_S_MAX = 20
WIG = (sys.executable, "-c", "import sys; from wig_cli.main import main; sys.exit(main())")


class Done(NamedTuple):
    """How a run of the program ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The error that it reported, as JSON."""
        return json.loads(self.err)["error"]


def environment(state_dir: Path, **more: str) -> dict[str, str]:
    """Return an environment in which the program knows this state directory only.

    Its WireGuard is the one that every machine can have.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith("WIG_")}
    fixed = {
        "WIG_STATE_DIR": str(state_dir),
        "WIG_METRICS_ADDR": "none",
        "WIG_WIREGUARD": "userspace",
        "NO_COLOR": "1",
    }
    return kept | fixed | more


def wig(
    state_dir: Path, *words: str, stdin: str | bytes = b"", host: Host | None = None, **more: str
) -> Done:
    """Run one command to its end, on this machine or on a host of the lab."""
    done = subprocess.run(
        _on(host, [*WIG, *words]),
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        timeout=RUN_S_MAX,
        env=environment(state_dir, **more),
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@contextmanager
def running(
    state_dir: Path, *words: str, host: Host | None = None, **options: Any
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a command, and kill it at the end if it still runs; options are those of `Popen`."""
    command = _on(host, [*WIG, *words])
    options = {"env": environment(state_dir)} | options
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def _on(host: Host | None, command: list[str]) -> list[str]:
    return command if host is None else host.command(command)


class Up:
    """A running `wig up`; as a context it is stopped at the end, as with Ctrl-C."""

    def __init__(self, state_dir: Path, *words: str, host: Host | None = None) -> None:
        self.state_dir = state_dir
        self._host = host
        self._log = (state_dir.parent / f"{state_dir.name}.log").open("ab")
        run_dir = () if host else ("--run-dir", str(state_dir / "run"))
        self._process = subprocess.Popen(
            _on(host, [*WIG, "up", "--output", "json", *run_dir, *words]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment(state_dir),
        )
        self.pid = self._process.pid
        """Of the program itself, as this machine sees it."""
        try:
            self.ready = self._read()
            if host is not None:
                self.pid = int(Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text())
        except BaseException:
            self._process.kill()
            self._ended()
            raise

    def _read(self) -> Any:
        """Return the document that says what runs where."""
        assert self._process.stdout is not None
        text = b""
        while line := self._process.stdout.readline():
            text += line
            if line == b"}\n":
                return json.loads(text)
        raise AssertionError(f"wig up ended with {self._process.wait()}: {self.log()}")

    def log(self) -> str:
        """Return what it logged."""
        return Path(self._log.name).read_text()

    def wig(self, *words: str, **options: Any) -> Done:
        """Run a command that finds this one by itself."""
        return wig(self.state_dir, *words, host=self._host, **options)

    def stop(self) -> int:
        """Stop it as Ctrl-C does, and return its exit code."""
        os.kill(self.pid, signal.SIGINT)
        return self._ended()

    def kill(self) -> int:
        """Kill it."""
        os.kill(self.pid, signal.SIGKILL)
        return self._ended()

    def _ended(self) -> int:
        code = self._process.wait(STOP_S_MAX)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.stop()
