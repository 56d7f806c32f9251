"""Sessions found in reports, against a simple model of who was really connected.

The truth is a list of visits for each client: it connects to a gateway, shakes hands every two
minutes, has traffic, roams, leaves. Gateways report every 30 s; reports are late, repeated,
reordered, lost; clocks differ by up to 5 s; gateways and the process that keeps sessions restart,
the latter from what it had stored.
"""

import random
from collections import defaultdict
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import key
from tests.reports import INTERVAL_S, START, Teller
from wig.sessions import Settings
from wig.sqlite.history import History

INACTIVITY_S = 600
SKEW_S = 5
END_S = 4 * 3600
REKEY_S = 120
GATEWAYS = 3
CLIENTS = 5


class Visit:
    """A client at one gateway, from its first handshake until it is gone."""

    def __init__(self, gateway, begin, end):
        self.gateway, self.begin, self.end = gateway, begin, end

    def handshake(self, now):
        """Return the last handshake by `now`; None: it has not come yet."""
        if now < self.begin:
            return None
        return self.begin + (min(now, self.end) - self.begin) // REKEY_S * REKEY_S


class Device:
    """What one gateway's devices say: counters that a reboot of the host clears."""

    def __init__(self, number, generator, skew):
        self.number = number
        self.generator = generator
        self.skew = skew
        self.since = 0
        self.counters = defaultdict(lambda: [0, 0])
        self.told = {}

    def rows(self, now, visits):
        """Return what changed since the last report, with traffic of the last interval."""
        for client, some in visits.items():
            came = [each for each in some if self.number == each.gateway and each.begin <= now]
            came = [each for each in came if each.begin >= self.since]
            if came and came[-1].end > now - INTERVAL_S:
                self.counters[client][0] += self.generator.randint(1, 1000)
                self.counters[client][1] += self.generator.randint(0, 1000)
            row = (client, max((each.handshake(now) for each in came), default=None))
            row += tuple(self.counters[client])
            if came and self.told.get(client) != row:
                self.told[client] = row
                yield row


def visits_of(generator):
    """Return the visits of one client, in order, some of them roaming."""
    found, now = [], generator.randint(1, 600)
    while now < END_S - 3000:
        gateway = generator.randrange(GATEWAYS)
        end = now + generator.randint(1, 1500)
        found.append(Visit(gateway, now, end))
        roams = generator.random() < 0.4
        now = end + (generator.randint(1, 60) if roams else generator.randint(900, 3000))
    return found


def true_sessions(visits):
    """Return begin and end of what a person would call one session."""
    found = []
    for visit in visits:
        if found and visit.begin - found[-1][1] < INACTIVITY_S:
            found[-1][1] = max(found[-1][1], visit.end)
        else:
            found.append([visit.begin, visit.end])
    return found


def reports(generator, visits, *, reboots, disorder):
    """Return (time of arrival, report) for all reports, and the gateways' counters at the end."""
    sent, totals = [], defaultdict(lambda: [0, 0])
    for number in range(GATEWAYS):
        device = Device(number, generator, generator.randint(-SKEW_S, SKEW_S))
        teller = Teller(f"gw{number}", boot=generator.getrandbits(60), clock=device.skew)
        for now in range(generator.randrange(INTERVAL_S), END_S, INTERVAL_S):
            if generator.random() < 0.01:  # the gateway's process begins anew, and tells all
                teller.reboot(generator.getrandbits(60))
                device.told.clear()
            rows = list(device.rows(now, visits))
            late_s = 100 * generator.random() if generator.random() < disorder else 0
            sent.append((now + generator.random() * 5 + late_s, teller.tell(now, *rows)))
            quiet = not any(
                visit.gateway == number and visit.begin - 60 <= now <= visit.end + 60
                for some in visits.values()
                for visit in some
            )
            if reboots and quiet and generator.random() < 0.05:  # counters begin at 0
                add(totals, device.counters)
                device.counters.clear()
                device.told.clear()
                device.since = now + 1
                teller.reboot(generator.getrandbits(60))
        add(totals, device.counters)
    return sorted(sent, key=lambda each: each[0]), totals


def add(totals, counters):
    for client, (received, sent) in counters.items():
        totals[client][0] += received
        totals[client][1] += sent


