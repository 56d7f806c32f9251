"""`wig sessions` on a real server: reports become sessions, and each edge one message."""

import json
import sqlite3
from contextlib import closing

import pytest

from bridge.session_book import Book
from tests import keepers
from tests.builders import key
from tests.eventually import eventually
from tests.keepers import Teller
from wig import errors

ALICE, BOB, CAROL = key("alice"), key("bob"), key("carol")


@pytest.fixture
async def site(tmp_path):
    """A server with nobody on it."""
    async with keepers.site(tmp_path) as it:
        yield it


async def test_a_report_becomes_a_session(site):
    """It is listed, its peer was seen, and its begin is in the stream."""
    async with site.keeper():
        await Teller(site.client, "gw1").tell(ALICE)

        (edge,) = await site.edges(1)

        (session,) = await site.sessions()
        assert edge["event"] == "begin"
        assert edge["number"] == 1
        assert {*session, "event", "number"} <= edge.keys()
        assert (session["peer"], session["interface"]) == (ALICE, "wg0")
        assert (session["country"], session["asn"]) == ("SE", 64500)
        assert session["gateways"] == ["gw1"]
        assert session["end"] is None
        assert set((await site.ask("seen", peers=[ALICE, BOB]))["seen"]) == {ALICE}


async def test_a_restart_changes_nothing(site):
    """Active sessions go on, and no edge is published again."""
    teller = Teller(site.client, "gw1")
    async with site.keeper():
        report = await teller.tell(ALICE)
        await site.edges(1)
    async with site.keeper():
        await teller.send(report)  # a gateway that got no answer
        await teller.tell(BOB)
        edges = await site.edges(2)

        assert [(one["number"], one["peer"]) for one in edges] == [(1, ALICE), (2, BOB)]
        assert len(await site.sessions(active=True)) == 2


async def test_reports_of_a_time_without_a_keeper_are_read_later(site):
    """They wait in the stream."""
    async with site.keeper():
        pass
    await Teller(site.client, "gw1").tell(ALICE)
    async with site.keeper():
        assert [one["peer"] for one in await site.edges(1)] == [ALICE]


async def test_a_report_in_another_name_is_refused(site):
    """The subject says who sends, and the server sees to that; what is refused is counted."""
    async with site.keeper():
        teller = Teller(site.client, "gw1")
        report = teller.report(ALICE)
        teller.name = "gw2"
        await teller.send(report)
        await site.client.bus.publish("wig.stats.gw3", b"nonsense")

        await eventually(lambda: _refused(site, 2), "both to be refused")
        assert await site.sessions() == []


async def _refused(site, count):
    return (await site.ask("status"))["refused"] == count


async def test_an_edge_that_was_accepted_unheard_is_not_published_again(site, monkeypatch):
    """The keeper dies after the stream has it, and before the database knows, again and again."""
    heard, remember = [], Book.published

    def forgetful(book, number):
        heard.append(number)
        if len(heard) < 3:
            raise errors.Unavailable("killed here")
        remember(book, number)

    monkeypatch.setattr(Book, "published", forgetful)
    teller = Teller(site.client, "gw1")
    async with site.keeper():
        await teller.tell(ALICE)
        await site.edges(1)
        await teller.tell(BOB)
        await site.edges(2)
        await teller.tell(CAROL)
        edges = await site.edges(3)

    assert [(one["number"], one["peer"]) for one in edges] == [(1, ALICE), (2, BOB), (3, CAROL)]
    assert heard == [1, 2, 3]


