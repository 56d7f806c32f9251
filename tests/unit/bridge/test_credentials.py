"""Credentials: a file for its owner only, and a secret that nothing shows."""

import stat

import pytest

from bridge import credentials
from bridge.options import Options
from wig import errors


def test_what_is_written_is_read(tmp_path):
    """A file comes back as the same credentials, with mode 0600, and replaces an older one."""
    path = tmp_path / "token.json"
    path.write_text("old")
    path.chmod(0o644)
    made = credentials.make("ops")

    credentials.write(path, made)

    assert credentials.read(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["token.json"]


def test_secrets_differ_and_are_not_shown():
    """256 random bits, absent from what is printed."""
    one, two = credentials.make("ops"), credentials.make("ops")

    assert one.secret != two.secret
    assert len(one.secret) == 43
    assert one.secret not in f"{one} {one!r}"
    assert "s3cret" not in repr(Options(identity="ops", password="s3cret"))


@pytest.mark.parametrize("content", ["", "s3cret", '{"id":"ops"}', '{"id":"ops","secret":1}'])
def test_other_files_are_refused_without_repeating_them(tmp_path, content):
    """The error says what a token looks like, not what was in the file."""
    path = tmp_path / "token.json"
    path.write_text(content)

    with pytest.raises(errors.Unusable, match="is not a token") as caught:
        credentials.read(path)
    assert "s3cret" not in str(caught.value)


def test_missing_file_is_named(tmp_path):
    """The error has the path and what to do."""
    with pytest.raises(errors.Unusable, match=r"nowhere.*cannot be read") as caught:
        credentials.read(tmp_path / "nowhere")
    assert caught.value.hint
