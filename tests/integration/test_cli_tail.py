"""`wig log tail`, and how commands end that would go on."""

import contextlib
import json
import signal
import subprocess

from tests.program import WIG, Up, environment, running


@contextlib.contextmanager
def tail(state_dir):
    """Follow the log as JSON; when this returns, the last entry has been printed."""
    words = ("log", "tail", "-n", "1", "--output", "json")
    with running(state_dir, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert json.loads(process.stdout.readline())["seq"] > 0
        yield process


def test_ctrl_c_ends_a_command_quietly(tmp_path):
    """No traceback, and the exit code that shells expect."""
    with Up(tmp_path / "state", "--no-gateway") as up, tail(up.state_dir) as process:
        process.send_signal(signal.SIGINT)

        assert (process.wait(10), process.stderr.read()) == (130, b"")


def test_the_tail_goes_on_and_outlives_the_primary(tmp_path):
    """New entries are printed as they come, after a restart too."""
    first = Up(tmp_path / "state", "--no-gateway")
    with tail(first.state_dir) as process:
        first.wig("interface", "create", "wg7", "--address", "10.7.0.1/24", "--port", "777")
        assert b"wg7" in process.stdout.readline()
        first.stop()
        assert process.stderr.readline().startswith(b"waiting: ")
        with Up(tmp_path / "state", "--no-gateway") as second:
            second.wig("interface", "create", "wg8", "--address", "10.8.0.1/24", "--port", "888")
            assert b"wg8" in process.stdout.readline()


def test_a_closed_pipe_is_no_failure(tmp_path):
    """`wig … | head -1` prints a line and no complaint."""
    with Up(tmp_path / "state", "--no-gateway") as up:
        done = subprocess.run(
            ["sh", "-c", f"{WIG[0]} -c '{WIG[2]}' log show | true; echo done"],
            env=environment(up.state_dir), capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip

    assert (done.stdout, done.stderr) == ("done\n", "")
