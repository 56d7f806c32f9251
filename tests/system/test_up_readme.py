"""The README, followed literally."""

import re
import sys
from pathlib import Path

import pytest

from tests.builders import key
from tests.lab.internet import Internet
from tests.lab.need import need
from tests.program import Up

README = Path(__file__).parents[2] / "README.md"
SECTIONS = ("A tour of five minutes", "Many peers", "Backup and restore")
START = "make run"
ON_THE_CLIENT = "wg-quick up"


def commands(section):
    """Return the indented lines of a section, which are what a reader types."""
    text = README.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = re.findall(r"^    (.*)$", text, re.MULTILINE)
    assert lines, f"nothing to type in {section!r}"
    return [line for line in lines if line != START]


@pytest.fixture
def hosts():
    """A gateway's host and a client's."""
    need()
    with Internet() as net:
        yield net.host("gateway"), net.host("client")


def test_every_command_of_the_readme_works(hosts, tmp_path):
    """A new user who types what is written there gets what is promised there."""
    gateway, client = hosts
    (tmp_path / "peers.csv").write_text(f"public_key,name\n{key('csv')},bob\n")
    backup = tmp_path / "backup"
    backup.mkdir()
    here = f"cd {tmp_path}; export PATH={Path(sys.executable).parent}:$PATH\n"
    with Up(tmp_path / "state", "--endpoint", gateway.ip, host=gateway) as up:
        typed = [line for section in SECTIONS for line in commands(section)]
        script = "\n".join(line for line in typed if ON_THE_CLIENT not in line)
        script = script.replace("/var/lib/wig", str(up.state_dir)).replace(
            "/srv/backup", str(backup)
        )
        environment = {"WIG_STATE_DIR": str(up.state_dir)}

        done = gateway.run("bash", "-exc", here + script, check=False, env=environment)

        assert done.returncode == 0, done.stderr
        for line in typed:
            if ON_THE_CLIENT in line:
                client.run("bash", "-ec", f"{here}mkdir -p /etc/wireguard; {line}")
                client.run("wg-quick", "down", "alice")
    assert len(typed) > 15
    assert (backup / "wig.db").exists()
