"""What an operator sees of the care that a gateway takes of its host, through the program."""

import pytest

from tests import builders
from tests.eventually import eventually_sync
from tests.lab import Internet, need
from tests.program import Up

KEY = builders.key("by hand")


@pytest.fixture
def host():
    need()
    with Internet() as net:
        yield net.host("gateway")


@pytest.fixture
def up(host, tmp_path):
    """Return how to start `wig up` there; it is stopped at the end."""
    started = []

    def begin(*words):
        started.append(Up(tmp_path / "state", "--audit-interval", "1s", *words, host=host))
        return started[0]

    yield begin
    for program in started:
        program.stop()


def problems(program):
    nodes = program.wig("status", "--output", "json").document["nodes"]
    return [problem for node in nodes for problem in node["problems"]]


def test_a_change_by_hand_is_reported_and_left(host, up):
    """With `--audit-only`: where, how much, and what to do; the log says what would be done."""
    program = up("--audit-only")
    host.run("wg", "set", "wg0", "peer", KEY)
    host.run("ip", "address", "add", "10.77.0.1/24", "dev", "wg0")

    said = "drift of wg0: not as planned: 1 address, 1 peer; --audit-only repairs nothing"
    eventually_sync(lambda: said in str(problems(program)), "the difference in the status")

    assert KEY in host.out("wg", "show", "wg0", "peers")
    assert "audit would step='remove address 10.77.0.1/24 of wg0'" in program.log()
    assert KEY not in program.log()
    host.run("wg", "set", "wg0", "peer", KEY, "remove")
    host.run("ip", "address", "del", "10.77.0.1/24", "dev", "wg0")
    eventually_sync(lambda: not problems(program), "the host to be as planned again")


def test_a_change_by_hand_is_repaired(host, up):
    """And told in the log."""
    program = up()
    host.run("wg", "set", "wg0", "peer", KEY)

    eventually_sync(lambda: KEY not in host.out("wg", "show", "wg0", "peers"), "the repair")
    eventually_sync(lambda: "audit repaired" in program.log(), "the log to say so")


def test_an_age_at_which_clients_are_connected_is_refused(host, up):
    """Before anything is made."""
    with pytest.raises(AssertionError, match="endpoint_max_age: 60 s is less than 240 s"):
        up("--endpoint-max-age", "60s")

    assert host.run("ip", "link", "show", "wg0", check=False).returncode != 0
