"""Files with secrets: only for their owner, never over another file."""

import pytest

from wig import errors
from wig_cli import private_files


def mode(path):
    return path.stat().st_mode & 0o777


def test_a_reserved_file_is_private_and_stays(tmp_path):
    """The file is there before the work, and holds the secret after it."""
    path = tmp_path / "secret"
    with private_files.reserved(str(path), "--out"):
        assert mode(path) == 0o600
        private_files.replace(str(path), "text")

    assert (path.read_text(), mode(path)) == ("text", 0o600)


def test_failed_work_leaves_no_file(tmp_path):
    """Nothing was made, so there is nothing to keep."""
    path = tmp_path / "secret"
    with pytest.raises(errors.Unavailable), private_files.reserved(str(path), "--out"):
        raise errors.Unavailable

    assert not path.exists()


def test_another_file_is_never_replaced(tmp_path):
    """It may hold the only copy of a key."""
    path = tmp_path / "secret"
    path.write_text("precious")
    with (
        pytest.raises(errors.Exists, match=r"^--out: .*secret' exists already$"),
        private_files.reserved(str(path), "--out"),
    ):
        pass

    assert path.read_text() == "precious"


def test_a_link_is_not_followed(tmp_path):
    """In a shared directory somebody could have put it there."""
    path, target = tmp_path / "secret", tmp_path / "target"
    path.symlink_to(target)

    with pytest.raises(errors.Exists), private_files.reserved(str(path), "--out"):
        pass
    assert not target.exists()


def test_a_missing_directory_is_an_error_of_the_option(tmp_path):
    """The error says which option, which file and why."""
    path = tmp_path / "no" / "secret"
    with (
        pytest.raises(errors.Unusable, match=r"^--out: .* cannot be written: No such file"),
        private_files.reserved(str(path), "--out"),
    ):
        pass
