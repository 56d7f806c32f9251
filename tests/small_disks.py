"""A file system of a few MB, which tests fill to the last byte."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

STEPS = (1 << 16, 1 << 9, 1)  # bytes: the last step leaves no byte


class SmallDisk:
    """A mounted file system of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filling = path / "filling"

    def fill(self) -> None:
        """Leave no room."""
        with self._filling.open("ab", buffering=0) as file:
            for step in STEPS:
                try:
                    while True:
                        file.write(b"x" * step)
                except OSError:
                    continue

    def make_room(self) -> None:
        self._filling.unlink()


@contextmanager
def small_disk(path: Path, size: str = "8m") -> Iterator[SmallDisk]:
    """Mount a new one at `path`, which must not exist; skip the test where that is forbidden."""
    if os.geteuid() != 0:
        pytest.skip("a small file system needs root")
    path.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(path)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this machine, or its container, mounts nothing: {done.stderr.decode()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
