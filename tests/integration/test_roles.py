"""The wrong process in the wrong place: it stops with 78, says why, and nobody loses anything."""

import shutil
import signal

import pytest

from bridge.server import NatsServer, ServerOptions
from tests import replicas
from tests.eventually import eventually
from tests.processes import Site
from tests.replicas import StateSink, converged, downstream
from wig import errors


@pytest.fixture
async def site(tmp_path):
    async with NatsServer(ServerOptions(directory=tmp_path / "nats")) as server:
        yield Site(server, tmp_path)


def test_a_followers_database_does_not_lead(site):
    """Without --follow it stops, and says which flag is missing."""
    copy = site.directory / "copy.db"
    with site.primary(site.init("hub.db")):
        with site.datastore(copy, "paris", "--follow", "hub") as follower:
            site.until(lambda: site.role("paris") == "follower", "the follower to report")
            follower.stop()

        with site.datastore(copy, "paris") as wrong:
            assert wrong.ended() == 78

    assert "is a follower's, and without --follow it is to lead" in wrong.log()
    assert "--follow" in wrong.log().splitlines()[-1]


def test_a_primarys_database_does_not_follow(site):
    """With --follow it stops, before it would be overwritten."""
    db = site.init("hub.db")

    with site.datastore(db, "paris", "--follow", "hub") as wrong:
        assert wrong.ended() == 78

    assert "is a primary's, and --follow makes it a follower's" in wrong.log()
    assert site.local("verify", str(db)).code == 0


def test_a_fresh_database_does_not_take_a_known_name(site):
    """An unmounted volume and a hasty `wig init`: exit code 78, unless --replace means it."""
    with site.primary(site.init("hub.db")) as first:
        first.stop()
    fresh = site.init("fresh.db")

    with site.datastore(fresh, "hub") as wrong:
        assert wrong.ended() == 78
    assert "has published" in wrong.log()
    assert "--replace" in wrong.log().splitlines()[-1]

    with site.datastore(fresh, "hub", "--replace"):
        site.until(lambda: site.role("hub") == "primary", "it to serve")


def test_followers_of_another_database_are_not_wiped(site):
    """Even when somebody meant it for the primary: each has to be told."""
    copy, fresh = site.directory / "copy.db", site.init("fresh.db")
    with (
        site.primary(site.init("hub.db")) as first,
        site.datastore(copy, "paris", "--follow", "hub") as follower,
    ):
        site.interface()
        site.until(
            lambda: site.converged("hub", "paris"),
            "the follower to be there",
        )
        first.stop()
        with site.datastore(fresh, "hub", "--replace"):
            site.until(lambda: "--replace makes it give up" in follower.log(), "it to refuse")
            assert follower.running
            follower.stop()
            assert b"wg0" in copy.read_bytes()

            with site.datastore(copy, "paris", "--follow", "hub", "--replace"):
                site.until(lambda: len(site.nodes()) == 2, "the follower to report")
                site.until(
                    lambda: site.converged("hub", "paris"),
                    "the follower to take over the other database",
                )


async def test_a_gateway_of_another_database_keeps_its_vpns_until_it_is_told(site):
    """The same for gateways, which keep nothing but their devices."""
    db, sink = site.init("hub.db"), StateSink()
    async with replicas.primary(site.server, db) as hub:
        await hub.interface()
        async with downstream(site.server, sink):
            await converged(sink, hub)
    fresh = site.directory / "fresh.db"
    async with replicas.primary(site.server, fresh, replace=True) as hub:
        await hub.interface()
        await hub.peer()
        async with downstream(site.server, sink) as gateway:
            await eventually(lambda: gateway.replica.alert, "the refusal")
            assert isinstance(gateway.replica.alert, errors.Foreign)
            assert sink.loads == 1

        async with downstream(site.server, sink, replace=True):
            await converged(sink, hub)
            assert sink.loads == 2


def test_a_truncated_followers_database_is_had_again(site):
    """The file is kept aside, and nobody has to do anything."""
    copy = site.directory / "copy.db"
    with site.primary(site.init("hub.db")):
        with site.datastore(copy, "paris", "--follow", "hub") as follower:
            site.until(lambda: site.role("paris") == "follower", "the follower to report")
            follower.stop()
        with copy.open("r+b") as file:
            file.truncate(5000)

        with site.datastore(copy, "paris", "--follow", "hub") as follower:
            site.until(lambda: "it begins anew" in follower.log(), "the damage to be noticed")
            site.until(
                lambda: site.converged("hub", "paris"),
                "it to be there again",
            )
            site.until(lambda: "publishing" in follower.log(), "it to load a snapshot")
    assert copy.with_name("copy.db.damaged").stat().st_size == 5000


def test_a_followers_database_that_rots_is_had_again(site):
    """It opens well, and fails when an entry is applied: the program begins anew by itself."""
    copy = site.directory / "copy.db"
    with site.primary(site.init("hub.db")):
        site.interface()
        with site.datastore(copy, "paris", "--follow", "hub") as follower:
            site.until(lambda: site.converged("hub", "paris"), "it to be there")
            follower.stop()
        with copy.open("r+b") as file:  # all pages but the first, which has the schema
            file.seek(4096)
            file.write(b"\xff" * (copy.stat().st_size - 4096))

        with site.datastore(copy, "paris", "--follow", "hub") as follower:
            assert site.peer().code == 0
            site.until(lambda: "it begins anew" in follower.log(), "the damage to be noticed")
            site.until(lambda: site.converged("hub", "paris"), "it to be there again")
            assert site.peer().code == 0
            site.until(lambda: site.converged("hub", "paris"), "it to go on")
            assert follower.running
    assert site.local("verify", str(copy)).code == 0


def test_a_copy_started_elsewhere_is_turned_away_however_often(site):
    """As systemd would do without RestartPreventExitStatus: the first one serves all the time."""
    db = site.init("hub.db")
    with site.primary(db) as first:
        site.interface()
        copy = site.directory / "copy.db"
        assert site.local("backup", "--db", str(db), str(copy)).code == 0

        for _ in range(3):
            with site.datastore(copy, "hub") as stale:
                assert stale.ended() == 78
            assert "is served by another instance already" in stale.log()
            assert site.peer().code == 0
        assert first.running


def test_a_copy_that_is_turned_away_tells_what_only_it_has(site):
    """It was the primary until an older copy of it was started in its place."""
    db = site.init("hub.db")
    with site.primary(db) as first:
        site.interface()
        older = site.directory / "older.db"
        assert site.local("backup", "--db", str(db), str(older)).code == 0
        assert site.peer().code == 0
        first.stop()
    with site.primary(older):
        with site.datastore(db, "hub") as stale:
            assert stale.ended() == 78
        assert "entries 3–3 of this one are lost" in stale.log()
        assert "is served by another instance already" in stale.log()


def test_a_primary_that_wakes_up_finds_itself_replaced(site):
    """It was stopped for a while, and somebody started a copy of its database meanwhile."""
    db = site.init("hub.db")
    with site.primary(db) as first:
        site.interface()
        copy = site.directory / "copy.db"
        shutil.copy(db, copy)
        shutil.copy(f"{db}-wal", f"{copy}-wal")
        first.send(signal.SIGSTOP)
        with site.datastore(copy, "hub") as second:
            site.until(lambda: "publishing" in second.log(), "the copy to take over")
            first.send(signal.SIGCONT)

            assert first.ended() == 78
            assert "has been replaced" in first.log()
            assert site.peer().code == 0
            assert second.running

            with site.datastore(db, "hub") as again:
                assert again.ended() == 78
