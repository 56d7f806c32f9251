"""What the tests of a gateway's sink begin with and ask it."""

from tests import builders
from tests.gateways import Follower
from wig import ops
from wig.model import Peer
from wig.steps import PeerChange, SetPeers

WG0 = builders.interface()
A, B = builders.peer("a", ip="10.0.0.2"), builders.peer("b", ip="10.0.0.3")


def create(peer: Peer) -> ops.Op:
    return ops.PeerCreate(peer=peer)


def update(peer: Peer) -> ops.Op:
    return ops.PeerUpdate(peer=peer)


def changes(follower: Follower) -> list[PeerChange]:
    """Return what the last call changed at peers."""
    return [
        each for step in follower.host.steps if isinstance(step, SetPeers) for each in step.changes
    ]


def quarantine(follower: Follower) -> dict[str, str]:
    return {each.subject: each.reason for each in follower.sink.quarantine()}


def refused(follower: Follower) -> dict[str, str]:
    """Return the quarantine without what is only a warning."""
    found = quarantine(follower).items()
    return {about: why for about, why in found if not about.startswith("capacity")}
