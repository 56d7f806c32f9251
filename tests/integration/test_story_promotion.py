"""Stories: a follower becomes the primary, and the old one comes back."""

import shutil
import signal

import pytest

from bridge.server import NatsServer, ServerOptions
from tests.processes import Process, Site


@pytest.fixture
async def site(tmp_path):
    async with NatsServer(ServerOptions(directory=tmp_path / "nats")) as server:
        yield Site(server, tmp_path)


def promote(site: Site, db, *words: str):
    return site.wig("datastore", "promote", "--db", str(db), "--output", "json", *words)


def two_nodes(site: Site) -> tuple[Process, Process]:
    """Return a primary `hub` and its follower `paris`, at the same place."""
    hub = site.primary(site.init("hub.db"))
    paris = site.datastore(site.directory / "paris.db", "paris", "--follow", "hub")
    site.interface()
    site.until(lambda: site.converged("hub", "paris"), "the follower to be there")
    return hub, paris


def test_a_follower_takes_over_and_the_old_primary_stops_for_good(site):
    """Followers of the promoted one go on; the old one says what is lost, and never wins."""
    paris_db, hub_db = site.directory / "paris.db", site.directory / "hub.db"
    hub, paris = two_nodes(site)
    lyon = site.datastore(site.directory / "lyon.db", "lyon", "--follow", "paris")
    with hub, paris, lyon:
        site.until(lambda: site.converged("hub", "paris", "lyon"), "the tree to be there")
        paris.stop()
        assert site.peer().code == 0  # the follower does not have this one
        hub.kill()

        done = promote(site, paris_db)
        assert done.code == 0, done.err
        assert done.document["after"] == 2

        with site.primary(paris_db, "paris") as leader:
            assert site.peer().code == 0
            site.until(lambda: site.converged("paris", "lyon"), "those below to go on")
            assert "snapshot" not in leader.log()

            for _ in range(2):
                with site.datastore(hub_db, "hub") as old:
                    assert old.ended() == 78
            assert "entries 3–3 of this one are lost" in old.log()
            assert site.peer().code == 0
            leader.stop()
            with site.datastore(hub_db, "hub") as old:  # nobody is there to tell it
                assert old.ended() == 78
            assert "is a former primary's: node: 'paris' was promoted" in old.log()


def test_an_old_primary_that_wakes_up_is_fenced(site):
    """It was frozen through all of it."""
    hub, paris = two_nodes(site)
    with hub, paris:
        paris.stop()
        hub.send(signal.SIGSTOP)
        assert promote(site, site.directory / "paris.db").code == 0
        with site.primary(site.directory / "paris.db", "paris"):
            hub.send(signal.SIGCONT)

            assert hub.ended() == 78
            assert "'paris' was promoted and is the primary now (term 1)" in hub.log()
            assert site.peer().code == 0


def test_promotion_is_refused_while_the_primary_lives_or_somebody_has_more(site):
    """Nothing is changed then."""
    paris_db = site.directory / "paris.db"
    hub, paris = two_nodes(site)
    with hub, paris:
        paris.stop()
        alive = promote(site, paris_db, "--force")
        assert (alive.code, alive.error["code"]) == (1, "conflict")
        assert "'hub' is the primary, and it is alive" in alive.error["message"]

        shutil.copy(paris_db, site.directory / "lyon.db")
        with site.datastore(site.directory / "lyon.db", "lyon", "--follow", "hub"):
            assert site.peer().code == 0
            site.until(
                lambda: (
                    [one["lag_entries"] for one in site.nodes() if one["name"] == "lyon"] == [0]
                ),
                "the other follower to have it",
            )
            hub.kill()

            behind = promote(site, paris_db)
            assert "'lyon' has entries up to 3, this database up to 2" in behind.error["message"]
            with site.datastore(paris_db, "paris") as still:
                assert still.ended() == 78
            assert promote(site, paris_db, "--force").code == 0


def test_a_copy_under_another_name_is_turned_away(site):
    """Two primaries of one database never both take commands."""
    db, copy = site.init("hub.db"), site.directory / "copy.db"
    with site.primary(db):
        site.interface()
        assert site.local("backup", "--db", str(db), str(copy)).code == 0

        with site.datastore(copy, "other") as second:
            assert second.ended() == 78

        assert "'hub' is the primary of this database already" in second.log()
        with site.datastore(site.init("stranger.db"), "stranger") as third:
            assert third.ended() == 78
        assert "of another database" in third.log()