class Keeper:
    """The process that keeps sessions: it commits, dies, and reads its reports again."""

    def __init__(self, path, generator):
        self.path, self.generator = path, generator
        self.unacknowledged = []
        self.start()

    def start(self):
        """Go on from what is stored; what was not acknowledged comes again."""
        self.history = History.open(self.path)
        self.sessions = self.history.load(Settings(inactivity_s=INACTIVITY_S))
        for arrived, report in self.unacknowledged:
            self.learn(arrived, report)

    def learn(self, arrived, report):
        self.sessions.observe(report, START + arrived)
        self.sessions.tick(START + arrived)

    def hear(self, arrived, report):
        self.unacknowledged.append((arrived, report))
        self.learn(arrived, report)
        if self.generator.random() < 0.2:
            self.history.commit(self.sessions)
            if self.generator.random() < 0.8:  # or it dies before it can acknowledge
                self.unacknowledged.clear()

    def restart(self):
        """Die; what was not stored is forgotten."""
        self.history.close()
        self.start()

    def stored(self):
        """Return sessions of each peer, and check that edges make sense."""
        self.history.commit(self.sessions)
        found, is_open = defaultdict(list), set()
        edges = self.history.edges(0, 100_000)
        assert [edge.number for edge in edges] == list(range(1, len(edges) + 1))
        for edge in edges:
            session = edge.session
            if edge.kind == "begin":
                assert session.peer not in is_open, "never two open sessions for one peer"
                is_open.add(session.peer)
            else:
                is_open.remove(session.peer)
                assert session.end >= session.begin
                assert session.received_bytes >= 0
                assert session.sent_bytes >= 0
                found[session.peer].append(session)
        assert not is_open, "everybody is gone at the end"
        return found


def run(path, seed, *, losses, reboots):
    """Return what was found, and the truth."""
    generator = random.Random(seed)
    visits = {client: visits_of(generator) for client in range(CLIENTS)}
    sent, totals = reports(generator, visits, reboots=reboots, disorder=losses)
    keeper = Keeper(path, generator)
    heard = []
    for arrived, report in sent:
        chance = generator.random()
        if chance < losses:
            continue
        heard.append((arrived, report))
        keeper.hear(arrived, report)
        if chance > 0.95:  # redelivered, maybe much later
            keeper.hear(arrived, generator.choice(heard[-200:])[1])
        if generator.random() < 0.003:
            keeper.restart()
    keeper.sessions.tick(START + END_S + 2 * INACTIVITY_S)
    found = keeper.stored()
    before = keeper.history.edges(0, 100_000)
    for arrived, report in heard:
        assert not keeper.sessions.observe(report, START + arrived)
    keeper.history.commit(keeper.sessions)
    assert keeper.history.edges(0, 100_000) == before, "a whole history again changes nothing"
    keeper.history.close()
    return found, visits, totals


def seconds(time):
    return time.timestamp() - START


SEEDS = st.integers(0, 2**32)


@given(seed=SEEDS, reboots=st.booleans())
@settings(max_examples=6, deadline=None)
def test_sessions_are_those_that_a_person_would_write_down(tmp_path_factory, seed, reboots):
    """With repeats, delays, skew and restarts: each session once, in time, with all its bytes."""
    path = tmp_path_factory.mktemp("sessions") / "sessions.db"

    found, visits, totals = run(path, seed, losses=0.0, reboots=reboots)

    for client, some in visits.items():
        truth = true_sessions(some)
        told = found[key(client)]
        assert len(told) == len(truth)
        for session, (begin, end) in zip(told, truth, strict=True):
            assert abs(seconds(session.begin) - begin) <= SKEW_S
            assert -REKEY_S - SKEW_S <= seconds(session.end) - end <= INTERVAL_S + SKEW_S
        assert sum(each.received_bytes for each in told) == totals[client][0]
        assert sum(each.sent_bytes for each in told) == totals[client][1]


@given(seed=SEEDS)
@settings(max_examples=3, deadline=None)
def test_lost_reports_make_no_bytes_and_no_overlaps(tmp_path_factory, seed):
    """A tenth is lost, and another comes after later ones: what is found is part of the truth."""
    path = tmp_path_factory.mktemp("sessions") / "sessions.db"

    found, visits, totals = run(path, seed, losses=0.1, reboots=True)

    for client, some in visits.items():
        told = found[key(client)]
        assert all(one.end < other.begin for one, other in pairwise(told))
        assert sum(each.received_bytes for each in told) <= totals[client][0]
        assert sum(each.sent_bytes for each in told) <= totals[client][1]
        first = some[0].begin
        assert all(seconds(each.begin) >= first - SKEW_S for each in told)
