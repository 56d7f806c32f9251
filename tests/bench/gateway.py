"""From request to device, and a gateway's cold start, beside writing straight to the socket."""

import json
import os
import sys
import time
from pathlib import Path

from tests.bench import bulk
from tests.bench.commit import reach
from tests.bench.figures import Clock, Figure, rss_mb, spread
from tests.lab.host import Host
from tests.lab.internet import Internet
from tests.lab.need import missing
from tests.program import Up

SIZES = (1_000, 10_000, 50_000)
START_S_MAX = 120.0

_STRAIGHT = """
import sys, time
from pathlib import Path
from wig.linux import uapi
text = Path(sys.argv[1]).read_bytes()
begin = time.perf_counter()
for part in text.split(b"--"):
    uapi.request(Path("/var/run/wireguard/floor0.sock"), part)
print(time.perf_counter() - begin)
"""


def figures(directory: Path) -> list[Figure]:
    if reason := missing("wireguard-go", "wg"):
        return [Figure(work="gateway", value=f"not measured: {reason}")]
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
                found.append(_cold_start(program, host, directory, size))
    return found


def _cold_start(program: Up, host: Host, directory: Path, peers: int) -> Figure:
    """Time a second gateway's first start, from the process's start to the last peer."""
    _wait(host, "wg0", peers)
    straight = _straight(host, directory, peers)
    host.run("ip", "link", "del", "wg0")
    with Clock() as clock:
        while _peers(host, "wg0") >= peers:
            time.sleep(0.01)  # the old process is still ending
        _wait(host, "wg0", peers)
    memory = rss_mb(program.pid)
    return Figure(
        work=f"{peers:,} peers back on a lost device",
        value=f"{clock.s:.2f} s (wig {memory:.0f} MB)",
        floor=f"straight to the socket {straight:.2f} s",
    )


def _peers(host: Host, name: str) -> int:
    return host.run("wg", "show", name, "peers", check=False).stdout.count("\n")


def _wait(host: Host, name: str, peers: int) -> None:
    end = time.monotonic() + START_S_MAX
    while time.monotonic() < end:
        if _peers(host, name) >= peers:
            return
        time.sleep(peers / 100_000)  # looking costs the device time, too
    raise TimeoutError(f"{name} never had {peers} peers")


def _straight(host: Host, directory: Path, peers: int) -> float:
    """Return how long the same peers take when they are written straight to the socket."""
    path = directory / "straight"
    with path.open("w") as file:
        file.write("set=1\n")
        for number in range(peers):
            if number and number % 500 == 0:
                file.write("\n--set=1\n")
            address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}/32"
            file.write(f"public_key={os.urandom(32).hex()}\nallowed_ip={address}\n")
        file.write("\n")
    host.run("wireguard-go", "floor0", env={"LOG_LEVEL": "silent"})
    try:
        return float(host.out(sys.executable, "-c", _STRAIGHT, str(path)))
    finally:
        host.run("ip", "link", "del", "floor0")
