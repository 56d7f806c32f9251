"""Sessions found in reports: when they begin, end, and what they count."""

import pytest

from tests.builders import key
from tests.reports import START, Teller
from tests.session_log import Log
from wig import stats


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def gateway():
    return Teller("gw1")


@pytest.fixture
def other():
    return Teller("gw2")


def test_a_session_begins_with_a_handshake_and_ends_with_the_last_sign_of_life(log, gateway):
    """Bytes are those of the counters; the end is known after the inactivity."""
    log.hear(gateway.tell(0))
    log.hear(gateway.tell(30, (1, 20, 100, 200)), gateway.tell(60, (1, 20, 150, 300)))

    assert [each.end for each in log.tick(60)] == [None]
    log.hear(gateway.tell(659))
    assert [each.end for each in log.tick(659)] == [None]
    log.hear(gateway.tell(660))
    (session,) = log.tick(660)

    assert (session.peer, session.begin, session.end) == (key(1), 20, 60)
    assert (session.received, session.sent, session.reason) == (150, 300, "inactive")
    assert log.edges == [("begin", 1), ("end", 1)]
    assert (log.observer.open, log.observer.known) == (0, 1)


def test_a_handshake_keeps_a_session_open(log, gateway):
    """Without traffic as well."""
    log.hear(*(gateway.tell(at, (1, at - 1, 100, 100)) for at in range(30, 1800, 120)))

    assert [each.end for each in log.tick(1800)] == [None]


def test_received_bytes_are_a_sign_of_life_for_as_long_as_the_keys_are_valid(log, gateway):
    """After three minutes without a handshake they are attempts to shake hands."""
    log.hear(gateway.tell(30, (1, 20, 100, 0)), gateway.tell(210, (1, 20, 200, 0)))
    log.hear(gateway.tell(240, (1, 20, 300, 0)), gateway.tell(900))

    (session,) = log.tick(900)

    assert (session.end, session.received) == (200, 300)


def test_what_was_reported_already_changes_nothing(log, gateway):
    """Repeated, late, of an earlier start: recognised by gateway, boot and number."""
    first, second = gateway.tell(30, (1, 20, 100, 0)), gateway.tell(60, (1, 50, 200, 0))
    gateway.reboot(1)
    third = gateway.tell(90, (1, 80, 300, 0))
    assert log.hear(first, second, third) == [True] * 3
    before = log.told()
    late = Teller("gw1").tell(40, (2, 30, 1, 1))

    assert log.hear(third, second, first, late) == [False] * 4

    assert log.told() == before
    assert log.observer.missed_reports == 0


def test_a_report_that_comes_after_a_later_one_changes_nothing(log, gateway):
    """Its samples are in the later one, or in the next that has the peer."""
    first, second = gateway.tell(30, (1, 20, 100, 0)), gateway.tell(60, (1, 50, 200, 0))

    assert log.hear(second, first) == [True, False]

    assert [each.begin for each in log.told()] == [50]
    assert log.observer.missed_reports == 1


def test_a_client_that_roams_keeps_its_session(log, gateway, other):
    """Gateways are listed in the order of its coming; a stale report does not close it."""
    log.hear(gateway.tell(0), other.tell(0))
    log.hear(gateway.tell(30, (1, 20, 100, 10)), other.tell(300, (1, 290, 50, 5)))
    log.hear(gateway.tell(600), other.tell(600, (1, 590, 60, 6)), gateway.tell(890))
    log.hear(other.tell(890, (1, 800, 70, 7)), gateway.tell(1500, (1, 1490, 200, 20)))
    log.tick(1500)
    log.hear(gateway.tell(2200), other.tell(2200))

    (session,) = log.tick(2200)

    assert (session.begin, session.end, session.gateways) == (20, 1500, "gw1,gw2")
    assert (session.received, session.sent) == (270, 27)


def test_the_next_session_counts_from_where_the_last_one_ended(log, gateway, other):
    """At each gateway that knows the peer; what comes between belongs to none."""
    log.hear(gateway.tell(0), other.tell(0))
    log.hear(gateway.tell(30, (1, 20, 100, 10)), other.tell(60, (1, 50, 40, 4)))
    log.hear(gateway.tell(700), other.tell(700))
    log.tick(700)
    log.hear(gateway.tell(800, (1, 20, 100, 500)))
    log.hear(gateway.tell(1000, (1, 990, 300, 520)), other.tell(1000, (1, 999, 50, 5)))
    log.hear(gateway.tell(1700), other.tell(1700))

    first, second = log.tick(1700)

    assert (first.received, first.sent) == (140, 14)
    assert (second.begin, second.end, second.gateways) == (990, 1000, "gw1,gw2")
    assert (second.received, second.sent) == (210, 21)


