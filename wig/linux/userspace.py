"""The userspace backend: one `wireguard-go` per interface, started, adopted and watched.

Called by `host`. The process gets its own session and no parent-death signal: it outlives wig, so
that stopping, upgrading or killing wig costs no packet, and the next wig adopts it by its socket.
Its log is silenced, because it contains the clients' addresses.
"""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from wig import errors
from wig.device import Device, DevicePeer, Endpoint
from wig.idle import SESSION_S_MAX
from wig.linux import buffers, samples, uapi
from wig.linux.refusal import Refused, set_or_blame
from wig.samples import Sample
from wig.steps import PeerChange, Problem, SetDevice

PROGRAM = "wireguard-go"
PROGRAMS = frozenset({"wireguard-go", "boringtun", "boringtun-cli"})  # adopted when running
SOCKET_DIRECTORY = Path("/var/run/wireguard")  # wireguard-go, ipc/uapi_unix.go
PEERS_MAX = 65_535  # wireguard-go, device/constants.go: MaxPeers, less one as measured
START_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 2.0
UP_TIMEOUT_S = 1.0
_STEP_S = 0.002


class _Process:
    """A running wireguard-go; a child of ours, or one that an earlier wig left."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.fd = os.pidfd_open(pid)

    def ended(self, timeout_s: float = 0.0) -> bool:
        """Say whether it is gone, after waiting for that at most this long."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            signal.pidfd_send_signal(self.fd, signal.SIGKILL)

    def close(self) -> None:
        """Let go of it; a child that has ended is no zombie any more."""
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self.fd, os.WEXITED | os.WNOHANG)
        os.close(self.fd)


