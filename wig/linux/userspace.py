"""The userspace backend: one `wireguard-go` per interface, started, adopted and watched.

Called by `host`. The process gets its own session and no parent-death signal: it outlives wig, so
that stopping, upgrading or killing wig costs no packet, and the next wig adopts it by its socket.
Its log is silenced, because it contains the clients' addresses.
"""

import os
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
from wig.linux import buffers, processes, samples, uapi
from wig.linux.processes import Process
from wig.linux.refusal import Refused, set_or_blame
from wig.samples import Sample
from wig.steps import PeerChange, Problem, SetDevice

PROGRAM = "wireguard-go"
SOCKET_DIRECTORY = Path("/var/run/wireguard")  # wireguard-go, ipc/uapi_unix.go
PEERS_MAX = 65_535  # wireguard-go, device/constants.go: MaxPeers, less one as measured
START_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 2.0
UP_TIMEOUT_S = 1.0
_STEP_S = 0.002


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
        self._processes: dict[str, Process] = {}
        self._connections: dict[str, uapi.Connection] = {}
        """For peers, which change all the time; kept as long as the process lives."""
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

    def _start(self, name: str) -> Process:
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
            return Process(child.pid)
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
        self._disconnect(name)
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
        connection = self._connections.setdefault(name, uapi.Connection(path))
        answers = uapi.in_turn(connection, map(uapi.encode_peers, pieces))
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
            self._disconnect(name)
            self._processes.pop(name).close()
        return gone

    def wait_fds(self) -> tuple[int, ...]:
        """Return the processes' descriptors."""
        return tuple(process.fd for process in self._processes.values())

    def close(self) -> None:
        """Forget all; the processes go on."""
        for name in list(self._connections):
            self._disconnect(name)
        while self._processes:
            self._processes.popitem()[1].close()
        self._memory.clear()

    def _adopt(self, name: str) -> None:
        """Watch the process of a device that is already there, whoever started it."""
        if (process := processes.running(name)) is not None:
            self._replace_process(name, process)
            self._widen(name)
            buffers.lengthen(name)

    def _replace_process(self, name: str, process: Process) -> None:
        if (old := self._processes.pop(name, None)) is not None:
            old.ended(STOP_TIMEOUT_S)  # its socket is gone before it is: else it stays a zombie
            old.close()
        self._processes[name] = process

    def _disconnect(self, name: str) -> None:
        if (connection := self._connections.pop(name, None)) is not None:
            connection.close()

    def _widen(self, name: str) -> None:
        """Make room in its sockets: it gets others with each port that is set."""
        if (process := self._processes.get(name)) is not None:
            buffers.widen(process.pid, process.fd)

    def _read_text(self, name: str) -> bytes | None:
        try:
            return uapi.read(self._path(name))
        except OSError:
            return None

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.sock"


def _silent(name: str) -> errors.Unusable:
    return errors.Unusable(f"{PROGRAM} does not answer for {name!r}")


def _strange(name: str) -> errors.Unusable:
    return errors.Unusable(f"the device of {name!r} is not understood")