def test_counters_that_begin_again_are_added(log, gateway):
    """A host was rebooted, or the peer was made anew, with or without an open session."""
    log.hear(gateway.tell(30, (1, 20, 100, 10)), gateway.tell(60, (1, 50, 30, 3)))
    log.hear(gateway.tell(90, (1, None, 0, 0)), gateway.tell(120, (1, 110, 5, 5)))
    log.hear(gateway.tell(800))
    log.tick(800)
    log.hear(gateway.tell(830, (1, None, 0, 0)), gateway.tell(860, (1, 850, 7, 70)))
    log.hear(gateway.tell(1600))

    first, second = log.tick(1600)

    assert (first.received, first.sent) == (135, 18)
    assert (second.received, second.sent) == (7, 70)


def test_traffic_with_valid_keys_begins_a_session_again(log, gateway):
    """With an inactivity shorter than the keys' life there may be no new handshake."""
    log = Log(inactivity_s=20)
    log.hear(gateway.tell(0), gateway.tell(30, (1, 20, 100, 0)), gateway.tell(60))
    log.tick(60)
    log.hear(gateway.tell(90, (1, 20, 150, 0)), gateway.tell(120))

    told = [(each.begin, each.end, each.received) for each in log.tick(120)]

    assert told == [(20, 30, 100), (90, 90, 50)]


def test_a_silent_gateway_is_waited_for_and_then_not(log, gateway, other):
    """It may have kept its reports; or it is gone for good."""
    log.hear(gateway.tell(0), other.tell(0), gateway.tell(30, (1, 20, 1, 1)))
    log.hear(gateway.tell(599), at=599)
    log.hear(gateway.tell(640), at=640)

    assert [each.end for each in log.tick(599)] == [None]
    assert [each.end for each in log.tick(640)] == [30]


def test_when_all_gateways_are_gone_sessions_end_by_the_clock(log, gateway):
    """Somebody else must say what time it is then."""
    log.hear(gateway.tell(30, (1, 20, 1, 1)))

    assert [each.end for each in log.tick(629)] == [None]
    assert [each.end for each in log.tick(631)] == [30]


def test_what_a_gateway_kept_is_told_as_it_was(log, gateway, other):
    """Reports that come late do their part, and hold nothing up."""
    log.hear(gateway.tell(0), other.tell(0))
    kept = [other.tell(30, (1, 20, 10, 1)), other.tell(700)]
    log.hear(gateway.tell(1000))
    log.tick(1000)

    log.hear(*kept, at=1001)

    assert [(each.begin, each.end) for each in log.tick(1001)] == [(20, 30)]


def test_old_handshakes_of_a_gateway_that_is_new_are_no_sessions(log, gateway):
    """Only the last sign of life is known; what is counted later is a session's."""
    log.hear(gateway.tell(0, (1, -9000, 500, 500), (2, -20, 70, 7), (3, None, 0, 9)))

    assert [(each.peer, each.begin) for each in log.told()] == [(key(2), -20)]
    assert log.observer.known == 2
    log.hear(gateway.tell(30, (1, 10, 600, 550)), gateway.tell(700))
    assert [each.received for each in log.tick(700) if each.peer == key(1)] == [100]


def test_old_news_of_another_gateway_does_not_touch_an_open_session(log, gateway, other):
    """It shows a handshake from last week; traffic there counts from now on."""
    log.hear(gateway.tell(30, (1, 20, 100, 10)), other.tell(31, (1, -9000, 5000, 500)))
    log.hear(gateway.tell(60), other.tell(60, (1, 50, 5001, 502)))
    log.hear(gateway.tell(700), other.tell(700))

    (session,) = log.tick(700)

    assert (session.gateways, session.received, session.sent) == ("gw1,gw2", 101, 12)


def test_parts_of_a_report_are_of_one_moment(log, gateway):
    """Until the last part has come, more news may be of before."""
    log.hear(gateway.tell(0))
    log.hear(gateway.tell(700, (1, 20, 1, 1), more=True), gateway.tell(700, (2, 20, 1, 1)))

    assert [each.begin for each in log.told()] == [20, 20]


