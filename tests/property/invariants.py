"""What holds in every state that `decide` leads to, after each single op."""

import itertools

from tests.world import replay
from wig import addresses, allocation, codec, errors, log, ops
from wig.allocation import MemoryIslands
from wig.ports import Bounds
from wig.state import State


def check(state: State) -> None:
    """Check everything that can be said about one state."""
    keys_and_ports_are_unique(state)
    islands_are_what_the_objects_say(state)
    nothing_overlaps_between_interfaces(state)
    digest_is_the_sum(state)


def keys_and_ports_are_unique(state: State) -> None:
    interfaces = list(state.interfaces())
    peers = [peer for one in interfaces for peer in state.peers_of(one.name)]
    keys = [one.public_key for one in [*interfaces, *peers]]
    assert len(keys) == len(set(keys))
    assert len({one.port for one in interfaces}) == len(interfaces)
    assert sum(state.peer_count(one.name) for one in interfaces) == len(peers)


def islands_are_what_the_objects_say(state: State) -> None:
    """No address has two owners: `occupy` would refuse the second."""
    for interface in state.interfaces():
        for version in (4, 6):
            islands = MemoryIslands()
            if cidr := addresses.cidr_of(interface.addresses, version):
                allocation.occupy_reserved(islands, cidr)
            for peer in state.peers_of(interface.name):
                if text := peer.ip if version == 4 else peer.ip6:
                    found = addresses.parse_range(text, "peer")
                    assert (found.version, found.text) == (version, text)
                    allocation.occupy(islands, found.bounds)
                    assert state.peer_at(interface.name, version, found.bounds) == peer
            assert state.islands(interface.name, version).all() == islands.all()


def nothing_overlaps_between_interfaces(state: State) -> None:
    """Neither pools nor peers: one gateway has one routing table."""
    for version in (4, 6):
        taken: list[tuple[Bounds, str]] = []
        for interface in state.interfaces():
            taken += [
                (each, interface.name) for each in state.islands(interface.name, version).all()
            ]
            if cidr := addresses.cidr_of(interface.addresses, version):
                taken.append((cidr.pool, interface.name))
        for (one, owner), (other, another) in itertools.combinations(taken, 2):
            assert owner == another or one[1] < other[0] or other[1] < one[0]


def peers_are_in_their_pools(state: State, outsiders: set[str]) -> None:
    """All but those that were ever allowed outside."""
    for interface in state.interfaces():
        for peer in state.peers_of(interface.name):
            for version, text in ((4, peer.ip), (6, peer.ip6)):
                if text is not None and peer.public_key not in outsiders:
                    cidr = addresses.cidr_of(interface.addresses, version)
                    first, last = addresses.parse_range(text, "peer").bounds
                    assert cidr is not None
                    assert cidr.pool[0] <= first <= last <= cidr.pool[1]


def digest_is_the_sum(state: State) -> None:
    total = 0
    for thing in state.objects():
        total = log.state_digest_add(total, log.object_digest(thing))
    assert state.state_digest == log.state_digest_text(total)


def replay_is_the_same(state: State, past: list[ops.Op]) -> None:
    """The log alone leads to the same objects, digest and islands."""
    again = replay(past)
    assert list(again.objects()) == list(state.objects())
    assert again.state_digest == state.state_digest
    for interface in state.interfaces():
        for version in (4, 6):
            assert (
                again.islands(interface.name, version).all()
                == state.islands(interface.name, version).all()
            )


def error_is_clear(error: errors.WigError) -> None:
    """It names the field first, is short, says whether to try again, and survives the wire."""
    assert error.field
    assert error.message.startswith(f"{error.field}: ")
    assert len(error.message) < 500
    assert isinstance(error, errors.Permanent)
    assert codec.decoder(errors.ErrorBody)(codec.encode(error.body())) == error.body()
