"""Sessions as operators and pipelines meet them: `wig up`, its commands, and the example."""

import asyncio
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import jsonschema
import pytest

from bridge import client
from bridge.credentials import Credentials
from bridge.options import Options
from tests.builders import key
from tests.eventually import eventually_sync
from tests.keepers import Teller
from tests.program import Up

PIPELINES = Path(__file__).parents[2] / "deploy" / "pipelines"
SCHEMA = json.loads((PIPELINES / "session-event.schema.json").read_text())
ALICE, BOB = key("alice"), key("bob")
OVER_S = 2
BOOTS = itertools.count(1)


@pytest.fixture
def up(tmp_path):
    """A whole wig without a VPN, whose sessions are over after two seconds."""
    with Up(tmp_path / "state", "--no-gateway", "--session-inactivity", f"{OVER_S}s") as it:
        for peer in (ALICE, BOB):
            assert it.wig("peer", "create", "wg0", "--public-key", peer).code == 0
        eventually_sync(lambda: it.wig("session", "list").code == 0, "sessions to be kept", 20.0)
        yield it


def token(up, name, role):
    done = up.wig("token", "create", name, "--role", role, "--output", "json")
    assert done.code == 0, done.err
    path = up.state_dir / f"{name}.json"
    path.write_text(done.out)
    return path


def tell(up, *reports):
    """Have gateway `gw1` say for each tuple that its peers shook hands now."""
    path = up.state_dir / "gw1.json"
    proof = json.loads((path if path.exists() else token(up, "gw1", "gateway")).read_text())
    found = Credentials(id=proof["id"], secret=proof["secret"])
    options = Options(identity=found.id, server=up.ready["server"], password=found.secret)

    async def run():
        async with client.connect(options) as bus:
            teller = Teller(bus, "gw1", boot=next(BOOTS))
            for peers in reports:
                await teller.tell(*peers)

    asyncio.run(run())


def over(up, count):
    """Have the gateway say that nothing has changed, and say whether there are so many events."""
    tell(up, ())
    return len(events(up)) == count


def events(up, *words):
    done = up.wig("session", "tail", "-n", "100", "--no-follow", "--output", "json", *words)
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def listed(up, *words):
    done = up.wig("session", "list", "--output", "json", *words)
    assert done.code == 0, done.err
    return [one["peer"] for one in done.document["sessions"]]


def test_sessions_are_listed_and_followed(up):
    """From the first handshake to the last sign of life; events are what their schema says."""
    tell(up, (ALICE,))
    eventually_sync(lambda: listed(up) == [ALICE], "the session to be listed")
    assert listed(up, "--country", "SE", "--interface", "wg0", "--since", "1h") == [ALICE]
    assert listed(up, "--country", "NO") == []
    assert listed(up, "--peer", BOB) == []
    eventually_sync(lambda: over(up, 2), "the session to be over")

    assert listed(up, "--active") == []
    begin, end = events(up)
    assert (begin["event"], end["event"]) == ("begin", "end")
    assert begin["id"] == end["id"]
    assert (end["reason"], end["received_bytes"], end["sent_bytes"]) == ("inactive", 1000, 2000)
    for event in (begin, end):
        jsonschema.validate(event, SCHEMA)
        assert event.keys() == SCHEMA["properties"].keys()


def test_unused_peers_are_listed(up):
    """Who was never seen counts from its creation; nobody before that could be known."""
    tell(up, (ALICE,))
    eventually_sync(lambda: listed(up) == [ALICE], "the session to be listed")

    def unused(age):
        done = up.wig("peer", "list", "--unused-for", age, "--output", "json")
        return {one["public_key"]: one["last_seen"] for one in done.document["peers"]}

    done = up.wig("peer", "list", "--unused-for", "1h", "--output", "json")
    assert (done.code, done.out) == (3, ""), "sessions are kept for a moment only"
    assert done.error["message"].startswith("unused_for: sessions are recorded without a gap since")
    assert done.error["hint"] == "--unused-for 0m is the most that can be asked now"
    assert unused("0s")[BOB] is None
    assert unused("0s")[ALICE] is not None
    shown = up.wig("peer", "show", ALICE, "--output", "json").document["peer"]
    assert shown["last_seen"] == unused("0s")[ALICE]
    assert "last_seen          never" in up.wig("peer", "show", BOB).out


