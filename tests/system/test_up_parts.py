"""The parts as programs of their own: `wig gateway` beside a primary."""

import signal

import pytest

from tests.eventually import eventually_sync
from tests.lab.internet import Internet
from tests.lab.need import need
from tests.program import WIG, Up

NOTICED_S_MAX = 20.0  # a node that is silent for ten seconds is a problem


@pytest.fixture
def host():
    """One host for all."""
    need()
    with Internet() as net:
        yield net.host("host")


@pytest.fixture
def primary(host, tmp_path):
    """A primary with its server, and no gateway in the same process."""
    with Up(tmp_path / "state", "--no-gateway", host=host) as running:
        yield running


@pytest.fixture
def command(primary):
    """The command line of a gateway that follows it."""
    token = primary.state_dir / "nats" / "credentials.json"
    where = ("--server", primary.ready["server"], "--token-file", str(token))
    return [*WIG, "gateway", "--name", "gw1", "--follow", "primary", *where]


def nodes(primary):
    """Return the lag and the problems of each node."""
    found = primary.wig("status", "--output", "json").document["nodes"]
    return {node["name"]: (node["lag_entries"], node["problems"]) for node in found}


def test_a_gateway_follows_and_leaves_its_interfaces_behind(host, primary, command):
    """It makes the interface, says that it keeps up, and stops without taking it down."""
    with host.spawn(*command) as gateway:
        eventually_sync(lambda: nodes(primary).get("gw1") == (0, []), "the gateway to follow", 20)
        links = host.out("wg", "show", "interfaces").split()
        code = gateway.stop()

    assert code == 0
    assert links == ["wg0"]
    assert host.out("wg", "show", "interfaces").split() == ["wg0"]


def test_a_dead_gateway_is_noticed(host, primary, command):
    """Status says so, for people and by its exit code."""
    with host.spawn(*command) as gateway:
        eventually_sync(lambda: "gw1" in nodes(primary), "the gateway to follow", 20)
        healthy = primary.wig("status").code

        gateway.stop(signal.SIGKILL)
        done = eventually_sync(
            lambda: (done := primary.wig("status")).code and done, "status to notice", NOTICED_S_MAX
        )

    assert healthy == 0
    assert done.code == 1
    assert "behind or with problems: gw1" in done.err


def test_a_second_gateway_on_a_host_names_the_first(host, primary, command):
    """Two would fight over the same devices."""
    with host.spawn(*command):
        eventually_sync(lambda: "gw1" in nodes(primary), "the gateway to follow", 20)

        second = host.run(*command, check=False)

    assert second.returncode == 1
    assert "another gateway runs on this host, as process " in second.stderr


@pytest.mark.parametrize("program", ["wireguard-go", "nft"])
def test_a_missing_program_is_named_with_its_package(host, primary, command, program, tmp_path):
    """The error says what to install, before anything is changed."""
    for name in {"wireguard-go", "nft", "ip", "nsenter", "env"} - {program}:
        (tmp_path / name).symlink_to(host.out("which", name).strip())

    done = host.run(*command, check=False, env={"PATH": str(tmp_path)})

    assert done.returncode == 1
    error, hint = done.stderr.splitlines()
    assert program in error
    assert hint.startswith("hint: install")


def test_what_a_host_refuses_is_a_problem_of_its_gateway(host, primary, command):
    """A port that somebody else has: the interface is reported, everything else goes on."""
    taken = "import socket, time; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', 7000))"
    with host.spawn("python3", "-c", f"{taken}; time.sleep(600)"), host.spawn(*command):
        eventually_sync(lambda: nodes(primary).get("gw1") == (0, []), "the gateway to follow", 20)
        words = ("--port", "7000", "--address", "10.250.0.1/24")
        primary.wig("interface", "create", "taken", *words)

        def reported():
            lag, problems = nodes(primary)["gw1"]
            return lag == 0 and any("taken" in problem for problem in problems)

        eventually_sync(reported, "the port in use to be reported")
        primary.wig("peer", "create", "wg0", "--endpoint", "x")

        peers = eventually_sync(lambda: host.out("wg", "show", "wg0", "peers"), "the new peer")
    assert peers
