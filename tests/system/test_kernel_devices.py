"""Devices in the kernel and in userspace, on one host: which a gateway takes for its own."""

import pytest
from msgspec.structs import replace

from tests import builders
from tests.eventually import eventually_sync
from tests.lab import Internet, clients, need_kernel
from tests.lab.gateway import DrivenGateway
from tests.lab.remote_host import RemoteHost
from wig import errors
from wig.steps import CreateInterface, PeerChange, SetPeers


@pytest.fixture
def host():
    """A host with nothing on it, and a kernel that has WireGuard."""
    need_kernel()
    with Internet() as net:
        yield net.host("host")


def test_a_peer_that_the_kernel_refuses_is_found(host):
    """Among hundreds, which are set; where there is no device, nobody is blamed."""
    some = [PeerChange(public_key=builders.key(number)) for number in range(700)]
    some[300] = replace(some[300], allowed_ips=("10.0.0.0/99",))
    with RemoteHost(host, "kernel") as remote:
        remote.perform(CreateInterface(name="wg0"))

        (problem,) = remote.perform(SetPeers(name="wg0", changes=tuple(some)))

        assert problem.subject == f"peer {builders.key(300)}"
        assert "Invalid argument" in problem.reason
        device = remote.observe(["wg0"]).interfaces["wg0"].device
        assert device is not None
        assert len(device.peers) == len(some)
        with pytest.raises(errors.Unusable, match="the device of 'wg1' is gone"):
            remote.perform(SetPeers(name="wg1", changes=tuple(some)))


def test_a_deleted_link_comes_back(host):
    """At once, not with the next audit."""
    name = "wg0"
    with DrivenGateway(host, wireguard="auto", audit_interval_s=3600) as gateway:
        gateway.load([builders.interface(), clients.peer(2)])
        host.run("ip", "link", "del", name)

        eventually_sync(
            lambda: "10.0.0.2" in host.run("wg", "show", name, "allowed-ips", check=False).stdout,
            "the interface to be back",
        )
        gateway.stop(down=True)
    assert host.run("ip", "link", "show", name, check=False).returncode != 0


def test_devices_of_wireguard_go_stay_there(host):
    """Until they are taken down: `auto` goes on with them, and `kernel` leaves them alone."""
    with DrivenGateway(host, wireguard="userspace") as gateway:
        gateway.load([builders.interface(), clients.peer(2)])
        gateway.stop()
        gateway.start_with(wireguard="auto")
        gateway.load()
        assert gateway.quarantine() == {}
        gateway.stop()
        gateway.start_with(wireguard="kernel")
        gateway.load()
        assert "has a tun interface of this name" in gateway.quarantine()["interface wg0"]
        gateway.stop(down=True)
        assert host.kind("wg0") == "tun"


def test_devices_of_the_kernel_are_left_alone_by_wireguard_go(host):
    """They are named for what they are."""
    host.run("ip", "link", "add", "wg1", "type", "wireguard")
    with DrivenGateway(host, wireguard="userspace") as gateway:
        gateway.load([builders.interface("wg1", port=51821, addresses=())])

        assert "the kernel has a wireguard interface" in gateway.quarantine()["interface wg1"]
        gateway.stop(down=True)
    assert host.kind("wg1") == "wireguard"
