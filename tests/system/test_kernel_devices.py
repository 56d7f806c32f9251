"""Devices in the kernel and in userspace, on one host: which a gateway takes for its own."""

import pytest
from msgspec.structs import replace

from tests import builders
from tests.lab import Internet, need_kernel
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


def test_a_device_of_the_other_kind_is_left_alone(host):
    """It is reported for what it is; and `auto` goes on with what an earlier gateway made."""
    host.run("ip", "link", "add", "wg1", "type", "wireguard")
    both = (builders.interface(), builders.interface("wg1", port=51821, addresses=()))
    with DrivenGateway(host, wireguard="userspace") as gateway:
        gateway.load(both)
        assert "the kernel has a wireguard interface" in gateway.quarantine()["interface wg1"]

        gateway.start_again(wireguard="auto")
        gateway.load(both)
        assert gateway.quarantine().keys() == {"interface wg1"}

        gateway.start_again(wireguard="kernel")
        gateway.load(both)
        assert "the host has a tun interface" in gateway.quarantine()["interface wg0"]
        assert gateway.quarantine().keys() == {"interface wg0"}

        assert (host.kind("wg0"), host.kind("wg1")) == ("tun", "wireguard")
        gateway.stop(down=True)
        assert host.kind("wg0") == "tun"
