"""What the program costs each time that it is called: CPU of its own process."""

import os
import subprocess
import sys
from pathlib import Path

from tests.bench import commit
from tests.bench.figures import Clock, Figure, quantile
from tests.program import environment

RUNS = 15


def cpu_ms(arguments: list[str], env: dict[str, str]) -> list[float]:
    """Return user + system time of each run."""
    found = []
    for _ in range(RUNS):
        quiet = subprocess.DEVNULL
        child = subprocess.Popen(arguments, env=env, stdout=quiet, stderr=quiet)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0, arguments
        found.append((usage.ru_utime + usage.ru_stime) * 1000)
    return found


def figures(directory: Path) -> list[Figure]:
    wig = str(Path(sys.executable).with_name("wig"))
    commit.up(directory).stop()
    with Clock() as second, commit.up(directory) as program:
        second.stop()
        env = environment(program.state_dir)
        bare = cpu_ms([sys.executable, "-c", "pass"], env)
        shown = cpu_ms([wig, "--help"], env)
        made = cpu_ms([wig, "peer", "create", "wg0", "--endpoint", "vpn.example"], env)
    floor = f"python alone {quantile(bare, 0.5):.0f} ms"
    return [
        Figure(work="second start of `wig up` to ready", value=f"{second.s:.2f} s", target="< 3 s"),
        Figure(
            work="CPU of `wig --help`",
            value=f"median {quantile(shown, 0.5):.0f} ms",
            target="≤ 100 ms",
            floor=floor,
        ),
        Figure(
            work="CPU of `wig peer create`",
            value=f"median {quantile(made, 0.5):.0f} ms",
            target="≤ 250 ms",
            floor=floor,
        ),
    ]
