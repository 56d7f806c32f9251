"""Files that only their owner may read. Called wherever a secret is written."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from wig import errors


@contextmanager
def reserved(path: str, field: str) -> Iterator[None]:
    """Make the file before the work whose secret it will hold; remove it if the work fails.

    So that nothing is created that cannot be written down. Never over another file, and never
    through a link.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        raise errors.Exists(
            f"{field}: {path!r} exists already",
            field=field,
            hint="it may hold the only copy of a key: move it away, or choose another name",
        ) from None
    except OSError as error:
        raise errors.Unusable(
            f"{field}: {path!r} cannot be written: {error.strerror}", field=field
        ) from None
    try:
        yield
    except BaseException:
        with suppress(OSError):
            Path(path).unlink()
        raise


def replace(path: str, text: str) -> None:
    """Write a file with mode 0600 in the place of the one that may be there, in one step."""
    new = Path(f"{path}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


@contextmanager
def opened(path: str | None, field: str) -> Iterator[IO[bytes]]:
    """Open a new private file for writing, or standard output for None."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with reserved(path, field), Path(path).open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