def test_nobody_is_unused_while_a_gateway_is_silent(up):
    """Its clients may be there still: it refuses by name, unless one says that it is gone."""
    tell(up, (ALICE,))
    eventually_sync(lambda: listed(up) == [ALICE], "the session to be listed")
    with closing(sqlite3.connect(up.state_dir / "sessions.db")) as file, file:
        file.execute("INSERT INTO gateway VALUES (99, 'gw9', 0, 0, 86400, 30, ?)", ("9" * 16,))
    words = ("peer", "list", "--unused-for", "0s", "--output", "json")

    refused = up.wig(*words)
    gone = up.wig(*words, "--without-gateway", "gw9")

    assert (refused.code, refused.out) == (3, "")
    assert "gw9 has not reported since 1970-01-02" in refused.error["message"]
    assert refused.error["hint"].endswith("--without-gateway gw9")
    assert {one["public_key"] for one in gone.document["peers"]} == {ALICE, BOB}
    assert up.wig("peer", "list", "--without-gateway", "gw9").code == 2


def test_nobody_is_unused_before_anything_is_recorded(up):
    """A new database of sessions is no reason to delete a million peers."""
    done = up.wig("peer", "list", "--unused-for", "0s")

    assert (done.code, done.out) == (3, "")
    assert "not yet: no gateway has reported" in done.err


def test_a_deleted_peer_ends_its_session(up):
    """The log says so, whatever gateways still report."""
    tell(up, (ALICE, BOB))
    eventually_sync(lambda: len(listed(up)) == 2, "the sessions to be listed")

    assert up.wig("peer", "delete", ALICE).code == 0

    eventually_sync(
        lambda: [e["peer"] for e in events(up) if e["reason"] == "deleted"] == [ALICE],
        "the session to be over",
    )


def test_everything_else_goes_on_without_sessions(up):
    """A peer is shown, with a word about what is not known; a keeper that hangs is replaced."""
    (pid,) = children(up, "sessions")
    os.kill(pid, signal.SIGSTOP)
    done = up.wig("--timeout", "1", "peer", "show", ALICE, "--output", "json")
    assert done.code == 0
    assert "last_seen" not in done.document["peer"]
    assert "last seen: not known" in done.err
    done = up.wig("--timeout", "1", "session", "list")
    assert done.code == 3

    eventually_sync(lambda: up.wig("session", "list").code == 0, "it to be started again", 45.0)
    assert children(up, "sessions") != [pid]
    assert "wig sessions: it hung: no sign of life for 20 s" in up.log()


def test_the_status_says_why_sessions_are_not_kept(up):
    """Until they are again."""
    db, aside = up.state_dir / "sessions.db", up.state_dir / "aside"
    db.rename(aside)
    db.write_bytes(b"nonsense" * 1000)
    (pid,) = children(up, "sessions")
    os.kill(pid, signal.SIGKILL)
    said = "wig sessions: it ended with code 1; the log says why"
    eventually_sync(lambda: said in up.wig("status").out, "the problem in the status")
    assert up.wig("status").code == 1

    aside.rename(db)

    eventually_sync(lambda: up.wig("status").code == 0, "the problem to be over", 30.0)


def children(up, word):
    """Return the processes that `wig up` has started with this word."""
    found = Path(f"/proc/{up.pid}/task/{up.pid}/children").read_text().split()
    return [
        int(pid)
        for pid in found
        if word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    ]


def test_an_observer_sees_sessions_and_no_peers(up):
    """Its token is for those who look."""
    path = token(up, "watcher", "observer")
    words = ("--server", up.ready["server"], "--token-file", str(path))
    tell(up, (ALICE,))
    eventually_sync(lambda: listed(up, *words) == [ALICE], "the session to be listed")

    assert [event["peer"] for event in events(up, *words)][:1] == [ALICE]
    assert up.wig("--timeout", "1", "peer", "list", *words).code != 0


def totals(up, *words):
    """Run the example to the end of the stream, and return what it has stored."""
    path = up.state_dir / "totals.json"
    proof = path if path.exists() else token(up, "totals", "observer")
    db = up.state_dir / "totals.db"
    command = [
        sys.executable, str(PIPELINES / "daily_totals.py"), "--server", up.ready["server"],
        "--token-file", str(proof), "--db", str(db), "--once", *words,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(db)) as found:
        query = "SELECT interface, country, sessions, received_bytes, sent_bytes FROM daily"
        return found.execute(query).fetchall()


def test_the_example_pipeline_counts_each_session_once(up):
    """It goes on where it stopped."""
    tell(up, (ALICE, BOB))
    eventually_sync(lambda: over(up, 4), "the sessions to be over")
    assert totals(up) == [("wg0", "SE", 2, 2000, 4000)]
    tell(up, (ALICE,))
    eventually_sync(lambda: over(up, 6), "the third session to be over")

    assert totals(up)[0][2] == 3
    assert totals(up)[0][2] == 3
