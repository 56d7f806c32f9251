"""The bytes that go to the kernel's WireGuard, and come from it.

After the attribute trees of WG_CMD_SET_DEVICE and WG_CMD_GET_DEVICE in Linux,
include/uapi/linux/wireguard.h, in the framing of netlink.h and genetlink.h. The numbers are those
of a little-endian host.
"""

import re
import sys
from base64 import b64encode

import pytest

from wig import keys
from wig.device import Device, DevicePeer, Endpoint
from wig.linux import netlink, netlink_dump
from wig.steps import PeerChange, SetDevice

pytestmark = pytest.mark.skipif(sys.byteorder != "little", reason="the bytes are little-endian")

FAMILY = 0x1F
PRIVATE, FIRST, SECOND, THIRD = "a8" * 31 + "6a", "b1" * 32, "b2" * 32, "b3" * 32
PRESHARED = "c1" * 32


def raw(text):
    """Return the bytes of a hex dump with comments."""
    return bytes.fromhex(re.sub(r"#.*", "", text))


def text(key):
    return b64encode(bytes.fromhex(key)).decode()


GET_FAMILY = raw("""
    24000000 1000 0100 00000000 00000000  # nlmsghdr: 36, GENL_ID_CTRL, REQUEST
    03 01 0000                            # genlmsghdr: CTRL_CMD_GETFAMILY
    0e00 0200 776972656775617264 00 0000  # CTRL_ATTR_FAMILY_NAME "wireguard"
""")

GOT_FAMILY = raw("""
    2c000000 1000 0000 00000000 00000000  # nlmsghdr: 44
    01 02 0000                            # genlmsghdr: CTRL_CMD_NEWFAMILY
    0e00 0200 776972656775617264 00 0000  # CTRL_ATTR_FAMILY_NAME
    0600 0100 1f00 0000                   # CTRL_ATTR_FAMILY_ID 0x1f
""")

GET_DEVICE = raw("""
    1c000000 1f00 0103 00000000 00000000  # nlmsghdr: 28, REQUEST | DUMP
    00 01 0000                            # genlmsghdr: WG_CMD_GET_DEVICE
    0800 0200 77673000                    # WGDEVICE_A_IFNAME "wg0"
""")

SET_DEVICE = raw(f"""
    50000000 1f00 0500 00000000 00000000  # nlmsghdr: 80, REQUEST | ACK
    01 01 0000                            # genlmsghdr: WG_CMD_SET_DEVICE
    0800 0200 77673000                    # WGDEVICE_A_IFNAME
    2400 0300 {PRIVATE}                   # WGDEVICE_A_PRIVATE_KEY
    0600 0600 6ccc 0000                   # WGDEVICE_A_LISTEN_PORT 52332
    0800 0700 07000000                    # WGDEVICE_A_FWMARK 7
""")

REMOVE_PEERS = raw("""
    24000000 1f00 0500 00000000 00000000
    01 01 0000
    0800 0200 77673000                    # WGDEVICE_A_IFNAME
    0800 0500 01000000                    # WGDEVICE_A_FLAGS: REPLACE_PEERS, by none
""")

SET_PEERS = raw(f"""
    7c010000 1f00 0500 00000000 00000000  # nlmsghdr: 380
    01 01 0000
    0800 0200 77673000                    # WGDEVICE_A_IFNAME
    6001 0880                             # WGDEVICE_A_PEERS, nested
        b800 0080                         # 0, nested
            2400 0100 {FIRST}             # WGPEER_A_PUBLIC_KEY
            2400 0200 {PRESHARED}         # WGPEER_A_PRESHARED_KEY
            0800 0300 02000000            # WGPEER_A_FLAGS: REPLACE_ALLOWEDIPS
            1400 0400                     # WGPEER_A_ENDPOINT: sockaddr_in
                0200 03d9 c0000201 0000000000000000
            0600 0500 1900 0000           # WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL 25
            4800 0980                     # WGPEER_A_ALLOWEDIPS, nested
                1c00 0080                 # 0, nested
                    0600 0100 0200 0000   # WGALLOWEDIP_A_FAMILY AF_INET
                    0800 0200 c0a80400    # WGALLOWEDIP_A_IPADDR 192.168.4.0
                    0500 0300 18 000000   # WGALLOWEDIP_A_CIDR_MASK 24
                2800 0080
                    0600 0100 0a00 0000   # AF_INET6
                    1400 0200 fd000000000000000000000000000006
                    0500 0300 80 000000   # 128
        7400 0080                         # 0, nested
            2400 0100 {SECOND}
            2400 0200 {"00" * 32}         # no preshared key
            2000 0400                     # sockaddr_in6
                0a00 ca6c 00000000 fe800000000000000000000000000001 02000000
            0600 0500 0000 0000           # no keepalive
        3000 0080                         # 0, nested
            2400 0100 {THIRD}
            0800 0300 01000000            # REMOVE_ME
""")

CHANGES = (
    PeerChange(
        public_key=text(FIRST),
        preshared_key=keys.PresharedKey(text(PRESHARED)),
        replace_allowed_ips=True,
        allowed_ips=("192.168.4.0/24", "fd00::6"),
        endpoint=Endpoint("192.0.2.1:985"),
        keepalive_s=25,
    ),
    PeerChange(
        public_key=text(SECOND),
        preshared_key=None,
        endpoint=Endpoint("[fe80::1%2]:51820"),
        keepalive_s=0,
    ),
    PeerChange(public_key=text(THIRD), remove=True, allowed_ips=("10.0.0.1",)),
)

