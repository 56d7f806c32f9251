"""A gateway's host that is a recorded answer of a device: what wig itself costs, and no device."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec.structs import replace

from tests import builders
from tests.bench.figures import Clock, Figure, spread
from tests.gateways import EPOCH, Follower
from tests.hosts import FakeHost
from wig import device, ops, wanted
from wig.device import Link, Observed
from wig.linux import uapi
from wig.model import Interface, Peer
from wig.steps import LoadFirewall, Problem, SetPeers, SetSysctl, Step

PEERS, DIFFERENT, OPS = 100_000, 1000, 200
ADDRESSES = ("10.0.0.1/8", "fd00::1/64")


def peers(count: int) -> list[Peer]:
    return [
        builders.peer(
            ("recorded", number),
            ip=f"10.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}",
            ip6=f"fd00::{1 + (number >> 16):x}:{number & 0xFFFF:x}",
        )
        for number in range(count)
    ]


class Recorded(FakeHost):
    """Answers with a text, and takes whatever is written; counts it."""

    def __init__(self, text: bytes) -> None:
        super().__init__(peers_max=None)
        self.text = text
        self.written = 0

    def observe(self, names: Iterable[str]) -> device.Host:
        link = Link("tun", 1420, up=True, addresses=frozenset(ADDRESSES), routes=frozenset())
        found = {name: Observed(link, uapi.parse(self.text)) for name in names}
        return device.Host(found, frozenset(found), self.table, dict(self.sysctls))

    def perform(self, step: Step) -> tuple[Problem, ...]:
        match step:
            case SetPeers():
                self.written += sum(
                    len(uapi.encode_peers(piece)) for piece in uapi.chunks(step.changes)
                )
            case LoadFirewall() | SetSysctl():
                return super().perform(step)
            case _:
                self.steps.append(step)
        return ()


def text_of(interface_key: str, some: Sequence[Peer], port: int) -> bytes:
    """Return what wireguard-go would say of these peers."""
    lines = [f"private_key={interface_key}", f"listen_port={port}"]
    for number, peer in enumerate(some):
        lines += [
            *(f"public_key={uapi._to_hex(peer.public_key)}", f"preshared_key={'0' * 64}"),
            *("protocol_version=1", f"endpoint=192.0.2.{number & 255}:{number & 0xFFFF}"),
            *(f"last_handshake_time_sec={1767268800 + number}", "last_handshake_time_nsec=5"),
            *(f"tx_bytes={number}", f"rx_bytes={number}", "persistent_keepalive_interval=0"),
            *(f"allowed_ip={peer.ip}/32", f"allowed_ip={peer.ip6}/128"),
        ]
    return ("\n".join(lines) + "\n").encode()


def figures(directory: Path) -> list[Figure]:
    """100,000 peers: compare, find what differs, apply one op."""
    interface = builders.interface(addresses=ADDRESSES)
    some = peers(PEERS)
    key = uapi._to_hex(wanted.clamped(interface.private_key).reveal())
    text = text_of(key, some, interface.port)
    host = Recorded(text)
    follower = Follower(directory, host)
    follower.load(interface, *some)
    assert host.written == 0, "all peers are as they should be"

    host.steps.clear()
    with Clock() as same:
        assert follower.sink.audit().differences == 0
    assert (host.written, host.steps) == (0, [])
    host.text = _meddled(text)
    with Clock() as different:
        assert follower.sink.audit().differences == DIFFERENT
    host.text = text
    return [
        Figure(
            work=f"compare {PEERS:,} peers that match",
            value=f"{same.s:.2f} s, nothing written",
            target="≤ 2 s",
        ),
        Figure(
            work=f"find {DIFFERENT:,} that differ among {PEERS:,}, and plan",
            value=f"{different.s:.2f} s",
            target="≤ 3 s",
        ),
        Figure(
            work=f"one op on a device of {PEERS:,} peers, without the device",
            value=spread(_ops(follower)),
            target="≤ 5 ms",
        ),
        Figure(
            work=f"a new description of an interface with {PEERS:,} peers",
            value=spread(_descriptions(follower, interface)),
            target="≤ 5 ms",
        ),
    ]


def _meddled(text: bytes) -> bytes:
    """Change every hundredth peer, as somebody might by hand."""
    head, *sections = text.split(b"public_key=")
    for number in range(0, len(sections), PEERS // DIFFERENT):
        sections[number] = re.sub(rb"(allowed_ip=10\..*)/32", rb"\1/30", sections[number])
    return b"public_key=".join([head, *sections])


def _ops(follower: Follower) -> list[float]:
    changed = (
        builders.peer(("recorded", number * 7), ip=f"10.200.{number}.1") for number in range(OPS)
    )
    return [_took_s(follower, ops.PeerUpdate(peer=each)) for each in changed]


def _descriptions(follower: Follower, interface: Interface) -> list[float]:
    changed = (replace(interface, description=str(number)) for number in range(OPS))
    return [_took_s(follower, ops.InterfaceUpdate(interface=each)) for each in changed]


def _took_s(follower: Follower, op: ops.Op) -> float:
    record = follower.record(op)
    with Clock() as clock:
        follower.sink.apply(EPOCH, [record])
    return clock.s