def test_a_deleted_peer_has_no_session_and_is_forgotten(log, gateway):
    """Until it comes back, as another one."""
    log.hear(gateway.tell(30, (1, 20, 100, 10), (2, -9000, 1, 1)))

    log.observer.deleted([key(1), key(2), key(3)], START + 40)

    assert [(each.end, each.reason) for each in log.told()] == [(30, "deleted")]
    assert log.observer.known == 0
    log.hear(gateway.tell(60, (1, 50, 7, 7)))
    assert [each.begin for each in log.told()] == [20, 50]


def test_a_report_from_before_a_deletion_brings_nobody_back(log, gateway):
    """It was on its way; what is read after some time counts again."""
    log.hear(gateway.tell(0))
    log.observer.deleted([key(1)], START + 40)

    log.hear(gateway.tell(39, (1, 30, 100, 10)), at=50)
    assert log.told() == []
    assert log.observer.known == 0

    log.tick(700)
    log.hear(gateway.tell(39, (1, 35, 100, 10)), at=701)
    assert len(log.told()) == 1


def test_what_changed_before_a_deletion_is_not_stored(log, gateway):
    """In one transaction, rows of a peer that is gone would name nothing."""
    log.hear(gateway.tell(30, (1, 20, 100, 10), (2, -9000, 1, 1)))
    log.observer.deleted([key(1), key(2)])

    changes = log.observer.changes()

    assert (changes.peers, changes.links) == ([], [])
    assert changes.forgotten == [1, 2]


def test_a_deleted_interface_has_no_sessions(log, gateway):
    """Those of others go on."""
    log.hear(gateway.tell(30, (1, 20, 1, 1)), gateway.tell(31, (2, 20, 1, 1), interface="wg1"))

    log.observer.interface_deleted("wg1")

    assert [each.reason for each in log.told()] == [None, "interface_deleted"]


@pytest.mark.parametrize("idle", [False, True])
def test_a_peer_that_moved_to_another_interface_begins_anew(log, gateway, idle):
    """Its counters there are new; a gateway that has not heard of it is not listened to."""
    log.hear(gateway.tell(30, (1, 20, 100, 10)))
    if idle:
        log.hear(gateway.tell(700))
        log.tick(700)
    log.hear(gateway.tell(730, (1, 20, 200, 200), interface="wg1"))
    assert len(log.told()) == 1

    log.hear(gateway.tell(760, (1, 750, 5, 5), interface="wg1"), gateway.tell(1500))

    first, second = log.tick(1500)
    assert first.reason == ("inactive" if idle else "moved")
    assert (second.begin, second.received) == (750, 5)


def test_the_place_of_a_session_is_the_first_that_is_known(log, gateway):
    """At its begin or later; a client that travels keeps it."""
    norway = stats.Place(country="NO")
    log.hear(gateway.tell(30, (1, 20, 1, 1, 1), (2, 20, 1, 1)))
    log.hear(gateway.tell(60, (1, 50, 1, 1, 1), (2, 50, 1, 1, 1), places=(norway,)))
    log.hear(gateway.tell(90, (3, 80, 1, 1, 1)))

    assert [each.country for each in log.told()] == ["SE", "NO", "SE"]


def test_changes_stay_until_they_are_stored(log, gateway):
    """A full disk loses nothing."""
    log.hear(gateway.tell(30, (1, 20, 1, 1)))
    before = log.observer.changes()

    assert log.observer.changes() == before
    assert not before.is_empty()
    log.observer.committed()
    assert log.observer.changes().is_empty()


def test_old_starts_of_a_gateway_are_forgotten(log, gateway):
    """Those that no stream of reports can repeat; also before they were ever stored."""
    month = 30 * 86400
    log.hear(gateway.tell(0))
    gateway.reboot(1)
    log.hear(gateway.tell(month))

    changes = log.observer.changes()

    assert [row.boot for row in changes.boots] == [gateway.boot]
    assert START < changes.boots_before < START + month


def test_hostile_counters_fit_into_the_database(log, gateway):
    """However often they begin again."""
    most = 2**60
    for at in range(30, 600, 30):
        log.hear(gateway.tell(at, (1, at, most, most)), gateway.tell(at + 1, (1, at, 0, 0)))
    changes = log.observer.changes()
    assert all(abs(value) < 2**63 for row in changes.links for value in row)
    log.observer.deleted([key(1)])

    assert log.told()[0].received <= 2**62
