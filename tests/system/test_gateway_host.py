"""What a gateway does to its host: adopts, refuses, repairs, sets aside, and undoes."""

import signal
import sys

import pytest

from tests import builders
from tests.eventually import eventually_sync
from tests.lab import clients
from tests.lab.footprint import footprint
from tests.lab.gateway import DrivenGateway
from wig import errors
from wig.linux import netlink_socket, uapi


def test_a_gateway_without_state_changes_nothing(gateway):
    """Neither when it starts, nor in an audit."""
    before = footprint(gateway.host)

    assert gateway.audit() == 0
    assert footprint(gateway.host) == before
    assert gateway.ask("positions") == {"state": None, "device": None}


def test_down_removes_everything(net, gateway):
    """Links, addresses, routes, rules, parameters, files and processes are as before."""
    host = gateway.host
    host.run("nft", "add", "table", "inet", "mine")
    host.run("sysctl", "-q", "net.ipv4.conf.world.forwarding=1")
    before = footprint(host)
    other = builders.interface("wg1", port=51821, addresses=("10.9.0.1/24", "fd09::1/64"))
    gateway.load([builders.interface(), other, clients.peer(2, ip="192.168.7.0/24")])
    assert footprint(host) != before

    gateway.stop(down=True)

    assert footprint(host) == before


def test_down_undoes_what_an_earlier_process_made(gateway):
    """A gateway that crashed and came back still knows what it was like before."""
    before = footprint(gateway.host)
    gateway.load([builders.interface(), clients.peer(2)])
    gateway.kill()
    gateway.start()

    gateway.stop(down=True)

    assert footprint(gateway.host) == before


def test_an_interface_that_is_gone_from_the_state_is_removed(gateway):
    """By an op, or by a snapshot that a restarted gateway loads."""
    first, second = builders.interface(), builders.interface("wg1", port=51821, addresses=())
    third = builders.interface("wg2", port=51822, addresses=())
    gateway.load([first, second, third])

    gateway.delete(second)
    assert gateway.host.run("ip", "link", "show", "wg1", check=False).returncode != 0
    gateway.kill()
    gateway.start()
    gateway.load([first])

    assert gateway.host.run("ip", "link", "show", "wg2", check=False).returncode != 0
    assert gateway.host.out("pgrep", "-c", "wireguard-go") == "1\n"
    assert gateway.quarantine() == {}


def test_the_position_of_the_device_outlives_the_process(gateway):
    """It says what must not be taken back; the state in memory starts empty."""
    gateway.load([builders.interface()])
    gateway.set(clients.peer(2))
    position = gateway.ask("positions")["device"]
    gateway.kill()
    gateway.start()

    assert '"seq":2' in position
    assert gateway.ask("positions") == {"state": None, "device": position}


def test_a_device_made_by_hand_is_adopted(gateway):
    """And revived, though its process made itself a daemon long ago."""
    host = gateway.host
    host.run("wireguard-go", "wg0")
    by_hand = gateway.wireguard_pid()

    gateway.load([builders.interface(), clients.peer(2)])

    assert gateway.quarantine() == {}
    assert gateway.wireguard_pid() == by_hand
    assert clients.peer(2).public_key in host.out("wg", "show", "wg0", "peers")
    host.run("kill", "-9", str(by_hand))
    eventually_sync(lambda: "10.0.0.2" in shown(host), "the device to be back")


def shown(host, what="allowed-ips"):
    return host.run("wg", "show", "wg0", what, check=False).stdout


def test_a_foreign_interface_is_refused_and_kept(gateway):
    """Everything else goes on, and when the stranger is gone the audit takes the name."""
    host = gateway.host
    host.run("ip", "link", "add", "wg0", "type", "bridge")
    other = builders.interface("wg1", port=51821, addresses=("10.9.0.1/24",))

    gateway.load([builders.interface(), other])
    gateway.set(clients.peer(2))

    reason = gateway.quarantine()["interface wg0"]
    assert reason == "the host has a bridge interface of this name, which is not a WireGuard device"
    assert "; rename or remove that one, or give the VPN's" in gateway.ask("problems")["said"][0]
    assert "bridge" in host.out("ip", "-d", "link", "show", "wg0")
    assert "51821" in host.out("wg", "show", "wg1", "listen-port")
    gateway.stop(down=True)
    assert "bridge" in host.out("ip", "-d", "link", "show", "wg0")

    host.run("ip", "link", "del", "wg0")
    gateway.start()
    gateway.load()
    assert gateway.quarantine() == {}
    assert "10.0.0.2/32" in shown(host)


