"""The text of all peers' metrics: what is in it, and how it is written."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge import metrics_peers, readings
from bridge.readings import Columns, Reading
from tests import builders
from wig.samples import Batch, Sample

NOW = 1_800_000_000


def reading(**interfaces) -> Reading:
    """Return a reading; of each interface (seed, handshake, received, sent)."""
    found = {}
    for name, peers in interfaces.items():
        found[name] = Columns()
        samples = [Sample(builders.key(seed), *rest, None) for seed, *rest in peers]
        found[name].add(Batch(name, samples))
    return Reading(0.0, NOW, 0.1, found, dict.fromkeys(found, 0))


def text(one, peers=(), per_peer="on") -> str:
    return b"".join(metrics_peers.pieces(one, peers, per_peer)).decode()


def samples(written: str) -> dict:
    return {
        (sample.name, sample.labels["interface"], sample.labels["peer"]): sample.value
        for family in text_string_to_metric_families(written)
        for sample in family.samples
    }


def test_each_peer_has_three_series():
    """Received, sent, last handshake; by interface and public key."""
    one = reading(wg0=[("a", NOW, 5, 7)], wg1=[("b", 0, 2**63, 0)])

    assert samples(text(one)) == {
        ("wig_peer_receive_bytes_total", "wg0", builders.key("a")): 5,
        ("wig_peer_receive_bytes_total", "wg1", builders.key("b")): 2**63,
        ("wig_peer_transmit_bytes_total", "wg0", builders.key("a")): 7,
        ("wig_peer_transmit_bytes_total", "wg1", builders.key("b")): 0,
        ("wig_peer_last_handshake_seconds", "wg0", builders.key("a")): NOW,
        ("wig_peer_last_handshake_seconds", "wg1", builders.key("b")): 0,
    }


def test_pieces_are_small_and_complete():
    """However many peers there are, no piece is longer than it may be."""
    many = [(n, NOW, n, n) for n in range(2500)]
    pieces = list(metrics_peers.pieces(reading(wg0=many), (), "on"))

    assert max(piece.count(b"\n") for piece in pieces) == metrics_peers.PIECE_LINES
    assert len(samples(b"".join(pieces).decode())) == 3 * 2500


@pytest.mark.parametrize(
    ("per_peer", "seeds"),
    [
        pytest.param("on", {"new", "old", "never"}, id="on"),
        pytest.param("active", {"new"}, id="active"),
        pytest.param("off", set(), id="off"),
    ],
)
def test_the_operator_chooses_which_peers_have_series(per_peer, seeds):
    """All, none, or those with a handshake in the last ten minutes."""
    peers = [("new", NOW - 600, 1, 1), ("old", NOW - 601, 1, 1), ("never", 0, 0, 0)]

    found = samples(text(reading(wg0=peers), per_peer=per_peer))

    assert {key for _, _, key in found} == {builders.key(seed) for seed in seeds}


def test_names_are_in_a_metric_of_their_own():
    """Whatever characters they have; peers without a name, or not on the device, have none."""
    name = 'a "b"\\c\nd é'
    peers = [
        builders.peer("a", name=name),
        builders.peer("b"),
        builders.peer("c", name="not on the device"),
        builders.peer("a2", name="elsewhere", interface="wg9"),
    ]
    one = reading(wg0=[("a", NOW, 1, 1), ("b", NOW, 1, 1)])

    (*_, info) = text_string_to_metric_families(text(one, peers))

    assert [(it.labels, it.value) for it in info.samples] == [
        ({"interface": "wg0", "peer": builders.key("a"), "name": name}, 1)
    ]


def test_connected_is_who_has_a_session():
    """WireGuard gives a session up 180 seconds after its handshake."""
    one = reading(wg0=[("a", NOW - 180, 1, 1), ("b", NOW - 181, 1, 1), ("c", 0, 0, 0)])

    assert one.interfaces["wg0"].connected(NOW) == 1
    assert readings.CONNECTED_S == 180


def test_before_the_first_reading_there_is_nothing():
    """A scrape may come that early."""
    assert text(None) == ""