class Userspace:
    """WireGuard devices made by `wireguard-go` (a `backend.Backend`)."""

    peers_max: int | None = PEERS_MAX

    def __init__(self, directory: Path = SOCKET_DIRECTORY) -> None:
        """Use the sockets in `directory`; raise `Unusable` if devices cannot be made here."""
        found = shutil.which(PROGRAM)
        if found is None:
            raise errors.Unusable(
                f"{PROGRAM} is not installed", hint=f"install Debian's package {PROGRAM}"
            )
        if not Path("/dev/net/tun").exists():
            raise errors.Unusable(
                "/dev/net/tun does not exist", hint="load the kernel module: modprobe tun"
            )
        self._program = found
        self._directory = directory
        self._processes: dict[str, _Process] = {}
        self._memory: dict[str, bytes] = {}

    # Devices.

    def create(self, name: str) -> None:
        """Start the process and wait until its socket answers."""
        process = self._start(name)
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._read_text(name) is None:
            if process.ended(_STEP_S):
                process.close()
                raise errors.Unusable(
                    f"{PROGRAM} ended at once: it could not make {name!r}",
                    hint=f"to see why, run: {PROGRAM} --foreground {name}",
                )
            if time.monotonic() > deadline:
                process.kill()
                process.ended(STOP_TIMEOUT_S)
                process.close()
                raise errors.Unusable(f"{PROGRAM} does not answer for {name!r}")
        self._replace_process(name, process)
        buffers.lengthen(name)

    def _start(self, name: str) -> _Process:
        try:
            child = subprocess.Popen(  # noqa: S603  # no shell; the name is checked by `decide`
                [self._program, "--foreground", name],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"LOG_LEVEL": "silent", "PATH": os.defpath},
                start_new_session=True,
            )
        except OSError as error:
            raise errors.Unusable(f"{PROGRAM} cannot be run: {error.strerror}") from error
        child.returncode = 0  # it is to outlive us: nobody need be warned that it still runs
        try:
            return _Process(child.pid)
        except OSError as error:
            os.kill(child.pid, signal.SIGKILL)
            raise errors.Unusable(f"{PROGRAM} cannot be watched: {error.strerror}") from error

    def remove(self, name: str) -> bool:
        """Take away the socket, on which the process ends, and the interface with it.

        A process that does not end, as one that hangs, is killed. Without one of this network
        namespace the socket is a stranger's, whose device would end with it.
        """
        if name not in self._processes:
            self._adopt(name)
        self._memory.pop(name, None)
        process = self._processes.pop(name, None)
        if process is None:
            return False
        self._path(name).unlink(missing_ok=True)
        if not process.ended(STOP_TIMEOUT_S):
            process.kill()
            process.ended(STOP_TIMEOUT_S)
        process.close()
        return True

    def wait_up(self, name: str) -> None:
        """Wait until it bound some port: before that it takes any port without trying it."""
        deadline = time.monotonic() + UP_TIMEOUT_S
        while not uapi.parse_port(self._read_text(name) or b""):
            if time.monotonic() > deadline:
                return  # the port that it has is taken; setting one will say so
            time.sleep(_STEP_S)
        self._widen(name)

    def read(self, name: str) -> Device | None:
        """Return the device; one that an earlier wig left is watched from now on."""
        text = self._read_text(name)
        if text is None:
            return None
        if name not in self._processes:
            self._adopt(name)
        self._memory[name] = text
        try:
            return uapi.parse(text)
        except ValueError as error:
            raise _strange(name) from error

    def clients(self, name: str) -> Mapping[str, DevicePeer]:
        """Return the peers that have an endpoint; the others are not even parsed."""
        try:
            return uapi.parse_clients(self._read_text(name) or b"")
        except ValueError as error:
            raise _strange(name) from error

    def samples(self, name: str) -> Iterator[Sequence[Sample]]:
        """Yield what the device says of its peers, while it says it."""
        try:
            yield from samples.read(self._path(name))
        except (FileNotFoundError, ConnectionRefusedError):
            return  # there is none
        except OSError as error:
            raise _silent(name) from error
        except ValueError as error:
            raise _strange(name) from error

    def set_device(self, step: SetDevice) -> None:
        """Set what is not None; when a port is refused, the device keeps the one it has.

        Left alone, the device would have no port at all, which cuts everybody.
        """
        path = self._path(step.name)
        try:
            before = uapi.parse_port(uapi.read(path)) if step.listen_port else 0
            try:
                uapi.request(path, uapi.encode_device(step))
            except Refused:
                if before:
                    uapi.request(path, uapi.encode_device(replace(step, listen_port=before)))
                raise
            finally:
                if step.listen_port:
                    self._widen(step.name)
        except OSError as error:
            raise _silent(step.name) from error

    def set_peers(self, name: str, changes: Sequence[PeerChange]) -> tuple[Problem, ...]:
        """Change peers; what is refused is halved until the peers to blame are found."""
        path = self._path(name)

        def send(some: Sequence[PeerChange]) -> None:
            uapi.request(path, uapi.encode_peers(some))

        pieces = list(uapi.chunks(changes))
        answers = uapi.in_turn(path, map(uapi.encode_peers, pieces))
        try:
            return tuple(
                problem
                for piece, refused in zip(pieces, answers, strict=True)
                if refused is not None
                for problem in set_or_blame(name, piece, send)
            )
        except OSError as error:
            raise _silent(name) from error

    # What a device takes along when it dies.

    def remember(self) -> None:
        """Keep each device's own text: to read it is the device's work, to parse it ours."""
        for name in list(self._processes):
            text = self._read_text(name)
            if text is not None and name in self._processes:
                self._memory[name] = text

    def revive(self, name: str) -> Mapping[str, Endpoint]:
        """Return where clients with a living session were; an older address is of no use."""
        try:
            clients = uapi.parse_clients(self._memory.pop(name, b""))
        except ValueError:  # its clients greet by themselves, then
            return {}
        oldest = time.time() - SESSION_S_MAX
        return {
            public_key: peer.endpoint
            for public_key, peer in clients.items()
            if peer.endpoint is not None and peer.handshake_s >= oldest
        }

    def wake(self, name: str, public_keys: Sequence[str]) -> None:
        """Greet peers, as many in one request as in any other."""
        try:
            for start in range(0, len(public_keys), uapi.CHUNK_PEERS):
                piece = public_keys[start : start + uapi.CHUNK_PEERS]
                uapi.request(self._path(name), uapi.encode_wake(piece))
        except OSError as error:
            raise _silent(name) from error

    # Processes.

    def dead(self) -> tuple[str, ...]:
        """Return the devices whose process ended by itself, each once."""
        gone = tuple(name for name, process in self._processes.items() if process.ended())
        for name in gone:
            self._processes.pop(name).close()
        return gone

    def wait_fds(self) -> tuple[int, ...]:
        """Return the processes' descriptors."""
        return tuple(process.fd for process in self._processes.values())

    def close(self) -> None:
        """Forget all; the processes go on."""
        while self._processes:
            self._processes.popitem()[1].close()
        self._memory.clear()

    def _adopt(self, name: str) -> None:
        """Watch the process of a device that is already there, whoever started it."""
        for pid in _pids(name):
            try:
                process = _Process(pid)
            except OSError:  # it has just ended, or we may not open any more files
                continue
            if pid in _pids(name):  # still the same one, now that its number cannot be reused
                self._replace_process(name, process)
                self._widen(name)
                buffers.lengthen(name)
                return
            process.close()

    def _replace_process(self, name: str, process: _Process) -> None:
        if (old := self._processes.pop(name, None)) is not None:
            old.ended(STOP_TIMEOUT_S)  # its socket is gone before it is: else it stays a zombie
            old.close()
        self._processes[name] = process

    def _widen(self, name: str) -> None:
        """Make room in its sockets, which are others when it has bound another port."""
        if (process := self._processes.get(name)) is not None:
            buffers.widen(process.pid, process.fd)

    def _read_text(self, name: str) -> bytes | None:
        try:
            return uapi.read(self._path(name))
        except OSError:
            return None

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.sock"


def runs(name: str) -> bool:
    """Say whether a userspace WireGuard of this host has an interface of this name."""
    return bool(_pids(name))


def _silent(name: str) -> errors.Unusable:
    return errors.Unusable(f"{PROGRAM} does not answer for {name!r}")


def _strange(name: str) -> errors.Unusable:
    return errors.Unusable(f"the device of {name!r} is not understood")


def _pids(name: str) -> list[int]:
    """Return the processes of this network namespace that are a userspace WireGuard of `name`.

    The socket's own credentials would name the process that listened first, which has ended when
    wireguard-go made itself a daemon.
    """
    ours = _namespace(Path("/proc/self"))
    return [
        int(path.parent.name) for path in Path("/proc").glob("[0-9]*/comm") if _is(path, ours, name)
    ]


def _namespace(process: Path) -> int:
    """Return a number that no other network namespace has.

    Its own link in `ns` can be followed only by who has all the rights that the process has: a
    unit may have fewer than the shell in which somebody started wig first.
    """
    return (process / "net/dev").stat().st_ino


def _is(comm: Path, namespace: int, name: str) -> bool:
    try:
        if comm.read_text().strip() not in PROGRAMS:
            return False
        arguments = comm.with_name("cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        return arguments[-1] == name.encode() and _namespace(comm.parent) == namespace
    except OSError:
        return False
