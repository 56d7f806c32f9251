"""The mark of a drained gateway."""

import pytest

from wig import errors
from wig.linux.mark import DrainMark


def test_a_mark_is_there_until_it_is_removed(tmp_path):
    """For whoever looks, in another process too; twice is as good as once."""
    mark = DrainMark(tmp_path, "gw1")
    assert not mark.on()

    for _ in range(2):
        mark.set(True)
        assert DrainMark(tmp_path, "gw1").on()
    assert not DrainMark(tmp_path, "gw2").on()

    for _ in range(2):
        mark.set(False)
        assert not mark.on()


def test_a_person_can_make_it_without_the_bus(tmp_path):
    """`touch` is all that it takes, as `wig gateway drain --help` says."""
    (tmp_path / "gw1.drained").touch()

    assert DrainMark(tmp_path, "gw1").on()


def test_a_directory_that_is_not_there_is_told(tmp_path):
    """Otherwise it would seem to be drained."""
    with pytest.raises(errors.Unusable, match=r"gw1\.drained"):
        DrainMark(tmp_path / "gone", "gw1").set(True)
