"""Stories of whole hosts: real programs, real WireGuard, and a client who must not notice."""

import json
import time
from datetime import datetime, timedelta
from itertools import pairwise, product

import pytest

from tests.eventually import eventually_sync
from tests.lab.clock import Clock
from tests.lab.internet import Internet
from tests.lab.need import need
from tests.lab.ping import PingStream
from tests.lab.sites import Watch, World
from tests.lab.web import PAGE, WebServer
from tests.lab.wg_quick import WgQuick

SERVE_S_MAX = 5.0
RECONNECT_S_MAX = 20.0  # WireGuard's own: a client asks for new keys after 15 s of silence
PINGS_PER_S = 100
HOUR_S = 3600
JUMP_S_MAX = 10.0
NOTICE_S_MAX = 20.0  # nats-server asks every 5 s, and gives up after the third time


@pytest.fixture
def world(tmp_path):
    need()
    with Internet() as net:
        yield World(net, tmp_path)


def connected(world):
    """Return the tunnel of a new client, connected."""
    text = world.hub.client("alice", world.far.host)
    world.far.has(world.hub.peers())
    return WgQuick(world.client, text)


def test_a_gateway_host_reboots_while_the_hub_is_dead(world):
    """From its own disk it serves every peer within 5 s, and its client is back by itself."""
    world.strangers(50)
    bob = world.hub.client("bob", world.far.host)
    with WebServer(world.web) as web, connected(world) as alice:
        peers = world.hub.peers()
        assert alice.fetch(web.urls[4]) == PAGE.decode()
        world.hub.kill()
        world.reboot()

        began = time.monotonic()
        world.far.start_all()
        world.far.has(peers, SERVE_S_MAX)
        with WgQuick(world.net.host("other", "home"), bob) as fresh:
            assert fresh.fetch(web.urls[4], SERVE_S_MAX) == PAGE.decode()
            took_s = time.monotonic() - began
            print(f"rebooted alone: a peer was served after {took_s:.2f} s")
        assert took_s < SERVE_S_MAX
        eventually_sync(
            lambda: alice.fetch(web.urls[6], 1) == PAGE.decode(), "alice", RECONNECT_S_MAX
        )
        print(f"the client with keys of before was back after {time.monotonic() - began:.2f} s")


@pytest.mark.parametrize("noticed", [False, True], ids=["short", "noticed"])
def test_the_wide_area_link_is_cut_while_peers_are_created(world, noticed):
    """The device has them soon after it is mended, and the client never notices."""
    with (
        WebServer(world.web),
        connected(world),
        PingStream(world.client, world.web.ip, 1 / PINGS_PER_S) as pings,
    ):
        before = world.hub.peers()
        world.wide.cut(world.far.host)
        world.strangers(100)
        world.hub.client("bob", world.far.host)
        if noticed:
            eventually_sync(lambda: world.hub.leafs() == 0, "the hub to notice", NOTICE_S_MAX)
        after = world.hub.peers()
        assert world.far.device() == before

        world.wide.mend(world.far.host)
        began = time.monotonic()
        world.far.has(after)
        print(f"link mended: converged in {time.monotonic() - began:.2f} s")
        pings.settle()
        lost = pings.stop()
    assert lost == []
    assert len(after) == len(before) + 101


def test_the_primary_is_restored_from_an_older_backup(world):
    """Everybody gives up what was lost; a peer of both timelines never leaves the device."""
    world.strangers(20)
    with WebServer(world.web), connected(world):
        kept, backup = world.hub.peers(), world.hub.disk / "backup.db"
        world.hub.done("backup", "--db", str(world.hub.db), str(backup))
        head = world.hub.status()["primary"]["position"]["seq"]
        world.strangers(30)
        world.far.has(world.hub.peers())
        with (
            Watch(world.far.host, world.far.disk / "looks") as watch,
            PingStream(world.client, world.web.ip, 1 / PINGS_PER_S) as pings,
        ):
            world.hub.stop("primary")
            world.hub.restore(backup)
            world.hub.start_primary()
            began = time.monotonic()
            world.far.has(kept)
            print(f"restored: the device was equal after {time.monotonic() - began:.2f} s")
            looks, lost = watch.stop(), pings.stop()
        assert world.hub.peers() == kept

    assert (len(looks[0]), looks[-1]) == (len(kept) + 30, kept)
    assert min(len(look & kept) for look in looks) == len(kept)
    assert lost == []
    warning = f"this database has been restored: entries {head + 1}–{head + 30} are lost"
    assert world.hub.status()["primary"]["problems"] == [warning]
    assert f"first={head + 1} last={head + 30}\n" in world.hub.log("primary")


def test_the_followers_database_is_deleted_while_the_hub_is_dead(world):
    """Nobody knows anything any more but the device, and it keeps every peer."""
    world.strangers(50)
    with (
        WebServer(world.web),
        connected(world),
        PingStream(world.client, world.web.ip, 1 / PINGS_PER_S) as pings,
        Watch(world.far.host, world.far.disk / "looks") as watch,
    ):
        peers = world.hub.peers()
        world.hub.kill()
        world.far.kill("follower")
        world.far.lose_database()
        world.far.start_follower()
        waits = "waiting upstream=paris reason='this node holds nothing yet'"
        eventually_sync(lambda: world.far.log("follower").count(" serving ") == 2, "the follower")
        watch.settle()
        world.far.kill("gateway")
        world.far.start_gateway()
        eventually_sync(lambda: waits in world.far.log("gateway"), "the new gateway to wait")
        watch.settle()
        assert world.far.device() == peers

        world.hub.start_all()
        began = time.monotonic()
        world.hub.served(2)
        world.hub.client("bob", world.far.host)
        world.far.has(world.hub.peers())
        print(f"hub back: the device was equal after {time.monotonic() - began:.2f} s")
        looks, lost = watch.stop(), pings.stop()

    assert min(len(look & peers) for look in looks) == len(peers)
    assert lost == []


def test_clocks_jump_by_an_hour(world, tmp_path):
    """On either host, in either direction: what is created meanwhile is there within seconds."""
    hub, far = world.hub, world.far
    clocks = [Clock(tmp_path, "hub"), Clock(tmp_path, "far")]
    hub.stop("primary")
    far.stop("gateway")
    far.stop("follower")
    hub.environment, far.environment = (clock.environment for clock in clocks)
    hub.start_primary()
    far.start_follower()
    far.start_gateway()
    hub.served(2)
    with (
        WebServer(world.web),
        connected(world),
        PingStream(world.client, world.web.ip, 1 / PINGS_PER_S) as pings,
        Watch(far.host, far.disk / "looks") as watch,
    ):
        # nats-server's clock stays right: ahead of it, the primary takes its questions for late.
        for clock, offset_s in product(clocks, (-HOUR_S, 0)):
            clock.set(offset_s)
            world.strangers(5)
            far.has(hub.peers(), JUMP_S_MAX)
        looks, lost = watch.stop(), pings.stop()

    assert all(before <= after for before, after in pairwise(looks)), "the device lost a peer"
    assert lost == []
    entries = json.loads(hub.asked("log", "show", "--output", "json"))["entries"]
    times = [datetime.fromisoformat(entry["time"]) for entry in entries]
    assert max(times) - min(times) > timedelta(seconds=HOUR_S - 60), "the clock did not jump"
