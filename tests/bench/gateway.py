"""A gateway: 100,000 peers compared, cold starts, and from request to device through the bus."""

import json
import sys
import time
from pathlib import Path

from msgspec.structs import replace

from tests.bench import bulk, cold, recorded
from tests.bench.commit import reach
from tests.bench.figures import Clock, Figure, rss_mb, spread
from tests.eventually import eventually_sync
from tests.lab.host import Host
from tests.lab.internet import Internet
from tests.lab.need import missing
from tests.program import Up
from wig.linux.caretaker import STEADY_S

SIZES = (1_000, 10_000, 60_000)
START_S_MAX = 120.0
BACK = "device is back"


def figures(directory: Path) -> list[Figure]:
    found = recorded.figures(directory)
    if reason := missing("wireguard-go", "wg"):
        return [*found, Figure(work="gateway", value=f"not measured: {reason}")]
    return [*found, *cold.figures(directory), *_through_the_bus(directory)]


def _through_the_bus(directory: Path) -> list[Figure]:
    with Internet() as net:
        host = net.host("gateway")
        with Up(directory / "up", "--address", "10.0.0.1/8", host=host) as program:
            server, credentials = reach(program)
            words = ("--server", server, "--credentials", str(credentials))
            samples = json.loads(host.out(sys.executable, "-m", "tests.bench.applied", *words))
            found = [
                Figure(
                    work="request → on the userspace device, idle",
                    value=spread([device for _, device in samples]),
                    target="p50 ≤ 3 ms, p99 ≤ 10 ms",
                    floor=f"its answer {spread([answer for answer, _ in samples])}",
                )
            ]
            peers = 0
            for size in SIZES:
                path = directory / "more.jsonl"
                bulk.write_file(path, size - peers)
                done = program.wig("peer", "import", str(path))
                assert done.code == 0, done.err
                peers = size
                found.append(_lost_device(program, host, directory, size))
    return found


def _lost_device(program: Up, host: Host, directory: Path, peers: int) -> Figure:
    """Time until all peers are back after WireGuard was killed."""
    _wait(host, "wg0", peers)
    some = [replace(each, ip6=None) for each in recorded.peers(peers)]
    floor = cold.straight(host, cold.write_requests(directory, some))
    time.sleep(STEADY_S)  # since the last time: a device that dies again and again has to wait
    process = host.out("pgrep", "-f", "wireguard-go.* wg0$").split()[0]
    before = program.log().count(BACK)
    with Clock() as clock:
        host.run("kill", "-9", process)
        # By the log: to look at the device costs it more time than the peers do.
        eventually_sync(lambda: program.log().count(BACK) > before, BACK, START_S_MAX)
    _wait(host, "wg0", peers)
    memory = rss_mb(program.pid)
    return Figure(
        work=f"{peers:,} peers back on a lost device",
        value=f"{clock.s:.2f} s, {clock.s / floor:.2f} times the floor (wig {memory:.0f} MB)",
        target="≤ 1.3 times",
        floor=f"the same straight to the socket {floor:.2f} s",
    )


def _peers(host: Host, name: str) -> int:
    return host.run("wg", "show", name, "peers", check=False).stdout.count("\n")


def _wait(host: Host, name: str, peers: int) -> None:
    end = time.monotonic() + START_S_MAX
    while time.monotonic() < end:
        if _peers(host, name) >= peers:
            return
        time.sleep(peers / 500_000)
    raise TimeoutError(f"{name} never had {peers} peers")
