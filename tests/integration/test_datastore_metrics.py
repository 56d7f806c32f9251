"""A datastore's metrics: its log, its stream, its commands, and those below it."""

import re

import pytest

from tests.eventually import eventually_sync
from tests.pages import Page, look
from tests.program import Up


class Metered(Up):
    """A `wig up` without a gateway, with a metrics port."""

    def __init__(self, state_dir) -> None:
        super().__init__(state_dir, "--no-gateway", "--metrics-addr", "127.0.0.1:0")
        found = re.findall(r"metrics port=(\d+)", self.log())
        self._port = int(found[-1])

    def page(self, path: str = "/metrics") -> Page:
        return look(self._port, path)

    def value(self, name: str, *labels: str) -> float | None:
        return self.page().values.get((name, *labels))


@pytest.fixture
def up(tmp_path):
    with Metered(tmp_path / "state") as one:
        yield one


def test_commands_are_counted_by_what_became_of_them(up):
    """Done, failed by a rule, and no command at all."""
    before = {k: up.value("wig_commands_total", k) for k in ("done", "failed")}
    head = up.value("wig_position_seq", "primary", "primary")
    assert up.wig("token", "create", "gw1", "--role", "gateway").code == 0
    assert up.wig("token", "create", "gw1", "--role", "admin").code == 1

    assert up.value("wig_commands_total", "done") == before["done"] + 1
    assert up.value("wig_commands_total", "failed") == before["failed"] + 1
    assert up.value("wig_position_seq", "primary", "primary") == head + 1
    assert up.value("wig_stream_last_seq") == head + 1
    assert up.value("wig_outbox_entries") == 0
    assert up.value("wig_commit_seconds_count") >= 2


def test_logins_and_connections_are_counted(up):
    """Each command logs in."""
    before = up.value("wig_logins_total", "granted")
    assert up.wig("status").code == 0

    assert up.value("wig_logins_total", "granted") > before


def test_a_restored_database_tells_what_is_lost(tmp_path):
    """The range of entries, as a metric; an operator is woken by it."""
    state = tmp_path / "state"
    with Metered(state) as up:
        assert up.wig("backup", "--db", str(state / "wig.db"), str(tmp_path / "old.db")).code == 0
        head = int(up.value("wig_position_seq", "primary", "primary"))
        for name in ("a", "b", "c"):
            assert up.wig("token", "create", name, "--role", "observer").code == 0
        assert up.value("wig_losses_total", "database") == 0
    for file in state.glob("wig.db*"):
        file.unlink()
    (tmp_path / "old.db").rename(state / "wig.db")

    with Metered(state) as up:
        eventually_sync(lambda: up.value("wig_losses_total", "database") == 1, "the loss")
        assert up.value("wig_lost_entries", "database") == 3
        assert up.value("wig_lost_first_seq", "database") == head + 1
        assert up.value("wig_lost_last_seq", "database") == head + 3
        assert up.page("/readyz").status == 200
