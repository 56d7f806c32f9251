"""What a gateway reports of its peers: what changed, once, and what waits in bounded memory."""

import pytest

from tests import builders
from wig import stats
from wig.device import Endpoint
from wig.samples import Batch, Sample
from wig.tally import Backlog, Changes, Tally

A, B, C = builders.key("a"), builders.key("b"), builders.key("c")
HOME, AWAY = Endpoint("192.0.2.1:1000"), Endpoint("[2001:db8::1]:1000")
SE = stats.Place(country="SE", asn=64500, organisation="Example")
NO = stats.Place(country="NO")


def sample(key, handshake_s=0, received=0, sent=0, endpoint=None):
    return Sample(key, handshake_s, received, sent, endpoint)


class Gateway:
    """A tally, and who asked it for places."""

    def __init__(self):
        self.tally = Tally()
        self.asked = []
        self.places = {HOME: SE, AWAY: NO}

    def find(self, endpoint):
        self.asked.append(endpoint)
        return self.places.get(endpoint)

    def read(self, *peers, interface="wg0", time_s=1, version=0, find=True, whole=True):
        changes = Changes(time_s, float(time_s))
        batch = Batch(interface, peers)
        self.tally.add(batch, changes, self.find if find else None, version)
        self.tally.end(whole=whole)
        return changes


def rows(changes):
    """Return what a report of the changes says: interface, key, numbers and place."""
    report = stats.decode(stats.encode(changes.report("gw1", "0" * 16, 1, 30)))
    return {
        (
            each.interface,
            key,
            handshake,
            received,
            sent,
            report.places[place - 1] if place else None,
        )
        for each in report.interfaces
        for key, handshake, received, sent, place in zip(
            each.peers,
            each.handshakes,
            each.received,
            each.sent,
            each.places or [0] * len(each.peers),
            strict=True,
        )
    }


@pytest.fixture
def gateway():
    return Gateway()


def test_the_first_reading_has_whoever_did_something(gateway):
    """With the numbers of the device and the place; those who never came are no news."""
    changes = gateway.read(sample(A, 9, 2, 3, HOME), sample(B), sample(C, sent=148))

    assert rows(changes) == {("wg0", A, 9, 2, 3, SE), ("wg0", C, 0, 0, 148, None)}
    assert len(changes) == 2
    assert len(gateway.tally) == 3


def test_a_report_says_who_when_and_until_when(gateway):
    """All that does not depend on peers."""
    report = gateway.read(time_s=77).report("gw1", "0123456789abcdef", 5, 30)

    assert (report.gateway, report.boot, report.n) == ("gw1", "0123456789abcdef", 5)
    assert (report.time, report.interval_s, report.interfaces) == (77, 30, ())


def test_a_later_reading_has_what_changed(gateway):
    """Handshake, bytes received or bytes sent: any of them."""
    gateway.read(sample(A, 1, 1, 1), sample(B, 1, 1, 1), sample(C, 1, 1, 1))

    changes = gateway.read(sample(A, 1, 1, 1), sample(B, 1, 1, 2), sample(C, 1, 2, 1))
    again = gateway.read(sample(A, 2, 1, 1), sample(B, 1, 1, 2), sample(C, 1, 2, 1))

    assert rows(changes) == {("wg0", B, 1, 1, 2, None), ("wg0", C, 1, 2, 1, None)}
    assert rows(again) == {("wg0", A, 2, 1, 1, None)}


def test_counters_that_begin_again_are_news(gateway):
    """As after the device was made anew."""
    gateway.read(sample(A, 5, 5, 5))

    assert rows(gateway.read(sample(A))) == {("wg0", A, 0, 0, 0, None)}


def test_an_address_is_looked_up_once(gateway):
    """Until it is another one, or the files that know places are."""
    gateway.read(sample(A, 1, 1, 1, HOME))
    gateway.read(sample(A, 1, 2, 1, HOME))
    assert gateway.asked == [HOME]

    assert rows(gateway.read(sample(A, 1, 3, 1, AWAY))) == {("wg0", A, 1, 3, 1, NO)}
    assert gateway.asked == [HOME, AWAY]

    gateway.places[AWAY] = SE
    changed = gateway.read(sample(A, 1, 4, 1, AWAY), version=1)
    assert rows(changed) == {("wg0", A, 1, 4, 1, SE)}


