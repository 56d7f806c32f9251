"""Prometheus' own checker, out of Debian's package `prometheus`, which is not installed."""

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wig"
PACKAGE = "prometheus"
DOWNLOAD_S_MAX = 120


def promtool(*words: str, stdin: str = "", folder: Path | None = None) -> tuple[int, str]:
    """Run it; return its exit code and all that it says. Skips the test if it cannot be had."""
    done = subprocess.run(
        [_found(), *words],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


@cache
def _found() -> str:
    installed = shutil.which("promtool")
    if installed:
        return installed
    unpacked = CACHE / PACKAGE
    program = unpacked / "usr" / "bin" / "promtool"
    if not program.exists():
        try:
            _fetch(unpacked)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"promtool is not installed, and cannot be downloaded: {error}")
    return str(program)


def _fetch(unpacked: Path) -> None:
    """Download and unpack; whoever does it at the same time does the same."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as directory:
        _run("apt-get", "download", PACKAGE, folder=directory)
        (package,) = Path(directory).glob("*.deb")
        fresh = Path(directory) / "unpacked"
        _run("dpkg-deb", "-x", str(package), str(fresh), folder=directory)
        if not unpacked.exists():
            fresh.rename(unpacked)


def _run(*command: str, folder: str) -> None:
    subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=DOWNLOAD_S_MAX)
