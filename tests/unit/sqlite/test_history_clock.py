"""What is stored of times: since when all is recorded, and after the hub's clock was set back."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import msgspec
import pytest

from tests.builders import key
from tests.reports import START, Teller
from wig.recorded import GAP_S
from wig.sqlite.history import History, Query

YEAR = 365 * 86400


def at(seconds):
    return datetime.fromtimestamp(START + seconds, UTC)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


def learn(path, *reports, ahead=0):
    """Open, observe, tick and commit, as a keeper that was started again."""
    with History.open(path) as history:
        sessions = history.load()
        for report in reports:
            sessions.observe(report, report.time + ahead, 0.0)
            sessions.tick(report.time + ahead)
        history.commit(sessions)


def read(path, question):
    with History.open(path) as history, closing(history.reader()) as reader:
        return question(reader)


def recorded_since(path):
    return read(path, lambda reader: reader.recorded_since())


def test_a_new_file_knows_nothing_before_its_first_report(path):
    """Who is not in it may have come before."""
    History.open(path).close()
    assert recorded_since(path) is None

    gateway = Teller()
    learn(path, gateway.tell(30))
    learn(path, gateway.tell(60))
    assert recorded_since(path) == at(30)


def test_an_older_copy_is_a_record_with_a_gap(path):
    """It begins after the gap, however old the rest is."""
    gateway = Teller()
    learn(path, gateway.tell(0))
    learn(path, gateway.tell(GAP_S + 1))

    assert recorded_since(path) == at(GAP_S + 1)


def test_reports_that_the_stream_had_no_room_for_are_a_gap(path):
    """Whoever came and went in them is not in the record; one that starts again loses none."""
    gateway, other = Teller(), Teller("gw2")
    learn(path, gateway.tell(0), other.tell(0))
    gateway.reboot(1)
    learn(path, gateway.tell(30), other.tell(30))
    assert recorded_since(path) == at(0)

    gateway.tell(60)
    learn(path, other.tell(60), gateway.tell(90), other.tell(90))

    assert recorded_since(path) == at(90)


def test_what_a_start_of_a_gateway_told_first_is_lost(path):
    """It was the whole of what it knew."""
    gateway = Teller()
    learn(path, gateway.tell(0))
    gateway.reboot(1)
    gateway.tell(30)
    learn(path, gateway.tell(60))

    assert recorded_since(path) == at(60)


def test_gateways_that_are_silent_are_told(path):
    """After ten minutes, or two of their own intervals; each with its last report."""
    seldom = msgspec.structs.replace(Teller("gw3").tell(0), interval_s=3600)
    learn(path, Teller("gw1").tell(0), Teller("gw2").tell(60), seldom)

    def silent(seconds):
        return read(path, lambda reader: reader.silent(at(seconds), 600))

    assert silent(600) == {}
    assert silent(601) == {"gw1": at(0)}
    assert silent(7200) == {"gw1": at(0), "gw2": at(60)}
    assert silent(7201) == {"gw1": at(0), "gw2": at(60), "gw3": at(0)}


def test_nothing_in_the_file_stays_in_the_future(path):
    """The hub's clock was a year ahead: open sessions, those that ended, and who is away."""
    gateway = Teller()
    stays = (1, 50, 2, 2)
    learn(path, gateway.tell(0))
    learn(path, gateway.tell(60, stays, (2, 55, 1, 1)), ahead=YEAR)
    learn(path, gateway.tell(700, (1, 690, 3, 3)), gateway.tell(730), ahead=YEAR)

    learn(path, gateway.tell(760))

    seen = read(path, lambda reader: reader.last_seen([key(1), key(2)]))
    assert set(seen.values()) == {at(760)}
    sessions = read(path, lambda reader: reader.sessions(Query()).sessions)
    assert {each.peer: each.end for each in sessions} == {key(1): None, key(2): at(760)}
    assert {each.begin for each in sessions} == {at(760)}
    assert recorded_since(path) == at(760)
    with closing(sqlite3.connect(path)) as file:
        (latest,) = file.execute(
            "SELECT max(arrived, until, (SELECT max(arrived) FROM boot)) FROM gateway"
        ).fetchone()
    assert latest == START + 760


def test_a_file_of_the_version_before_is_recorded_since_the_next_report(path):
    """Its program noticed no gap, so what is in it promises nothing."""
    gateway = Teller()
    learn(path, gateway.tell(0), gateway.tell(30, (1, 20, 1, 1)))
    with closing(sqlite3.connect(path)) as file:
        file.execute("ALTER TABLE meta DROP COLUMN recorded_since")
        file.execute("PRAGMA user_version = 1")
    assert recorded_since(path) is None

    learn(path, gateway.tell(60))
    assert recorded_since(path) == at(60)
