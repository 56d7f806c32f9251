"""Runs in a guest: `python -m tests.bench.kernel_guest PEERS`; prints seconds as JSON."""

import base64
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence

from pyroute2 import WireGuard

from tests import builders
from tests.bench.figures import Clock
from wig.linux.kernel import Kernel
from wig.steps import PeerChange, SetDevice

NAME = "wg0"
KEY = builders.private_key(NAME)
ONE_BY_ONE = 500
"""So many by pyroute2; the time of all is proportional."""


def changes(count: int) -> list[PeerChange]:
    generator = random.Random(count)
    return [
        PeerChange(
            public_key=base64.b64encode(generator.randbytes(32)).decode(),
            allowed_ips=(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", f"fd00::1:{n:x}"),
        )
        for n in range(count)
    ]


def by_wig(some: Sequence[PeerChange]) -> float:
    with Clock() as clock:
        assert Kernel().set_peers(NAME, some) == ()
    return clock.s


def by_pyroute2(some: Sequence[PeerChange]) -> float:
    with WireGuard() as wireguard, Clock() as clock:
        for change in some[:ONE_BY_ONE]:
            ipv4, ipv6 = change.allowed_ips
            peer = {"public_key": change.public_key, "allowed_ips": [f"{ipv4}/32", f"{ipv6}/128"]}
            wireguard.set(NAME, peer=peer)
    return clock.s * len(some) / len(some[:ONE_BY_ONE])


def by_wg(some: Sequence[PeerChange]) -> float:
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(f"[Interface]\nPrivateKey = {KEY.reveal()}\n")
        for change in some:
            ranges = ", ".join(change.allowed_ips)
            file.write(f"[Peer]\nPublicKey = {change.public_key}\nAllowedIPs = {ranges}\n")
        file.flush()
        with Clock() as clock:
            subprocess.run(["wg", "syncconf", NAME, file.name], check=True)
    return clock.s


def measure(some: Sequence[PeerChange], work: Callable[[Sequence[PeerChange]], float]) -> float:
    """Return what the work takes on a fresh device with a key."""
    kernel = Kernel()
    kernel.remove(NAME)
    kernel.create(NAME)
    kernel.set_device(SetDevice(name=NAME, private_key=KEY))
    return work(some)


def main() -> None:
    kernel, some = Kernel(), changes(int(sys.argv[1]))
    took = {"pyroute2": measure(some, by_pyroute2), "wg": measure(some, by_wg)}
    there = kernel.read(NAME)
    took["wig"] = measure(some, by_wig)
    with Clock() as clock:
        assert kernel.read(NAME) == there
    took["read"] = clock.s
    with Clock() as clock:
        kernel.remove(NAME)
    print(json.dumps({**took, "remove": clock.s}))


if __name__ == "__main__":
    main()
