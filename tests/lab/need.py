"""What the lab needs of this machine, said when it is missing."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from wig.linux import netlink_socket

PROGRAMS = ("curl", "ip", "nsenter", "unshare", "setpriv", "ping")
WIREGUARD_PROGRAMS = ("wireguard-go", "wg", "wg-quick", "nft", "resolvconf")


@cache
def missing(*programs: str) -> str | None:
    """Return why the lab cannot be built here; None: it can."""
    if os.geteuid() != 0:
        return "the lab needs root"
    absent = [name for name in (*PROGRAMS, *programs) if shutil.which(name) is None]
    if absent:
        return f"the lab needs {', '.join(absent)}"
    if not _may_make_namespaces():
        return "the lab needs to make namespaces: this machine, or its container, forbids it"
    if "wireguard-go" in programs and not Path("/dev/net/tun").exists():
        return "the lab needs /dev/net/tun"
    return None


@cache
def _may_make_namespaces() -> bool:
    command = ["unshare", "--net", "--mount", "--pid", "--uts", "--fork", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def need(*programs: str) -> None:
    """Skip the test, with the reason, unless the lab and these programs work here."""
    if reason := missing(*(programs or WIREGUARD_PROGRAMS)):
        pytest.skip(reason)


def need_kernel() -> None:
    """Skip the test unless the kernel has WireGuard; `tests/system/test_guest.py` boots one."""
    need(*(program for program in WIREGUARD_PROGRAMS if program != "wireguard-go"))
    if not netlink_socket.available():
        pytest.skip("this kernel has no WireGuard: see tests/system/test_guest.py")
