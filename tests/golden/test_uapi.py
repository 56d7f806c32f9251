"""The text that WireGuard devices read and write.

From the examples at https://www.wireguard.com/xplatform/ ("Example set operation" and "Example
get operation"), and as wireguard-go writes it.
"""

import base64

import pytest

from wig import keys
from wig.device import Device, DevicePeer, Endpoint
from wig.linux import uapi
from wig.steps import PeerChange, SetDevice

PRIVATE = "e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a"
PRESHARED = "188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52"
FIRST = "b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33"
SECOND = "58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376"
THIRD = "662e14fd594556f522604703340351258903b64f35553763f19426ab2a515c58"
FOURTH = "e818b58db5274087fcc1be5dc728cf53d3b5726b4cef6b9bab8f8f8c2452c25c"


def text(key: str) -> str:
    return base64.b64encode(bytes.fromhex(key)).decode()


SET_DEVICE = f"""\
set=1
private_key={PRIVATE}
listen_port=12912
fwmark=0

"""

SET_PEERS = f"""\
set=1
public_key={FIRST}
preshared_key={PRESHARED}
endpoint=[abcd:23::33%2]:51820
replace_allowed_ips=true
allowed_ip=192.168.4.4/32
public_key={SECOND}
endpoint=182.122.22.19:3233
persistent_keepalive_interval=111
replace_allowed_ips=true
allowed_ip=192.168.4.6/32
allowed_ip=fd00::6/128
allowed_ip=10.0.0.0/29
public_key={THIRD}
preshared_key={"0" * 64}
public_key={FOURTH}
remove=true

"""

CHANGES = (
    PeerChange(
        public_key=text(FIRST),
        preshared_key=keys.PresharedKey(text(PRESHARED)),
        endpoint=Endpoint("[abcd:23::33%2]:51820"),
        replace_allowed_ips=True,
        allowed_ips=("192.168.4.4",),
    ),
    PeerChange(
        public_key=text(SECOND),
        endpoint=Endpoint("182.122.22.19:3233"),
        keepalive_s=111,
        replace_allowed_ips=True,
        allowed_ips=("192.168.4.6", "fd00::6", "10.0.0.0/29"),
    ),
    PeerChange(public_key=text(THIRD), preshared_key=None),
    PeerChange(public_key=text(FOURTH), remove=True),
)

SPECIFIED = f"""\
private_key={PRIVATE}
listen_port=12912
public_key={FIRST}
preshared_key={PRESHARED}
allowed_ip=192.168.4.4/32
endpoint=[abcd:23::33%2]:51820
public_key={SECOND}
tx_bytes=38333
rx_bytes=2224
allowed_ip=192.168.4.6/32
persistent_keepalive_interval=111
endpoint=182.122.22.19:3233
public_key={THIRD}
endpoint=5.152.198.39:51820
allowed_ip=192.168.4.10/32
allowed_ip=192.168.4.11/32
tx_bytes=1212111
rx_bytes=1929999999
protocol_version=1
"""

AS_SPECIFIED = Device(
    private_key=keys.PrivateKey(text(PRIVATE)),
    listen_port=12912,
    fwmark=0,
    peers={
        text(FIRST): DevicePeer(
            keys.PresharedKey(text(PRESHARED)),
            ("192.168.4.4",), 0, Endpoint("[abcd:23::33%2]:51820"), 0, 0, 0,
        ),
        text(SECOND): DevicePeer(
            None, ("192.168.4.6",), 111, Endpoint("182.122.22.19:3233"), 0, 2224, 38333
        ),
        text(THIRD): DevicePeer(
            None,
            ("192.168.4.10", "192.168.4.11"),
            0, Endpoint("5.152.198.39:51820"), 0, 1929999999, 1212111,
        ),
    },
)  # fmt: skip

# wireguard-go 0.0.20220316, device/uapi.go: IpcGetOperation.
WIREGUARD_GO = f"""\
private_key={PRIVATE}
listen_port=51820
fwmark=7
public_key={FIRST}
preshared_key={"0" * 64}
protocol_version=1
last_handshake_time_sec=0
last_handshake_time_nsec=0
tx_bytes=0
rx_bytes=0
persistent_keepalive_interval=0
public_key={SECOND}
preshared_key={PRESHARED}
protocol_version=1
endpoint=192.0.2.1:40000
last_handshake_time_sec=1700000000
last_handshake_time_nsec=5
tx_bytes=1
rx_bytes=2
persistent_keepalive_interval=25
allowed_ip=10.0.0.2/32
allowed_ip=10.0.0.8/29
allowed_ip=fd00::2/128
allowed_ip=::102:304/128
allowed_ip=::ffff:1.2.3.4/128
"""

AS_WIREGUARD_GO = Device(
    private_key=keys.PrivateKey(text(PRIVATE)),
    listen_port=51820,
    fwmark=7,
    peers={
        text(FIRST): DevicePeer(None, (), 0, None, 0, 0, 0),
        text(SECOND): DevicePeer(
            keys.PresharedKey(text(PRESHARED)),
            ("10.0.0.2", "10.0.0.8/29", "fd00::2", "::1.2.3.4", "::ffff:1.2.3.4"),
            25, Endpoint("192.0.2.1:40000"), 1700000000, 2, 1,
        ),
    },
)  # fmt: skip


def test_a_device_is_set():
    """What is None is left out."""
    key = keys.PrivateKey(text(PRIVATE))

    step = SetDevice(name="wg0", private_key=key, listen_port=12912, fwmark=0)
    assert uapi.encode_device(step).decode() == SET_DEVICE
    assert uapi.encode_device(SetDevice(name="wg0", listen_port=1)) == b"set=1\nlisten_port=1\n\n"


def test_peers_are_set():
    """In their order, each with what changes only."""
    assert uapi.encode_peers(CHANGES).decode() == SET_PEERS


def test_peers_are_woken():
    """A keepalive is turned on and off again; a peer that is not there is not made."""
    assert uapi.encode_wake([text(FIRST)]).decode() == (
        "set=1\n"
        f"public_key={FIRST}\nupdate_only=true\npersistent_keepalive_interval=25\n"
        f"public_key={FIRST}\nupdate_only=true\npersistent_keepalive_interval=0\n\n"
    )


@pytest.mark.parametrize(
    ("said", "device"),
    [
        pytest.param(SPECIFIED, AS_SPECIFIED, id="specification"),
        pytest.param(WIREGUARD_GO, AS_WIREGUARD_GO, id="wireguard-go"),
        pytest.param("", Device(None, 0, 0, {}), id="new"),
        pytest.param("listen_port=46596\n", Device(None, 46596, 0, {}), id="up"),
    ],
)
def test_a_device_is_understood(said, device):
    """In any order of lines, with anything left out."""
    assert uapi.parse(said.encode()) == device
    assert uapi.parse_port(said.encode()) == device.listen_port


def test_nothing_shows_a_secret():
    """Neither keys nor where a client is."""
    shown = repr((AS_SPECIFIED, AS_WIREGUARD_GO, CHANGES, AS_SPECIFIED.private_key))

    for secret in (text(PRIVATE), text(PRESHARED), "182.122.22.19", "abcd:23", "192.0.2.1"):
        assert secret not in shown
