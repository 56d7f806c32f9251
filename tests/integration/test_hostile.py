"""Somebody with a gateway's token who keeps to nothing: he gets nothing, and breaks nothing."""

import asyncio
import json
import secrets
import time

import pytest

from tests.buses import create_interface, create_peer
from tests.eventually import eventually
from tests.guarded import gateway, guarded, told
from tests.wire_client import Hangup, WireClient

BAD_LOGINS = 500
DELAY_P99_S_MAX = 0.1  # the target is 10 ms, on a machine that does nothing else


async def hostile(hub, token, *, leaf=False):
    port = hub.leaf_port if leaf else hub.port
    return await WireClient.open(port, leaf=leaf, user=token.id, **{"pass": token.secret})


async def stream_state(hub, stream):
    async with hub.connected(hub.options(hub.keys.bus)) as bus:
        answer = await bus.request(f"$JS.API.STREAM.INFO.{stream}", timeout_s=5)
    return json.loads(answer.data)["state"]


async def test_acknowledgements_by_somebody_else_lose_nothing(tmp_path):
    """nats-server lets a leaf node send them; positions are told to the datastore, not by them."""
    async with guarded(tmp_path) as hub:
        evil, good = await hub.token("evil", "gateway"), await hub.token("gw1", "gateway")
        await hub.admin.command("interface.create", create_interface())
        async with gateway(hub, hub.options(good)) as sink:
            await eventually(lambda: sink.where, "it to follow")
            stream = hub.primary.node.stream().name
            async with await hostile(hub, evil, leaf=True) as enemy:
                for seq in range(1, 40):
                    assert await enemy.publish(f"$JS.ACK.{stream}.gw1.1.{seq}.{seq}.1.0") == []
                for number in range(20):
                    reply = await hub.admin.command("peer.create", create_peer(number))
                await eventually(lambda: sink.where == reply.position, "all entries")

            assert sink.loads == 1


async def test_answers_go_nowhere_but_to_the_one_who_asks(tmp_path, caplog):
    """A service or JetStream must not be made to publish for somebody who may not."""
    async with guarded(tmp_path) as hub:
        evil = await hub.token("evil", "gateway")
        await hub.token("gw1", "gateway")
        await hub.admin.command("interface.create", create_interface())
        stream = hub.primary.node.stream().name
        before = hub.primary.publisher.published.position
        targets = ("wig.api.admin.token.create", "wig.api.admin.peer.list", "_INBOX.gw1.a1",
                   f"$JS.API.STREAM.PURGE.{stream}", "wig.beacon.hub", "wig.primary")  # fmt: skip
        heard = []

        async def hear(message):
            heard.append((message.subject, message.data))

        async with (
            hub.connected(hub.options(hub.keys.bus)) as watch,
            gateway(hub, hub.options(evil)) as sink,  # so that it has a consumer
            await hostile(hub, evil) as enemy,
        ):
            await eventually(lambda: sink.where, "it to follow")
            await watch.subscribe("wig.api.admin.>", hear)
            await watch.subscribe("_INBOX.gw1.>", hear)
            for target in targets:
                for verb in ("attach", "snapshot", "credit", "report", "status"):
                    await enemy.publish(f"wig.node.hub.evil.{verb}", reply=target, body=b"{}")
                await enemy.publish(
                    f"$JS.API.CONSUMER.MSG.NEXT.{stream}.evil", reply=target,
                    body=json.dumps({"batch": 10, "no_wait": True}).encode(),
                )  # fmt: skip
            await watch.request("$JS.API.INFO", timeout_s=5)

        assert hub.primary.publisher.published.position == before
        # What JetStream sends there keeps the subject of the log, or is a status without a body.
        assert not [one for one in heard if one[0].startswith(("wig.api", "_INBOX")) and one[1]]
        assert (await stream_state(hub, stream))["messages"] == before.seq
        assert "refused" in told(caplog)
        assert (await hub.admin.query("node.status")).ok


async def test_bad_logins_hold_nobody_up(tmp_path):
    """As many as can be tried; good clients are asked about all the while."""
    async with guarded(tmp_path) as hub:
        await hub.token("gw1", "gateway")
        took = []
        done = asyncio.Event()

        async def attack():
            for _ in range(BAD_LOGINS // 4):
                with pytest.raises(Hangup):
                    await WireClient.open(hub.port, user="gw1", **{"pass": secrets.token_hex()})

        async def work():
            while not done.is_set():
                began = time.perf_counter()
                await hub.admin.query("node.status")
                took.append(time.perf_counter() - began)

        working = asyncio.create_task(work())
        await asyncio.gather(*(attack() for _ in range(4)))
        done.set()
        await working

    took.sort()
    assert took[len(took) * 99 // 100] < DELAY_P99_S_MAX


async def test_too_much_at_once_is_cut_off(tmp_path):
    """A message over the limit costs its sender the connection, and nobody else anything."""
    async with guarded(tmp_path) as hub:
        evil = await hub.token("evil", "gateway")
        async with await hostile(hub, evil) as enemy:
            said = await enemy.publish("wig.node.hub.evil.attach", body=bytes(5 << 20))
        assert said
        assert (await hub.admin.query("node.status")).ok
