"""A primary whose server has no room left."""

import json

import pytest

from bridge.streams import Streams
from tests.builders import key
from tests.buses import (
    NODE,
    admin,
    connected,
    create_interface,
    create_peer,
    is_published,
    peers,
    primary,
)
from wig import errors


async def test_storage_full_of_old_streams_is_made_room_in(tmp_path, server):
    """Streams of earlier generations are in nobody's way when there is no room for a new one."""
    async with connected(server) as bus:
        old = Streams(bus, NODE, "old")
        for number in range(5):
            await old.create(f"{number:08x}", 1, "")

    async with primary(tmp_path, server) as running, admin(server) as client:
        await client.command("interface.create", create_interface())

        assert await is_published(running)


async def test_stream_that_is_full_refuses_before_committing(tmp_path, server, monkeypatch):
    """A stream that takes nothing makes the outcome unknown once, and refusals from then on."""
    monkeypatch.setattr("bridge.publisher.STUCK_S", 0.2)
    monkeypatch.setattr("bridge.answers.WAIT_S_MAX", 0.3)
    monkeypatch.setattr("bridge.answers.CHECK_S", 0.05)
    async with (
        primary(tmp_path, server) as running,
        admin(server) as client,
        connected(server) as bus,
    ):
        await client.command("interface.create", create_interface())
        streams = running.primary.publisher._streams
        generation = running.primary.publisher.generation
        config = streams._config(generation, 1, running.primary.node.datastore.database)
        await update_stream(bus, config | {"max_msgs": 1, "discard": "new"})

        with pytest.raises(errors.Unknown, match="the command is stored"):
            await client.command("peer.create", create_peer(1), timeout_s=0.5)
        head = running.primary.publisher.head
        with pytest.raises(errors.Unavailable, match="its stream does not take entries"):
            await client.command("peer.create", create_peer(2), timeout_s=0.5)
        assert running.primary.publisher.head == head

        await update_stream(bus, config)
        await client.command("peer.create", create_peer(2))
        assert await peers(client) == {key(1), key(2)}
        assert await is_published(running)


async def update_stream(bus, config):
    answer = await bus.request(
        f"$JS.API.STREAM.UPDATE.{config['name']}", json.dumps(config).encode(), timeout_s=5
    )
    assert b'"error"' not in answer.data, answer.data
