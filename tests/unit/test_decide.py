"""`decide`: what each command does, and what it refuses."""

from wig import ops
from wig.commands import CreatePeer
from wig.decide import decide
from wig.state import State

from tests import builders


def test_a_new_peer_gets_the_first_free_addresses():
    """An automatic address is the lowest that nobody has, in each family."""
    state = State()
    state.add(builders.interface())

    (op,) = decide(state, CreatePeer(interface="wg0", public_key=builders.key()), builders.NOON)

    assert isinstance(op, ops.PeerCreate)
    assert (op.peer.ip, op.peer.ip6) == ("10.0.0.2", "fd00::2")
