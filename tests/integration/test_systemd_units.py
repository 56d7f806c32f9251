"""The units: systemd understands them, and wig what they start; what systemd hears of it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.eventually import eventually_sync
from tests.notify import Manager
from tests.program import environment, running, wig
from wig_cli import main

UNITS = sorted((Path(__file__).parents[2] / "deploy" / "systemd").glob("*.service"))
OURS = [unit for unit in UNITS if unit.stem != "wig-nats"]
PREFIX = "/opt/wig/bin/"


def settings(unit: Path) -> dict[str, str]:
    """Return the settings of a unit; of those with several lines, the last."""
    lines = [line for line in unit.read_text().splitlines() if "=" in line and line[0] != "#"]
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize("unit", UNITS, ids=[unit.stem for unit in UNITS])
def test_systemd_understands_every_line(unit, tmp_path):
    """It would ignore what it does not know, and start without it."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace(PREFIX, f"{Path(sys.executable).parent}/"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", copy],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )

    said = [line for line in done.stderr.splitlines() if "wig" in line]
    assert (done.returncode, said) == (0, [])


@pytest.mark.parametrize("unit", OURS, ids=[unit.stem for unit in OURS])
def test_wig_understands_its_command_line(unit):
    """Every option is one, and has a value that it can have."""
    program, *words = settings(unit)["ExecStart"].replace("%d", "/credentials").split()
    assert program == f"{PREFIX}wig"
    options = main.parser().parse_args(words)

    assert options.run is not None


@pytest.mark.parametrize("unit", UNITS, ids=[unit.stem for unit in UNITS])
def test_no_unit_is_ever_given_up(unit):
    """By itself systemd does after five failures in ten seconds, for good."""
    found = settings(unit)

    assert found["StartLimitIntervalSec"] == "0"
    assert found["Restart"] == "always"


@pytest.mark.parametrize("unit", OURS, ids=[unit.stem for unit in OURS])
def test_units_keep_what_the_documents_promise(unit):
    """A restart for everything but 78; the watchdog; no secret on a command line."""
    found = settings(unit)

    assert found["Type"] == "notify"
    assert "78" in found["RestartPreventExitStatus"].split()
    assert float(found["WatchdogSec"]) > 0
    assert found["NoNewPrivileges"] == "yes"
    if "gateway" in unit.stem or "up" in unit.stem:
        assert found["KillMode"] == "process"
        assert found["RuntimeDirectoryPreserve"] == "yes"


def test_a_datastore_tells_systemd_its_story(tmp_path):
    """Ready when it serves, alive while it runs, stopping when it is told to."""
    with Manager(str(tmp_path / "notify")) as manager:
        told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
        words = ("up", "--no-gateway", "--output", "json")
        with running(
            tmp_path / "state", *words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=environment(tmp_path / "state") | told,
        ) as process:  # fmt: skip
            eventually_sync(lambda: "READY=1" in manager.hear(), "it is ready", 30)
            eventually_sync(lambda: manager.hear().count("WATCHDOG=1") > 2, "signs of life")
            assert wig(tmp_path / "state", "status").code == 0
            manager.hear()  # the socket holds ten messages, and systemd reads at once
            process.terminate()
            eventually_sync(
                lambda: manager.hear() and process.poll() is not None, "it has ended", 20
            )
            assert process.returncode == 0

        heard = manager.hear()
        assert "STATUS=ready" in heard
        assert heard[-1] == "STOPPING=1"


def test_a_program_that_hangs_goes_silent(tmp_path):
    """Stopped by a signal here; the watchdog would start it again."""
    with Manager(str(tmp_path / "notify")) as manager:
        told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
        with running(
            tmp_path / "state", "up", "--no-gateway", stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env=environment(tmp_path / "state") | told,
        ) as process:  # fmt: skip
            eventually_sync(lambda: "WATCHDOG=1" in manager.hear(), "a sign of life", 30)
            process.send_signal(19)  # SIGSTOP
            manager.hear()
            before = manager.heard.count("WATCHDOG=1")
            assert not manager.waits_for_more(1.0)
            assert manager.heard.count("WATCHDOG=1") - before <= 1