def test_nobody_is_asked_for_places_of_peers_that_did_nothing(gateway):
    """Nor when there is nobody to ask, nor when the device has forgotten the address."""
    gateway.read(sample(A, 1, 1, 1, HOME), find=False)
    gateway.read(sample(A, 1, 1, 1, HOME))
    assert gateway.asked == []

    assert rows(gateway.read(sample(A, 1, 2, 1, None))) == {("wg0", A, 1, 2, 1, None)}
    assert gateway.asked == []


def test_a_peer_is_in_a_reading_once(gateway):
    """Also when it moved from one interface to another while they were read."""
    changes = Changes(1, 1.0)
    gateway.tally.add(Batch("wg0", [sample(A, 1, 1, 1)]), changes, None)
    gateway.tally.add(Batch("wg1", [sample(A, 2, 2, 2)]), changes, None)

    assert rows(changes) == {("wg0", A, 1, 1, 1, None)}


def test_whoever_is_gone_is_forgotten(gateway):
    """And is new when it comes back."""
    gateway.read(sample(A, 1, 1, 1))
    gateway.read()
    assert len(gateway.tally) == 0

    assert rows(gateway.read(sample(A, 1, 1, 1))) == {("wg0", A, 1, 1, 1, None)}


def test_a_reading_that_broke_off_forgets_nobody(gateway):
    """Those that it did not come to are as they were."""
    gateway.read(sample(A, 1, 1, 1), sample(B, 1, 1, 1))
    gateway.read(sample(A, 2, 1, 1), whole=False)

    assert rows(gateway.read(sample(A, 2, 1, 1), sample(B, 1, 1, 1))) == set()


def test_what_waits_is_told_in_order():
    """Each reading by itself, while there is room."""
    backlog, gateway = Backlog(), Gateway()
    first = gateway.read(sample(A, 1, 1, 1), time_s=10)
    second = gateway.read(sample(A, 2, 1, 1), time_s=40)
    assert backlog.oldest_at is None
    backlog.add(first)
    backlog.add(second)

    assert (len(backlog), backlog.samples, backlog.oldest_at) == (2, 2, 10.0)
    assert [backlog.take(), backlog.take(), backlog.take()] == [first, second, None]
    assert (len(backlog), backlog.samples, backlog.merged) == (0, 0, 0)


def test_without_room_newer_replaces_older():
    """The time is that of the newer; a peer that did not change since keeps all that it had."""
    backlog, gateway = Backlog(samples_max=3), Gateway()
    backlog.add(gateway.read(sample(A, 1, 1, 1, HOME), sample(B, 1, 1, 1, AWAY), time_s=10))
    backlog.add(
        gateway.read(sample(A, 2, 5, 5, AWAY), sample(B, 1, 1, 1), interface="wg1", time_s=40)
    )
    backlog.add(gateway.read(sample(A, 3, 6, 6, HOME), sample(B, 1, 1, 1), time_s=70))

    assert (len(backlog), backlog.samples, backlog.merged) == (2, 3, 1)
    older, newer = backlog.take(), backlog.take()
    assert rows(older) == {("wg1", A, 2, 5, 5, NO), ("wg0", B, 1, 1, 1, NO)}
    assert rows(newer) == {("wg0", A, 3, 6, 6, SE)}
    assert (older.time_s, older.at) == (40, 40.0)


def test_a_single_reading_may_be_larger_than_the_room():
    """There is nothing that it could be merged with."""
    backlog, gateway = Backlog(samples_max=1), Gateway()

    backlog.add(gateway.read(sample(A, 1, 1, 1), sample(B, 1, 1, 1)))

    assert (len(backlog), backlog.samples) == (1, 2)


def test_readings_without_changes_do_not_pile_up_for_ever():
    """Each says that nothing happened, which takes little room, but some."""
    backlog, gateway = Backlog(changes_max=2), Gateway()
    for time_s in range(5):
        backlog.add(gateway.read(time_s=time_s))

    assert (len(backlog), backlog.oldest_at, backlog.merged) == (2, 3.0, 3)
