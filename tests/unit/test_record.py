"""The files of a gateway's run directory, and the lock of its host."""

import os
import subprocess
import sys

import pytest

from wig import errors
from wig.linux import record
from wig.linux.record import Lock, Made, Place, Records
from wig.log import Position

PLACE = Place(database="db", position=Position(epoch="e", seq=7, digest="00" * 32))
MADE = Made(interfaces=("wg0",), firewall=True, sysctls={"net/ipv4/ip_forward": "0"})


@pytest.fixture
def records(tmp_path):
    return Records(tmp_path / "run", "gw1")


def test_what_is_kept_is_read_by_the_next_process(records, tmp_path):
    """Under the gateway's own name, for root's eyes only."""
    records.save_place(PLACE)
    records.save_made(MADE)

    again = Records(tmp_path / "run", "gw1")
    assert again.place() == PLACE
    assert again.made() == MADE
    assert Records(tmp_path / "run", "gw2").place() is None
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "run").iterdir()}
    assert modes == {"gw1.position": 0o600, "gw1.host": 0o600}
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700


def test_nothing_is_kept_at_first_and_at_last(records):
    """As after a reboot."""
    assert (records.place(), records.made()) == (None, Made())
    records.save_place(PLACE)
    records.save_made(MADE)

    records.forget()
    records.forget()

    assert (records.place(), records.made()) == (None, Made())


def test_a_damaged_file_is_as_good_as_none(records, tmp_path):
    """A host that lost power has no devices either."""
    (tmp_path / "run" / "gw1.position").write_bytes(b'{"epoch":')
    (tmp_path / "run" / "gw1.host").write_bytes(b"\x00")

    assert (records.place(), records.made()) == (None, Made())


def test_a_directory_that_cannot_be_is_refused(tmp_path):
    """With what to do about it."""
    (tmp_path / "file").touch()

    with pytest.raises(errors.Unusable, match=r"run directory: .* cannot be made"):
        Records(tmp_path / "file" / "run", "gw1")


def test_a_directory_that_is_none_is_named(tmp_path):
    """By who only looks, too."""
    (tmp_path / "file").touch()

    with pytest.raises(
        errors.Unusable, match=r"run directory: .*/gw1\.host' cannot be read: Not a"
    ):
        record.made(tmp_path / "file", "gw1")


def test_a_full_disk_is_told(records, tmp_path):
    """And leaves what was there."""
    records.save_place(PLACE)
    (tmp_path / "run" / "gw1.position.new").mkdir()

    with pytest.raises(errors.Unusable, match=r"'gw1\.position' cannot be written"):
        records.save_place(PLACE)
    assert records.place() == PLACE


def test_one_gateway_holds_the_lock(tmp_path):
    """The next one is told who, and gets it when that one is gone."""
    lock = Lock(tmp_path)

    with pytest.raises(errors.Unusable, match=f"as process {os.getpid()}$") as caught:
        Lock(tmp_path)

    assert caught.value.hint is not None
    lock.release()
    Lock(tmp_path).release()


def test_a_killed_process_holds_no_lock(tmp_path):
    """The kernel lets go for it."""
    take = "import os, sys; from pathlib import Path; from wig.linux.record import Lock"
    code = f"{take}; Lock(Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)

    Lock(tmp_path).release()
