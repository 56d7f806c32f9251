"""Any device and any change, to the kernel's bytes and back, in messages of any size."""

from typing import Any

import hypothesis.strategies as st
from hypothesis import given
from msgspec import UNSET
from pyroute2.netlink.generic.wireguard import wgmsg

from tests import kernel_dump
from tests.property import strategies
from wig import addresses
from wig.device import Device, DevicePeer, Endpoint
from wig.linux import netlink, netlink_dump
from wig.samples import Sample
from wig.steps import PeerChange

FAMILY = 31
PEER_BYTES_MAX = 400
"""The smallest room in which every peer here makes progress."""
HEAD_BYTES = 28
"""Of a message before its peers: headers, and the interface's name."""
ALLOWED_IPS = "WGPEER_A_ALLOWEDIPS"
FIELDS = {
    "preshared_key": "WGPEER_A_PRESHARED_KEY",
    "flags": "WGPEER_A_FLAGS",
    "endpoint": "WGPEER_A_ENDPOINT",
    "keepalive": "WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL",
}
NO_KEY = "A" * 43 + "="


@st.composite
def ranges(draw):
    """Draw a range as wig writes it."""
    version = draw(st.sampled_from([4, 6]))
    bits = addresses.BITS[version]
    hosts = (1 << bits - draw(st.integers(0, bits))) - 1
    first = draw(st.integers(0, (1 << bits) - 1)) & ~hosts
    return addresses.Range(version, first, first | hosts).text


@st.composite
def endpoints(draw):
    """Draw where a client may be."""
    version = draw(st.sampled_from([4, 6]))
    host = addresses.host_text(version, draw(st.integers(0, (1 << addresses.BITS[version]) - 1)))
    zone = draw(st.sampled_from(["", "%1", "%4294967295"]))
    host = host if version == 4 else f"[{host}{zone}]"
    return Endpoint(f"{host}:{draw(st.integers(0, 65535))}")


public_keys = strategies.public_keys
allowed_ips = st.lists(ranges(), max_size=12, unique=True).map(tuple)
counters = st.integers(0, (1 << 64) - 1)
peers = st.builds(
    DevicePeer,
    st.none() | strategies.preshared_keys,
    allowed_ips,
    st.integers(0, 65535),
    st.none() | endpoints(),
    st.integers(0, 1 << 40),
    counters,
    counters,
)
devices = st.builds(
    Device,
    st.none() | strategies.private_keys,
    st.integers(0, 65535),
    st.integers(0, (1 << 32) - 1),
    st.dictionaries(public_keys, peers, max_size=12),
)
changes = st.builds(
    PeerChange,
    public_key=public_keys,
    remove=st.booleans(),
    preshared_key=st.none() | st.just(UNSET) | strategies.preshared_keys,
    replace_allowed_ips=st.booleans(),
    allowed_ips=allowed_ips,
    keepalive_s=st.none() | st.integers(0, 65535),
    endpoint=st.none() | endpoints(),
)


def received(messages):
    """Return the device of a dump, and the samples of the same."""
    dump, samples = netlink_dump.Dump(), []
    for data in messages:
        for reply in netlink_dump.replies(data):
            assert reply.error == 0
            if not reply.last:
                dump.add(data, reply)
                samples += netlink_dump.samples(data, reply)
    return dump.device(), samples


@given(devices, st.integers(PEER_BYTES_MAX, 4096))
def test_a_device_is_read_whatever_its_messages_are(device, bytes_max):
    """Peers over several messages, and one peer over several, also when many arrive at once."""
    messages = kernel_dump.messages(device, bytes_max)

    found, samples = received(messages)

    assert found == device
    assert received([b"".join(messages)]) == (found, samples)
    assert samples == [
        Sample(key, peer.handshake_s, peer.received_bytes, peer.sent_bytes, peer.endpoint)
        for key, peer in device.peers.items()
    ]


@given(
    st.lists(changes, max_size=12, unique_by=lambda change: change.public_key),
    st.integers(PEER_BYTES_MAX, 4096),
)
def test_changes_are_sent_whatever_their_messages_are(some, bytes_max):
    """Each message fits, and together they say of each peer, in order, what was to change."""
    said: list[tuple[str, dict[str, Any]]] = []

    for message in netlink.set_peers(FAMILY, "wg0", some, bytes_max):
        assert len(message) <= bytes_max + HEAD_BYTES
        for key, fields in asked(message):
            if said and said[-1][0] == key:  # continued: it has nothing but more allowed IPs
                said[-1][1]["allowed_ips"] += fields.pop("allowed_ips")
                assert fields == {}
            else:
                said.append((key, fields))

    assert said == [(change.public_key, wished(change)) for change in some]


def asked(message):
    """Yield key and attributes of each peer in a request, as another program understands it."""
    request = wgmsg(message)
    request.decode()
    assert request["header"]["length"] == len(message)
    for peer in request.get_attr("WGDEVICE_A_PEERS"):
        found = {"allowed_ips": [each["addr"] for each in peer.get_attr(ALLOWED_IPS) or ()]}
        for name, kind in FIELDS.items():
            value = peer.get_attr(kind)
            if value is not None:
                found[name] = value
        for name in {"preshared_key"} & found.keys():
            found[name] = found[name].decode()
        for name in {"endpoint"} & found.keys():
            found[name] = found[name]["addr"], found[name]["port"]
        yield peer.get_attr("WGPEER_A_PUBLIC_KEY").decode(), found


def wished(change):
    """Return the attributes that a change should have."""
    if change.remove:
        return {"allowed_ips": [], "flags": netlink.WGPEER_F_REMOVE_ME}
    found: dict[str, Any] = {"allowed_ips": list(map(prefixed, change.allowed_ips))}
    if change.preshared_key is None:
        found["preshared_key"] = NO_KEY
    elif change.preshared_key is not UNSET:
        found["preshared_key"] = change.preshared_key.reveal()
    if change.replace_allowed_ips:
        found["flags"] = netlink.WGPEER_F_REPLACE_ALLOWEDIPS
    if change.keepalive_s is not None:
        found["keepalive"] = change.keepalive_s
    if change.endpoint is not None:
        host, _, port = change.endpoint.reveal().rpartition(":")
        found["endpoint"] = host.strip("[]").partition("%")[0], int(port)
    return found


def prefixed(text):
    if "/" in text:
        return text
    return f"{text}/128" if ":" in text else f"{text}/32"