async def test_the_database_is_an_older_copy(site, tmp_path):
    """What the copy knows is in the stream already; what it makes anew comes after that."""
    copy = tmp_path / "copy.db"
    teller = Teller(site.client, "gw1")
    async with site.keeper():
        await teller.tell(ALICE)
        await site.edges(1)
    with closing(sqlite3.connect(site.db)) as file, closing(sqlite3.connect(copy)) as other:
        file.backup(other)
        # As before it heard; recorded for long, so that it can be seen when that begins anew.
        other.execute("UPDATE meta SET published = 0, recorded_since = 1")
        other.commit()
    async with site.keeper():
        await teller.tell(BOB)
        await site.edges(2)
        await eventually(lambda: _all_acknowledged(site), "the stream to know that it was read")
    site.db = copy
    for _ in range(2):
        async with site.keeper():
            await eventually(lambda: _has_published(site, 1), "the stream to be looked at")
            assert (await site.ask("seen", peers=[]))["recorded_since"] is None
    async with site.keeper():
        await teller.tell(CAROL)
        edges = await site.edges(3)
        since = (await site.ask("seen", peers=[]))["recorded_since"]

    assert [(one["number"], one["peer"]) for one in edges] == [(1, ALICE), (2, BOB), (2, CAROL)]
    assert not since.startswith("1970")


async def _all_acknowledged(site):
    subject = "$JS.API.CONSUMER.INFO.WIG_STATS.sessions"
    state = json.loads((await site.client.bus.request(subject, timeout_s=5)).data)
    return state["num_pending"] == state["num_ack_pending"] == 0


async def _has_published(site, number):
    return (await site.ask("status"))["published"] == number


async def test_the_stream_of_edges_is_lost(site):
    """What is in it is gone; what comes is in the next one, once, with the numbers going on."""
    teller = Teller(site.client, "gw1")
    async with site.keeper():
        await teller.tell(ALICE)
        await site.edges(1)
        await site.client.bus.request("$JS.API.STREAM.DELETE.WIG_SESSIONS", timeout_s=5)
        await teller.tell(BOB)

        (edge,) = await site.edges(1)

    assert (edge["number"], edge["peer"]) == (2, BOB)


async def test_the_stream_of_reports_is_lost(site):
    """It is made again, and the next reports are read."""
    teller = Teller(site.client, "gw1")
    async with site.keeper():
        await teller.tell(ALICE)
        await site.edges(1)
        await site.client.bus.request("$JS.API.STREAM.DELETE.WIG_STATS", timeout_s=5)
        await eventually(site.reads, "the stream to be made again", 15.0)
        await teller.tell(BOB)

        assert [one["peer"] for one in await site.edges(2)] == [ALICE, BOB]


@pytest.mark.parametrize(
    ("verb", "body", "field"),
    [
        ("list", {"peer": "x"}, "peer"),
        ("list", {"interface": "no.dots"}, "interface"),
        ("list", {"country": "Sweden"}, "country"),
        ("list", {"limit": 0}, "limit"),
        ("list", {"before": "yesterday"}, "before"),
        ("list", {"limit": 1001}, "limit"),
        ("list", {"since": "2026-01-01T00:00:00"}, "since"),
        ("list", {"colour": "red"}, "colour"),
        ("seen", {"peers": ["x"]}, "peers"),
        ("seen", {}, "peers"),
        ("edges", {"after": -1}, "after"),
        ("edges", {"limit": 501}, "limit"),
        ("attach", {"x": 1}, "x"),
        ("status", {"x": 1}, "x"),
    ],
)
async def test_bad_input_is_named(site, verb, body, field):
    """Each mistake gets one error with its field."""
    async with site.keeper():
        with pytest.raises(errors.Invalid) as caught:
            await site.ask(verb, **body)

    assert caught.value.field == field


async def test_an_answer_goes_to_the_sender_only(site):
    """Nobody can have the keeper publish for him."""
    heard = []

    async def hear(message):
        heard.append(message.subject)

    async with site.keeper():
        await site.client.bus.subscribe("wig.log.hub.>", hear)
        for verb in ("list", "status"):
            subject = f"wig.api.admin.session.{verb}"
            await site.client.bus.publish(subject, b"{}", reply="wig.log.hub.0a1b.me")
        await site.ask("status")
        await site.ask("list")

    assert heard == []
