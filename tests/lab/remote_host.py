"""A real host of the lab behind `steps.HostPort`: the steps of a test, performed by the kernel."""

import pickle
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from tests.lab.host import Host
from wig import device
from wig.device import DevicePeer, Endpoint
from wig.samples import Batch
from wig.steps import Problem, Step


class RemoteHost:
    """A `wig.linux.host.LinuxHost` in a process on a host."""

    def __init__(self, host: Host, wireguard: str) -> None:
        self.host = host
        self._wireguard = wireguard
        self._program = host.spawn(
            *(sys.executable, "-m", "tests.lab.run_host", wireguard),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def _call(self, name: str, *arguments: Any) -> Any:
        assert self._program.popen.stdin is not None
        assert self._program.popen.stdout is not None
        pickle.dump((name, arguments), self._program.popen.stdin)
        self._program.popen.stdin.flush()
        result = pickle.load(self._program.popen.stdout)
        if isinstance(result, BaseException):
            raise result
        return result

    @property
    def peers_max(self) -> int | None:
        return self._call("peers_max")  # type: ignore[no-any-return]

    def observe(self, names: Iterable[str]) -> device.Host:
        return self._call("observe", list(names))  # type: ignore[no-any-return]

    def perform(self, step: Step) -> tuple[Problem, ...]:
        return self._call("perform", step)  # type: ignore[no-any-return]

    def interfaces(self) -> tuple[str, ...]:
        return self._call("interfaces")  # type: ignore[no-any-return]

    def clients(self, name: str) -> Mapping[str, DevicePeer]:
        return self._call("clients", name)  # type: ignore[no-any-return]

    def samples(self) -> Iterator[Batch]:
        return iter(self._call("samples"))

    def remember(self) -> None:
        self._call("remember")

    def revive(self, name: str) -> Mapping[str, Endpoint]:
        return self._call("revive", name)  # type: ignore[no-any-return]

    def wake(self, name: str, public_keys: Sequence[str]) -> None:
        self._call("wake", name, public_keys)

    def dead(self) -> tuple[str, ...]:
        return self._call("dead")  # type: ignore[no-any-return]

    def wait_fds(self) -> tuple[int, ...]:
        return self._call("wait_fds")  # type: ignore[no-any-return]

    def undo(self) -> tuple[Problem, ...]:
        return self._call("undo")  # type: ignore[no-any-return]

    def close(self) -> None:
        self._call("close")

    def die(self, name: str) -> None:
        """Lose a device: kill the process behind it, or delete its link."""
        if self._wireguard == "kernel":
            self.host.run("ip", "link", "del", name)
            return
        found = self.host.out("pgrep", "-f", f"wireguard-go.* {name}$").split()
        self.host.run("kill", "-9", *found)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._program.stop()
