"""What the lab needs of this machine, said when it is missing."""

import os
import shutil
from functools import cache
from pathlib import Path

import pytest

PROGRAMS = ("ip", "nsenter", "unshare", "setpriv", "ping")
WIREGUARD_PROGRAMS = ("wireguard-go", "wg", "wg-quick", "nft", "resolvconf")


@cache
def missing(*programs: str) -> str | None:
    """Return why the lab cannot be built here; None: it can."""
    if os.geteuid() != 0:
        return "the lab needs root"
    absent = [name for name in (*PROGRAMS, *programs) if shutil.which(name) is None]
    if absent:
        return f"the lab needs {', '.join(absent)}"
    if programs and not Path("/dev/net/tun").exists():
        return "the lab needs /dev/net/tun"
    return None


def need(*programs: str) -> None:
    """Skip the test, with the reason, unless the lab and these programs work here."""
    if reason := missing(*(programs or WIREGUARD_PROGRAMS)):
        pytest.skip(reason)
