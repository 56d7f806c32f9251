"""The program `nft`, and the one question that is put to the kernel directly.

Called by `table`. Texts go to `nft -f -` without a shell; each is one transaction.
"""

import json
import shutil
import socket
import struct
import subprocess
from typing import Any

from wig import errors
from wig.linux.nft_batch import ANSWER_TIMEOUT_S, NETLINK_NETFILTER

PROGRAM = "nft"
TIMEOUT_S = 60.0  # 100,000 limited peers, loaded on a small host, with room

_GET_GENERATION = 10 << 8 | 16  # NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN, nfnetlink.h, nf_tables.h
_REQUEST = struct.pack("=IHHIIBBH", 20, _GET_GENERATION, 1, 0, 0, 0, 0, 0)  # nlmsghdr, nfgenmsg
_GENERATION = struct.Struct(">I")
_GENERATION_AT = 24  # after both headers and the attribute's own: NFTA_GEN_ID comes first


def require() -> None:
    """Raise `Unusable` unless the program is there."""
    if shutil.which(PROGRAM) is None:
        raise errors.Unusable(
            "nft is not installed",
            hint="install Debian's package nftables, or bring your own rules: --no-firewall",
        )


def run(text: str) -> None:
    """Perform all of the text or nothing; raise `Unusable` saying what is wrong with it."""
    _call("-f", "-", text=text)


def listing(family: str, table: str) -> list[dict[str, Any]] | None:
    """Return what is in a table (libnftables-json(5)); None: there is no such table.

    One that nft cannot tell of is as good as none: it is replaced.
    """
    try:
        found: list[dict[str, Any]] = json.loads(_call("--json", "list", "table", family, table))[
            "nftables"
        ]
    except (errors.Unusable, ValueError, LookupError, TypeError):
        return None
    return found


def generation() -> int:
    """Return a number that grows by one with each transaction of anybody on this host."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
            netlink.settimeout(ANSWER_TIMEOUT_S)
            netlink.bind((0, 0))
            netlink.send(_REQUEST)
            (number,) = _GENERATION.unpack_from(netlink.recv(4096), _GENERATION_AT)
    except OSError as error:
        raise errors.Unusable(f"nftables: {error.strerror or error}") from error
    return int(number)


def _call(*arguments: str, text: str = "") -> str:
    try:
        done = subprocess.run(  # noqa: S603  # no shell; the text comes from checked values
            [PROGRAM, *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise errors.Unusable(f"nft cannot be run: {type(error).__name__}") from error
    if done.returncode != 0:
        reason = (done.stderr.strip() or "no reason given").splitlines()[0]
        raise errors.Unusable(f"nft refused the rules: {reason}")
    return done.stdout
