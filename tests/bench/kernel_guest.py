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
ROUNDS = 2
"""The better one counts: the machine has other things to do."""
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
    by = {"wg": by_wg, "wig": by_wig}
    rounds = [{name: measure(some, work) for name, work in by.items()} for _ in range(ROUNDS)]
    took = {name: min(each[name] for each in rounds) for name in by}
    with Clock() as clock:
        found = kernel.read(NAME)
    assert found is not None
    assert {key: set(peer.allowed_ips) for key, peer in found.peers.items()} == {
        change.public_key: set(change.allowed_ips) for change in some
    }
    took["read"] = clock.s
    with Clock() as clock:
        kernel.remove(NAME)
    took["remove"] = clock.s
    took["pyroute2"] = measure(some, by_pyroute2)
    print(json.dumps(took))


if __name__ == "__main__":
    main()
