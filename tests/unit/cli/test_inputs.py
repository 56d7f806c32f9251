"""Values on the command line: what they mean, and what is refused."""

import argparse
import io
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.builders import private_key
from wig_cli import inputs, new_keys


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("never", None),
        ("2030-01-31T12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        (
            "2030-01-31T12:00:00+02:00",
            datetime(2030, 1, 31, 12, tzinfo=timezone(timedelta(hours=2))),
        ),
    ],
)
def test_times(text, moment):
    """RFC 3339 with a zone, or never."""
    assert inputs.moment(text) == moment


@pytest.mark.parametrize(("text", "days"), [("90d", 90), ("2w", 14), ("48h", 2)])
def test_times_from_now(text, days):
    """A number and a unit count from now."""
    expected = datetime.now(UTC) + timedelta(days=days)

    assert abs(inputs.moment(text) - expected) < timedelta(seconds=5)


@pytest.mark.parametrize("text", ["", "tomorrow", "90", "d", "-1d", "2030-13-01T00:00:00Z"])
def test_no_times(text):
    """Anything else is refused, with examples."""
    with pytest.raises(argparse.ArgumentTypeError, match="is not a time: 2030-01-31T12:00:00Z"):
        inputs.moment(text)


def test_key_file_is_what_wg_genkey_prints(tmp_path):
    """A key with a newline after it."""
    path = tmp_path / "alice.key"
    path.write_text(private_key(1).reveal() + "\n")

    assert inputs.private_key_file(str(path)) == private_key(1)


def test_key_comes_from_standard_input(monkeypatch):
    """So that it never is on a command line."""
    monkeypatch.setattr("sys.stdin", io.StringIO(private_key(1).reveal()))

    assert inputs.private_key_file("-") == private_key(1)


def test_wrong_key_file_is_named_and_not_shown(tmp_path):
    """What is in the file may be a secret that is only too long."""
    path = tmp_path / "alice.key"
    path.write_text("s3cret" * 20)

    with pytest.raises(argparse.ArgumentTypeError, match=r"alice\.key' is not a key") as found:
        inputs.preshared_key_file(str(path))
    assert "s3cret" not in str(found.value)


def test_lists_take_commas_and_repetition():
    """`--dns a,b` and `--dns a --dns b` are the same."""
    assert inputs.split(["a,b", "c d"]) == ["a", "b", "c", "d"]


def test_new_keys_differ():
    """Keys are made of randomness."""
    assert new_keys.private_key() != new_keys.private_key()
    assert new_keys.preshared_key() != new_keys.preshared_key()
