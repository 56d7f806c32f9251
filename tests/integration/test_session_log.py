"""What the log deletes ends in the sessions, also while nobody kept them."""

import logging
import sqlite3
from contextlib import closing

import pytest

from tests import buses, keepers
from tests.builders import key
from tests.eventually import eventually
from tests.keepers import Teller
from wig import commands

ALICE, BOB = key("alice"), key("bob")


@pytest.fixture
async def site(tmp_path):
    """A primary with two peers, and two sessions of them."""
    async with keepers.site(tmp_path) as it, buses.primary(tmp_path, it.server):
        await it.client.command("interface.create", buses.create_interface())
        for name in ("alice", "bob"):
            await it.client.command("peer.create", buses.create_peer(name))
        async with it.keeper():
            await Teller(it.client, "gw1").tell(ALICE, BOB)
            await it.edges(2)
        yield it


async def delete(site, peer):
    await site.client.command("peer.delete", commands.DeletePeer(public_key=peer))


async def ended(site, count):
    """Wait until so many sessions are over; return whose, and why."""

    async def over():
        found = [one for one in await site.sessions() if one["end"]]
        return len(found) == count and {one["peer"]: one["reason"] for one in found}

    return await eventually(over, f"{count} sessions to be over")


async def test_a_peer_is_deleted_while_sessions_are_kept(site):
    """Its session ends within seconds; the other's does not."""
    async with site.keeper():
        await delete(site, ALICE)

        assert await ended(site, 1) == {ALICE: "deleted"}
        assert (await site.ask("seen", peers=[ALICE, BOB]))["seen"].keys() == {BOB}


async def test_a_peer_is_deleted_while_nobody_keeps_sessions(site):
    """All that are known are compared with those that there are."""
    await delete(site, ALICE)

    async with site.keeper():
        assert await ended(site, 1) == {ALICE: "deleted"}


async def test_an_interface_is_deleted_with_its_peers(site):
    """All of its sessions end."""
    command = commands.DeleteInterface(name="wg0", with_peers=True)
    async with site.keeper():
        await site.client.command("interface.delete", command)

        assert set(await ended(site, 2)) == {ALICE, BOB}


async def test_a_log_that_begins_with_a_snapshot_is_followed(tmp_path, caplog):
    """As a promoted follower's: its head is no entry, and that is no reason to compare again."""
    caplog.set_level(logging.INFO)
    async with keepers.site(tmp_path) as it:
        async with buses.primary(tmp_path, it.server):
            await it.client.command("interface.create", buses.create_interface())
            await it.client.command("peer.create", buses.create_peer("alice"))
        with closing(sqlite3.connect(buses.database(tmp_path))) as file, file:
            file.execute("UPDATE meta SET base_seq = seq, base_digest = digest")
            file.execute("DELETE FROM entry")
        async with buses.primary(tmp_path, it.server), it.keeper():
            await Teller(it.client, "gw1").tell(ALICE)
            await it.edges(1)
            await delete(it, ALICE)

            assert await ended(it, 1) == {ALICE: "deleted"}
    compared = [one for one in caplog.messages if one == "peers are compared with the log"]
    assert len(compared) <= 2
