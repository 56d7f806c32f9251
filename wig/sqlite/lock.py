"""One process per database file: an advisory lock beside it that dies with its holder.

Called by whoever writes. SQLite's own locks would let two writers take turns, and both would
believe that what they remember is true.
"""

import fcntl
import os
from pathlib import Path
from typing import Self

from wig import errors


class Lock:
    """The right to write to one database file."""

    def __init__(self, path: Path) -> None:
        """Take it, or raise `Unusable` that says which process has it."""
        name = path.with_name(path.name + ".lock")
        try:
            # Not inherited by programs that this process starts (PEP 446): it must end with us.
            self._file = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise errors.Unusable(
                f"db: {errors.quoted(name)} cannot be written: {error.strerror}",
                field="db",
                hint="file and directory must belong to the user that wig runs as",
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._file, 20).decode(errors="replace").strip()
            os.close(self._file)
            raise errors.Unusable(
                f"db: {errors.quoted(path)} is in use by process {holder or '?'}",
                field="db",
                hint="stop that wig first; one database has one writer",
            ) from None
        self._held = True
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give it back, once. The file stays: without it, two processes could hold two locks."""
        if self._held:
            self._held = False
            os.close(self._file)

    def __enter__(self) -> Self:
        """Hold it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self.release()