def test_a_device_of_another_namespace_is_refused_and_kept(gateway):
    """Their sockets are in one directory; deleting the interface ends nobody else's."""
    host = gateway.host
    with host.spawn("unshare", "--net", "wireguard-go", "--foreground", "wg0") as stranger:
        eventually_sync(lambda: shown(host, "listen-port"), "the stranger")
        gateway.load([builders.interface()])
        reason = "a WireGuard device of this name is in another network namespace of this host"
        assert gateway.quarantine() == {"interface wg0": reason}

        gateway.delete(builders.interface())

        assert gateway.quarantine() == {}
        assert shown(host, "listen-port") != ""
        assert stranger.popen.poll() is None


def test_a_port_in_use_is_set_aside_and_tried_again(gateway):
    """The interface keeps the port it had; the peers come all the same."""
    host = gateway.host
    taken = "import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
    listen = "s.bind(('0.0.0.0', 4000)); print('x', flush=True); input()"
    gateway.load([builders.interface()])
    program = host.spawn("python3", "-c", f"{taken}; {listen}", stdin=-1, stdout=-1)
    program.popen.stdout.read(1)

    gateway.set(builders.interface(port=4000), clients.peer(2))

    assert gateway.quarantine() == {"port of wg0": "the device says: Address already in use"}
    assert gateway.ask("problems")["said"][0].endswith("; ss -ulnp says which program has the port")
    assert shown(host, "listen-port") == "51820\n"
    assert "10.0.0.2/32" in shown(host)
    program.stop()
    assert gateway.audit() == 0
    assert gateway.quarantine() == {}
    assert shown(host, "listen-port") == "4000\n"


def test_drift_is_repaired_and_counted(gateway):
    """Whatever somebody did by hand to an interface of ours."""
    host = gateway.host
    gateway.load([builders.interface(), clients.peer(2), clients.peer(3)])
    key = clients.peer(2).public_key
    for command in (
        f"wg set wg0 listen-port 4000 peer {key} persistent-keepalive 9 allowed-ips 1.2.3.4/32",
        f"wg set wg0 peer {clients.peer(3).public_key} remove",
        f"wg set wg0 peer {builders.key('x')} allowed-ips 10.0.0.3/32",
        "ip address del 10.0.0.1/24 dev wg0",
        "ip address add fd99::1/64 dev wg0",
        "ip link set wg0 mtu 1300",
        "ip link set wg0 down",
        "nft delete table inet wig",
        "sysctl -q net.ipv4.ip_forward=0",
    ):
        host.run(*command.split())

    # Taking the link down took the IPv6 addresses along: the stranger's, and ours.
    assert gateway.audit() == 9
    assert gateway.audit() == 0
    assert gateway.quarantine() == {}


def test_an_audit_can_leave_what_it_finds(net):
    """With `--audit-only` it reports; a restart makes the host as it should be."""
    host = net.host("gateway")
    with DrivenGateway(host, audit_only=True) as gateway:
        gateway.load([builders.interface(), clients.peer(2)])
        host.run("wg", "set", "wg0", "peer", clients.peer(2).public_key, "remove")
        host.run("ip", "address", "add", "10.77.0.1/24", "dev", "wg0")

        assert gateway.audit() == 2
        assert gateway.quarantine() == {"drift of wg0": "not as planned: 1 address, 1 peer"}
        assert "10.0.0.2" not in shown(host)
        gateway.restart()
        assert gateway.audit() == 0
        assert gateway.quarantine() == {}


def test_a_deleted_link_comes_back(gateway):
    """WireGuard ends with its link, and is started again long before an audit."""
    gateway.load([builders.interface(), clients.peer(2)])

    gateway.host.run("ip", "link", "del", "wg0")

    eventually_sync(lambda: "10.0.0.2/32" in shown(gateway.host), "the interface to be back")


