"""What a gateway keeps in its run directory: only as long as the host is up, like its devices.

Called by `gateway` and `host`. Two small files, 0600, replaced as a whole: the Position that the
devices have, with the database that it is of (`NAME.position`), and what wig made on this host
and must be able to undo after a restart (`NAME.host`). And the lock that makes sure there is one
gateway per host.
"""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from wig import codec, errors, log
from wig.codec import Value

T = TypeVar("T")

DIRECTORY = Path("/run/wig")


class Made(Value, frozen=True, kw_only=True):
    """What wig made or changed on the host."""

    interfaces: tuple[str, ...] = ()
    firewall: bool = False
    tables: tuple[int, ...] = ()
    """Routing tables that were given a default route."""
    sysctls: dict[str, str] = {}  # noqa: RUF012  # msgspec copies it
    """The values from before."""


class Place(Value, frozen=True, kw_only=True):
    """Where the devices are."""

    database: str
    """A snapshot of another one would take everything away."""
    position: log.Position


_decode_place = codec.decoder(Place)
_decode_made = codec.decoder(Made)


class Records:
    """The files of one gateway."""

    def __init__(self, directory: Path, name: str) -> None:
        """Make the directory, for root's eyes only."""
        _make(directory)
        self._place = directory / f"{name}.position"
        self._made = _made_path(directory, name)

    def place(self) -> Place | None:
        """Return where the devices are; None: unknown, as after a reboot."""
        return _read(self._place, _decode_place)

    def save_place(self, place: Place) -> None:
        """Keep it; called after the devices are there."""
        _write(self._place, codec.encode(place))

    def made(self) -> Made:
        """Return what wig made."""
        return _read(self._made, _decode_made) or Made()

    def save_made(self, made: Made) -> None:
        """Keep it; called before it is made."""
        _write(self._made, codec.encode(made))

    def forget(self) -> None:
        """Remove both files: nothing of ours is left on the host."""
        self._place.unlink(missing_ok=True)
        self._made.unlink(missing_ok=True)


class Lock:
    """Held by the one gateway of this host, until `release` or the end of the process.

    A host is a network namespace: gateways in different ones do not disturb each other.
    """

    def __init__(self, directory: Path) -> None:
        """Take it, or raise `Unusable` saying who has it."""
        _make(directory)
        path = directory / f"gateway-{Path('/proc/self/ns/net').stat().st_ino}.lock"
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._fd, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise errors.Unusable(
                f"another gateway runs on this host, as process {holder}",
                hint="one gateway serves all interfaces: stop the other one first",
            ) from None
        os.truncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next one in. The file stays: removing it would let in two."""
        os.close(self._fd)


def made(directory: Path, name: str) -> Made:
    """Return what an earlier gateway of this name made, without making the directory."""
    return _read(_made_path(directory, name), _decode_made) or Made()


def _made_path(directory: Path, name: str) -> Path:
    return directory / f"{name}.host"


def _make(directory: Path) -> None:
    """Make a directory for root's eyes only."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise errors.Unusable(
            f"run directory: {str(directory)!r} cannot be made: {error.strerror}",
            field="run_directory",
            hint="a gateway needs root",
        ) from error


def _read(path: Path, decode: Callable[[bytes], T]) -> T | None:
    """Return the file's value; one that is missing or damaged is as good as none."""
    try:
        return decode(path.read_bytes())
    except (FileNotFoundError, errors.WigError):
        return None
    except OSError as error:
        raise errors.Unusable(
            f"run directory: {str(path)!r} cannot be read: {error.strerror}", field="run_directory"
        ) from error


def _write(path: Path, raw: bytes) -> None:
    fresh = path.with_suffix(path.suffix + ".new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        with os.fdopen(os.open(fresh, flags, 0o600), "wb") as file:
            file.write(raw)
        fresh.replace(path)
    except OSError as error:
        raise errors.Unusable(
            f"run directory: {path.name!r} cannot be written: {error.strerror}"
        ) from error
