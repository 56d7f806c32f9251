"""Databases on a full disk: the programs that have them go on, and store it when there is room."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests import buses, datastores, keepers
from tests.eventually import eventually, eventually_sync
from tests.program import Up
from tests.small_disks import small_disk
from wig import errors
from wig.log import next_epoch
from wig.sqlite.datastore import Datastore

S_MAX = 60.0


@pytest.fixture
def disk(tmp_path):
    """A small disk with room."""
    with small_disk(tmp_path / "disk", "24m") as found:
        yield found


def test_a_datastore_is_unavailable_while_its_disk_is_full(disk):
    """Whatever it is asked to write; and afterwards it does it."""
    path = buses.database(disk.path)
    with Datastore.open(path) as store:
        made = (
            datastores.request(buses.create_interface()),
            datastores.request(buses.create_peer(1)),
        )
        assert datastores.codes(datastores.commit(store, *made)) == ["ok", "ok"]
    with Datastore.open(path) as store:
        writes = (
            lambda: store.prune(datetime.now(UTC), timedelta(), 1),
            lambda: store.mint(next_epoch(store.lineage, datetime.now(UTC), b"1234")),
            lambda: store.set_generation("0" * 24),
            lambda: store.fence("another one"),
        )
        disk.fill()
        for write in writes:
            with pytest.raises(errors.Unavailable, match="cannot grow"):
                write()
        disk.make_room()

        for write in writes:
            write()


def errors_of(caplog):
    return " ".join(getattr(record, "error", "") for record in caplog.records)


async def test_sessions_are_kept_in_memory_while_their_disk_is_full(disk, tmp_path, caplog):
    """Nobody ends; what was heard meanwhile is stored as soon as there is room."""
    first, second = keepers.keys(2)
    async with keepers.site(tmp_path) as site, site.keeper(db=disk.path / "sessions.db") as keeper:
        gateway = keepers.Teller(site.client, "gw1")
        await gateway.tell(first)
        await site.edges(1)
        disk.fill()

        await gateway.tell(first, second)
        await eventually(lambda: "cannot grow" in errors_of(caplog), "the disk to be in the way")
        disk.make_room()

        await site.edges(2)
        assert len(await site.sessions()) == 2
        assert not keeper.done()


def test_a_whole_host_survives_a_full_disk(disk):
    """Server, databases and sessions share it: reads go on, commands as soon as there is room."""
    with Up(disk.path / "state", "--no-gateway", "--no-interface") as up:
        ports = iter(range(50000, 60000))

        def made():
            port = next(ports)
            address = f"10.{port % 250}.{port // 250}.1/24"
            words = ("--port", str(port), "--address", address)
            return up.wig("interface", "create", f"wg{port}", *words).code == 0

        assert made()
        disk.fill()
        eventually_sync(lambda: not made(), "the disk to be full", S_MAX)
        assert up.wig("interface", "list").code == 0
        disk.make_room()

        eventually_sync(made, "commands to go on", S_MAX)

        problems = up.wig("status", "--output", "json").document
        assert "cannot" not in json.dumps(problems)