WAKE = raw(f"""
    90000000 1f00 0500 00000000 00000000  # nlmsghdr: 144
    01 01 0000
    0800 0200 77673000                    # WGDEVICE_A_IFNAME
    7400 0880                             # WGDEVICE_A_PEERS, nested
        3800 0080
            2400 0100 {FIRST}
            0800 0300 04000000            # WGPEER_A_FLAGS: UPDATE_ONLY
            0600 0500 1900 0000           # keepalive 25
        3800 0080
            2400 0100 {FIRST}
            0800 0300 04000000
            0600 0500 0000 0000           # none
""")

DUMP = (
    raw(f"""
    64010000 1f00 0200 00000000 00000000  # nlmsghdr: 356, MULTI
    00 01 0000                            # genlmsghdr: WG_CMD_GET_DEVICE
    0600 0600 6cca 0000                   # WGDEVICE_A_LISTEN_PORT
    0800 0700 07000000                    # WGDEVICE_A_FWMARK
    0800 0100 09000000                    # WGDEVICE_A_IFINDEX
    0800 0200 77673000                    # WGDEVICE_A_IFNAME
    2400 0300 {PRIVATE}                   # WGDEVICE_A_PRIVATE_KEY
    2400 0400 {FIRST}                     # WGDEVICE_A_PUBLIC_KEY
    e800 0880                             # WGDEVICE_A_PEERS, nested
        e400 0080                         # 0, nested
            2400 0100 {SECOND}            # WGPEER_A_PUBLIC_KEY
            2400 0200 {PRESHARED}         # WGPEER_A_PRESHARED_KEY
            1400 0600 00f15365 00000000 0500000000000000  # WGPEER_A_LAST_HANDSHAKE_TIME
            0600 0500 1900 0000           # WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL
            0c00 0800 0100000000000000    # WGPEER_A_TX_BYTES
            0c00 0700 0200000000000000    # WGPEER_A_RX_BYTES
            0800 0a00 01000000            # WGPEER_A_PROTOCOL_VERSION
            1400 0400 0200 9c40 c0000201 0000000000000000  # WGPEER_A_ENDPOINT
            4800 0980                     # WGPEER_A_ALLOWEDIPS, nested
                1c00 0080
                    0500 0300 20 000000   # WGALLOWEDIP_A_CIDR_MASK 32
                    0600 0100 0200 0000   # WGALLOWEDIP_A_FAMILY AF_INET
                    0800 0200 0a000002    # WGALLOWEDIP_A_IPADDR
                2800 0080
                    0500 0300 40 000000
                    0600 0100 0a00 0000
                    1400 0200 fd000000000000070000000000000000
    """),
    raw(f"""
    70000000 1f00 0200 00000000 00000000  # nlmsghdr: 112: the peer is continued
    00 01 0000
    5c00 0880
        5800 0080
            2400 0100 {SECOND}
            3000 0980
                2c00 0080                 # in another order, with an attribute of tomorrow
                    0600 0100 0200 0000
                    0800 0200 0a000008
                    0500 0300 1d 000000
                    0800 0900 ffffffff
                    0600 0a00 ffff 0000
    """),
    raw("14000000 0300 0200 00000000 00000000 00000000"),  # NLMSG_DONE
)

DEVICE = Device(
    private_key=keys.PrivateKey(text(PRIVATE)),
    listen_port=51820,
    fwmark=7,
    peers={
        text(SECOND): DevicePeer(
            keys.PresharedKey(text(PRESHARED)),
            ("10.0.0.2", "fd00:0:0:7::/64", "10.0.0.8/29"),
            25, Endpoint("192.0.2.1:40000"), 1700000000, 2, 1,
        )
    },
)  # fmt: skip


def test_the_kernel_is_asked_for_wireguard():
    """By its name; the answer has its number."""
    (reply,) = netlink_dump.replies(GOT_FAMILY)

    assert netlink.get_family() == GET_FAMILY
    assert netlink_dump.family(GOT_FAMILY, reply) == FAMILY


def test_a_device_is_asked_for_and_set():
    """What is None is left out."""
    key = keys.PrivateKey(text(PRIVATE))

    assert netlink.get_device(FAMILY, "wg0") == GET_DEVICE
    step = SetDevice(name="wg0", private_key=key, listen_port=52332, fwmark=7)
    assert netlink.set_device(FAMILY, step) == SET_DEVICE
    assert netlink.remove_peers(FAMILY, "wg0") == REMOVE_PEERS


def test_peers_are_set():
    """In their order, many in a message, each with what changes only."""
    assert list(netlink.set_peers(FAMILY, "wg0", CHANGES)) == [SET_PEERS]
    assert list(netlink.set_peers(FAMILY, "wg0", [])) == []


def test_peers_are_woken():
    """A keepalive is turned on and off again; a peer that is not there is not made."""
    assert list(netlink.wake(FAMILY, "wg0", [text(FIRST)])) == [WAKE]


def test_a_device_is_understood():
    """In any order of attributes, from several messages, with what is not known yet."""
    dump = netlink_dump.Dump()

    for data in DUMP:
        for reply in netlink_dump.replies(data):
            assert reply.error == 0
            if not reply.last:
                dump.add(data, reply)

    assert dump.device() == DEVICE


def test_nothing_shows_a_secret():
    """Neither keys nor where a client is."""
    shown = repr((DEVICE, CHANGES))

    for secret in (text(PRIVATE), text(PRESHARED), "192.0.2.1", "fe80"):
        assert secret not in shown