def test_a_silent_device_holds_up_nobody_for_long(gateway):
    """A process that hangs is set aside, and served when it answers again."""
    gateway.load([builders.interface()])
    pid = gateway.wireguard_pid()
    gateway.host.run("kill", f"-{signal.SIGSTOP:d}", str(pid))

    gateway.set(clients.peer(2))
    took_s = gateway.set(clients.peer(3))

    assert took_s < uapi.TIMEOUT_S, "it is not asked again"
    assert "peers of wg0" in gateway.quarantine()
    gateway.host.run("kill", f"-{signal.SIGCONT:d}", str(pid))
    gateway.audit()
    assert gateway.quarantine() == {}
    assert "10.0.0.3/32" in shown(gateway.host)


def test_a_silent_device_can_be_removed(gateway):
    """By force, when it does not go by itself; also after a restart."""
    first, second = builders.interface(), builders.interface("wg1", port=51821, addresses=())
    gateway.load([first, second])
    gateway.host.run("pkill", f"-{signal.SIGSTOP:d}", "wireguard-go")

    gateway.delete(second)
    assert gateway.host.run("ip", "link", "show", "wg1", check=False).returncode != 0
    gateway.kill()
    gateway.start()
    gateway.stop(down=True)

    assert gateway.host.run("pgrep", "wireguard-go", check=False).stdout == ""


def test_a_second_gateway_is_told_who_runs(gateway):
    """Whatever its name and its files."""
    with pytest.raises(errors.Unusable, match="another gateway runs on this host, as process"):
        DrivenGateway(gateway.host, name="second")


def test_the_firewall_can_be_left_to_others(net):
    """With `--no-firewall`, tables are not touched, a table called wig among them."""
    host = net.host("gateway")
    host.run("nft", "add", "table", "inet", "wig")
    with DrivenGateway(host, firewall=False) as gateway:
        gateway.load([builders.interface()])

        assert gateway.audit() == 0
        assert host.out("nft", "list", "ruleset") == "table inet wig {\n}\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            {"wireguard": "kernel"},
            "the kernel has no WireGuard",
            id="kernel",
            marks=pytest.mark.skipif(
                netlink_socket.available(), reason="this kernel has WireGuard"
            ),
        ),
        pytest.param({"wireguard": "magic"}, "'magic' is not one of auto", id="unknown"),
    ],
)
def test_a_backend_that_is_not_there_is_refused(net, options, message):
    """Before anything is changed."""
    with pytest.raises(errors.WigError, match=message):
        DrivenGateway(net.host("gateway"), **options)


@pytest.mark.parametrize(
    ("program", "package"), [("wireguard-go", "wireguard-go"), ("nft", "nftables")]
)
def test_a_missing_program_is_named_with_its_package(net, tmp_path, program, package):
    """An operator knows what to install."""
    host = net.host("gateway")
    for other in {"wireguard-go", "nft"} - {program}:
        (tmp_path / other).symlink_to(host.out("which", other).strip())

    with pytest.raises(errors.Unusable, match=f"{program} is not installed") as caught:
        DrivenGateway(host, prefix=["env", f"PATH={tmp_path}"])

    assert caught.value.hint is not None
    assert package in caught.value.hint


def test_an_ordinary_user_is_told_to_be_root(net):
    """Before anything is changed."""
    with pytest.raises(errors.Unusable, match="may not change the network of this host"):
        DrivenGateway(net.host("gateway"), prefix=["setpriv", "--bounding-set", "-all"])


def test_links_can_be_read_while_an_event_loop_runs(net):
    """Also while it is uvloop's, in the same thread: a program closes its gateway from there."""
    pytest.importorskip("uvloop", reason="needs the extra `fast`")
    code = """
import asyncio, uvloop
from wig.linux import link
async def main():
    return link.observe("lo").addresses
uvloop.install()
print(sorted(asyncio.run(main())))
"""

    assert net.host("gateway").out(sys.executable, "-c", code) == "['127.0.0.1/8', '::1/128']\n"
