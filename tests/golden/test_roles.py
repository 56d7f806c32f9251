"""What nats-server is told about each role. A changed line is a changed right: look twice."""

from pathlib import Path

import pytest

from wig import access

HERE = Path(__file__).parent


def lines(role):
    may = access.permissions(role, "gw1", "hub")
    yield from (f"publish   {subject}" for subject in may.publish)
    yield from (f"subscribe {subject}" for subject in may.subscribe)


@pytest.mark.parametrize("role", access.ROLES)
def test_a_role_is_these_subjects_and_no_others(role):
    """Byte for byte what is in the file."""
    assert "".join(f"{line}\n" for line in lines(role)) == (HERE / f"{role}.role").read_text()
