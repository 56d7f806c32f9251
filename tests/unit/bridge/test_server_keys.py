"""The secrets of a server: made once, for their owner only."""

import stat

import pytest

from bridge import credentials, server_keys
from wig import errors


def test_they_are_made_once(tmp_path):
    """The second time they are what they were."""
    made, again = server_keys.open_or_make(tmp_path), server_keys.open_or_make(tmp_path)

    assert again.bus == made.bus
    assert (again.callout, again.system) == (made.callout, made.system)
    assert again.issuer.reveal() == made.issuer.reveal()
    assert len({made.bus.secret, made.callout.secret, made.system.secret}) == 3


def test_a_datastores_user_from_before_is_kept(tmp_path):
    """A directory of an earlier version has only that one."""
    credentials.write(tmp_path / server_keys.BUS_FILE, credentials.make("wig"))
    before = credentials.read(tmp_path / server_keys.BUS_FILE)

    assert server_keys.open_or_make(tmp_path).bus == before


def test_only_the_owner_can_read_them(tmp_path):
    """Whoever has them owns the bus; and they do not show."""
    made = server_keys.open_or_make(tmp_path)

    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for secret in (made.bus.secret, made.callout.secret, made.system.secret, made.issuer.reveal()):
        assert secret not in repr(made)


@pytest.mark.parametrize("content", [None, b"{}", b'{"issuer":"S","callout":"c","system":"s"}'])
def test_what_is_not_there_or_damaged_is_named(tmp_path, content):
    """With what to do; nothing of a damaged file is repeated."""
    credentials.write(tmp_path / server_keys.BUS_FILE, credentials.make("wig"))
    if content is not None:
        (tmp_path / server_keys.AUTH_FILE).write_bytes(content)

    with pytest.raises(errors.Unusable, match=r"server keys: .*auth.json") as caught:
        server_keys.read(tmp_path)

    assert caught.value.field == "server_keys"
