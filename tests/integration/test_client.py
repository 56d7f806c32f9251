"""The client's side: what it says when nobody answers, and what it repeats."""

import asyncio

import pytest

from bridge.client import request_id
from bridge.connection import NoResponders
from tests.buses import admin, connected, create_interface, create_peer, primary
from wig import errors


async def test_missing_primary_is_an_error_with_a_hint(server, monkeypatch):
    """A server without a primary: nothing was done, and where to look."""
    monkeypatch.setattr("bridge.client.ABSENT_S", 0.1)
    async with admin(server) as client:
        with pytest.raises(NoResponders, match="nobody answers") as caught:
            await client.command("interface.create", create_interface())

    assert "wig status" in caught.value.hint
    assert caught.value.code == "unavailable"


async def test_primary_that_starts_meanwhile_is_waited_for(tmp_path, server):
    """A command during a restart of the primary is done when it is back."""
    async with admin(server) as client:
        asked = asyncio.create_task(client.command("interface.create", create_interface()))
        async with primary(tmp_path, server):
            reply = await asked

    assert reply.ok["interface"]["name"] == "wg0"


async def swallowing(bus, verb):
    """Be a primary that takes requests and never answers; return what it took."""
    taken = []

    async def take(message):
        taken.append(message.data)

    await bus.subscribe(f"wig.api.*.{verb}", take)
    return taken


async def test_silent_primary_makes_the_outcome_unknown(server, monkeypatch):
    """The same request id is sent each time, and is in the hint of the error."""
    monkeypatch.setattr("bridge.client.ATTEMPT_S", 0.05)
    async with admin(server) as client, connected(server, "mute") as mute:
        taken = await swallowing(mute, "peer.create")

        with pytest.raises(errors.Unknown, match=r"peer\.create: no answer") as caught:
            await client.command("peer.create", create_peer(1, request="mine"), timeout_s=0.5)

    assert len(taken) > 1
    assert len(set(taken)) == 1
    assert b'"request":"mine"' in taken[0]
    assert "mine" in caught.value.hint


async def test_silence_to_a_query_is_unavailable(server, monkeypatch):
    """A query changes nothing, so its outcome is never unknown."""
    monkeypatch.setattr("bridge.client.ATTEMPT_S", 0.05)
    async with admin(server) as client, connected(server, "mute") as mute:
        await swallowing(mute, "peer.list")

        with pytest.raises(errors.Unavailable, match=r"peer\.list"):
            await client.query("peer.list", timeout_s=0.2)


async def test_each_command_gets_an_id_of_its_own(server, monkeypatch):
    """Two commands without an id are two requests."""
    monkeypatch.setattr("bridge.client.ATTEMPT_S", 0.05)
    async with admin(server) as client, connected(server, "mute") as mute:
        taken = await swallowing(mute, "peer.create")
        for _ in range(2):
            with pytest.raises(errors.Unknown):
                await client.command("peer.create", create_peer(1), timeout_s=0.5)

    assert len(set(taken)) == 2


def test_request_ids_sort_by_time():
    """Later ids come later, and are short enough."""
    ids = [request_id() for _ in range(100)]

    assert sorted(ids, key=lambda text: text[:12]) == ids
    assert len(set(ids)) == 100
    assert all(len(text) <= 64 for text in ids)
