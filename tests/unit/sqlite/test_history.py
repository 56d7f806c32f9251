"""The sessions' database: restarts, edges, pages, retention, and files that cannot be used."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from tests import datastores
from tests.builders import key
from tests.reports import START, Teller
from wig import errors, stats
from wig.sessions import Settings
from wig.sqlite import history as module
from wig.sqlite.history import History, HistoryReader, Query

GENERATION = "0123456789abcdef"


def at(seconds):
    return datetime.fromtimestamp(START + seconds, UTC)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


@pytest.fixture
def history(path):
    with History.open(path) as history:
        yield history


@pytest.fixture
def gateway():
    return Teller("gw1")


def learn(history, sessions, *reports):
    """Observe, tick and commit, a transaction for each report."""
    for report in reports:
        sessions.observe(report, report.time)
        sessions.tick(report.time)
        last = history.commit(sessions)
    return last


def three(gateway):
    """Three clients; one leaves, one comes back, one stays."""
    finland = stats.Place(country="FI", asn=64501, organisation="Toinen Oy")
    yield gateway.tell(0)
    yield gateway.tell(30, (1, 20, 100, 10, 1), (2, 25, 200, 20))
    yield gateway.tell(60, (3, 50, 300, 30, 1), interface="wg1", places=(finland,))
    for end in range(150, 750, 120):
        yield gateway.tell(end, (3, end - 5, 300 + end, 30), interface="wg1")
    yield gateway.tell(760, (1, 750, 500, 50, 1))


def listed(history, **query):
    """Return peers, begins and ends of all sessions, page by page."""
    found, before = [], ""
    with closing(history.reader()) as reader:
        while True:
            page = reader.sessions(Query(limit=2, before=before, **query))
            found += page.sessions
            before = page.before
            if not before:
                return [
                    (each.peer, each.begin, each.end and (each.end - at(0)).seconds)
                    for each in found
                ]


def numbers(history):
    return [(edge.number, edge.kind, edge.session.peer) for edge in history.edges(0, 1000)]


def test_edges_are_numbered_and_tell_what_was_known_then(history, gateway):
    """A begin says nothing of the end; an end says all."""
    assert learn(history, history.load(), *three(gateway)) == 6

    assert numbers(history) == [
        (1, "begin", key(1)),
        (2, "begin", key(2)),
        (3, "begin", key(3)),
        (4, "end", key(1)),
        (5, "end", key(2)),
        (6, "begin", key(1)),
    ]
    begin, *_, end = history.edges(0, 4)
    assert (begin.session.begin, begin.session.end, begin.session.received_bytes) == (
        at(20),
        None,
        0,
    )
    assert (end.session.id, end.session.end, end.session.reason) == (
        begin.session.id,
        at(30),
        "inactive",
    )
    assert (end.session.received_bytes, end.session.sent_bytes) == (100, 10)
    assert (end.session.country, end.session.asn, end.session.organisation) == (
        "SE",
        64500,
        "Example AB",
    )
    assert [edge.number for edge in history.edges(2, 2)] == [3, 4]


def contents(history):
    """Return every row of every table."""
    tables = ("gateway", "boot", "interface", "organisation", "peer", "link", "session", "edge")
    return {name: sorted(history._connection.execute(f"SELECT * FROM {name}")) for name in tables}


def test_a_restart_between_any_two_reports_makes_no_difference(tmp_path, gateway):
    """Open sessions, counters, numbers: everything is in the file."""
    reports = [*three(gateway), gateway.tell(2000)]
    with History.open(tmp_path / "one.db") as one:
        learn(one, one.load(), *reports)
        wanted = contents(one)

    for report in reports:
        with History.open(tmp_path / "many.db") as many:
            learn(many, many.load(), report)

    with History.open(tmp_path / "many.db") as many:
        assert contents(many) == wanted
        sessions = many.load()
        assert (sessions.open, sessions.known) == (0, 3)


def test_a_repeated_history_changes_nothing(history, gateway):
    """Also after a restart."""
    reports = list(three(gateway))
    learn(history, history.load(), *reports)
    before = contents(history)
    again = history.load()

    assert not any(again.observe(each, each.time) for each in reports)

    assert history.commit(again) == 6
    assert contents(history) == before


def test_a_commit_that_failed_is_done_by_the_next_one(history, gateway, monkeypatch):
    """Nothing is stored, and nothing forgotten."""
    sessions = history.load()
    first, second, third, *_ = three(gateway)
    learn(history, sessions, first)
    before = contents(history)
    sessions.observe(second, second.time)
    with monkeypatch.context() as patched:
        patched.setitem(module.QUERIES, "edge_insert", "INSERT INTO nothing VALUES (?, ?, ?)")
        with pytest.raises(errors.Damaged):
            history.commit(sessions)
    assert contents(history) == before

    learn(history, sessions, third)

    assert [number for number, *_ in numbers(history)] == [1, 2, 3]


def test_a_session_may_end_and_another_begin_in_one_transaction(history, gateway):
    """And the other way round."""
    sessions = history.load()
    for each in (*three(gateway), gateway.tell(900, (2, 890, 300, 30)), gateway.tell(5000)):
        sessions.observe(each, each.time)
        sessions.tick(each.time)
    sessions.deleted([key(2)])
    history.commit(sessions)

    assert [each[2] for each in listed(history, peer=key(2))] == [900, 30]
    assert sessions.open == 0


def test_sessions_are_listed_by_what_is_asked(history, gateway):
    """The newest first, page by page."""
    learn(history, history.load(), *three(gateway))
    first, second, third = (key(1), at(20), 30), (key(2), at(25), 30), (key(3), at(50), None)
    again = (key(1), at(750), None)

    assert listed(history) == [again, third, second, first]
    assert listed(history, peer=key(1)) == [again, first]
    assert listed(history, active=True) == [again, third]
    assert listed(history, interface="wg1") == [third]
    assert listed(history, country="SE") == [again, first]
    assert listed(history, country="") == []
    assert listed(history, since=at(31)) == [again, third]
    assert listed(history, until=at(50)) == [second, first]


def test_an_open_session_shows_what_it_has_so_far(history, gateway):
    """Bytes and the last sign of life."""
    learn(history, history.load(), *three(gateway))

    with closing(history.reader()) as reader:
        (session,) = reader.sessions(Query(peer=key(3))).sessions

    assert (session.seen, session.received_bytes, session.sent_bytes) == (at(630), 930, 30)
    assert (session.gateways, session.end, session.reason) == (("gw1",), None, None)


@pytest.mark.parametrize("cursor", ["x", "1", "1:", "-1:2", "1:x", "1" * 30 + ":" + "1" * 30])
def test_a_cursor_that_is_none_is_refused(history, cursor):
    """It comes from outside."""
    with closing(history.reader()) as reader, pytest.raises(errors.Invalid, match="cursor"):
        reader.sessions(Query(before=cursor))


def test_the_last_sign_of_life_is_known_of_everybody(history, gateway):
    """Of those with a session, too; nobody else is in the list."""
    learn(history, history.load(), *three(gateway))

    with closing(history.reader()) as reader:
        seen = reader.last_seen([key(1), key(2), key(3), key(4)])
        assert seen == {key(1): at(760), key(2): at(30), key(3): at(630)}
        assert reader.unused(at(700)) == sorted([key(2), key(3)])
        assert reader.unused(at(700), limit=1) == [min(key(2), key(3))]
        first, *others = sorted([key(1), key(2), key(3)])
        assert reader.unused(datetime.max.replace(tzinfo=UTC), after=first) == others


def test_a_deleted_peer_leaves_its_sessions(history, gateway):
    """But no last sign of life; and it may come back."""
    sessions = history.load()
    learn(history, sessions, *three(gateway))
    sessions.deleted([key(1), key(2)])
    history.commit(sessions)

    with closing(history.reader()) as reader:
        assert reader.last_seen([key(1), key(2)]) == {}
    assert len(listed(history)) == 4
    learn(history, sessions, gateway.tell(790, (1, 780, 1, 1)))
    assert history.load().known == 2


def test_old_sessions_are_pruned_with_their_edges(history, gateway):
    """Not those that are open, nor those whose end is not published."""
    learn(history, history.load(), *three(gateway))

    assert history.prune(at(100_000), timedelta(seconds=1)) == 1  # the gateway
    history.published(4)
    while history.prune(at(100_000), timedelta(seconds=1)):
        pass

    assert listed(history) == [
        (key(1), at(750), None),
        (key(3), at(50), None),
        (key(2), at(25), 30),
    ]
    assert [number for number, *_ in numbers(history)] == [3, 5, 6]


def test_published_edges_are_kept_for_a_while(history, gateway, monkeypatch):
    """Should the stream lose its end."""
    learn(history, history.load(), *three(gateway))
    history.published(5)
    monkeypatch.setattr(module, "EDGES_KEPT", 2)

    history.prune(at(800), timedelta(days=1))

    assert [number for number, *_ in numbers(history)] == [4, 5, 6]


def test_a_gateway_that_is_gone_for_good_is_forgotten(history, gateway):
    """With what it said; should it come back while the program runs, it is known again."""
    sessions = history.load()
    learn(history, sessions, *three(gateway))
    history.prune(at(100_000), timedelta(seconds=1))
    learn(history, sessions, gateway.tell(790, (1, 780, 700, 70)))
    assert [each.decode() for _, each, *_ in contents(history)["gateway"]] == ["gw1"]
    history.prune(at(200_000), timedelta(seconds=1))

    again = history.load()

    assert (contents(history)["gateway"], contents(history)["link"]) == ([], [])
    assert (again.open, again.known) == (2, 3)
    assert again.observe(Teller("gw9").tell(300_000), START + 300_000)
    again.tick(START + 300_000)
    history.commit(again)
    assert listed(history, active=True) == []


def test_the_stream_is_remembered(path):
    """Its generation, and how far it is."""
    with History.open(path) as history:
        assert (history.generation, history.published_number) == ("", 0)
        history.begin(GENERATION, 7, 0)

    with History.open(path) as history:
        assert (history.generation, history.published_number) == (GENERATION, 7)


def test_settings_go_to_who_observes(history):
    """They are no part of the file."""
    assert history.load(Settings(inactivity_s=5)).settings.inactivity_s == 5


def test_one_process_writes(path, history):
    """The second is told who does."""
    with pytest.raises(errors.Unusable, match="in use by process"):
        History.open(path)


def test_files_of_other_kinds_are_refused(tmp_path, path):
    """In both directions, whatever opens them."""
    datastores.make(tmp_path / "wig.db").close()
    History.open(path).close()

    for opening in (History.open, HistoryReader):
        with pytest.raises(errors.Unusable, match="is not a database of sessions"):
            opening(tmp_path / "wig.db")
    with pytest.raises(errors.Unusable, match="is not a database of wig"):
        datastores.sqlite.Datastore.open(path)


def test_a_file_of_a_newer_program_is_refused(path):
    """With the hint to upgrade."""
    History.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 3")

    with pytest.raises(errors.Unsupported, match="format 3"):
        History.open(path)


def test_a_file_that_cannot_be_opened_is_let_go(path, monkeypatch):
    """So that the next attempt is not told that it is in use."""
    History.open(path).close()
    with monkeypatch.context() as patched:
        patched.setitem(module.QUERIES, "meta_get", "SELECT nothing FROM meta")
        with pytest.raises(errors.Damaged):
            History.open(path)

    History.open(path).close()
