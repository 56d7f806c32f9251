"""What a node answers to those who want to follow it, and the consumers that it makes."""

import asyncio
import json
import secrets
from collections.abc import Awaitable
from typing import Any

import pytest

from bridge import attach, subjects, wire
from bridge.connection import Connection, NoAnswer
from bridge.source import StreamName
from tests import replicas
from tests.eventually import eventually
from tests.replicas import StateSink, attached, converged, downstream
from wig import codec
from wig.replication import AttachRequest

LISTENING_S = 0.3  # in which an answer would have come


@pytest.fixture
async def gw1(server):
    async with replicas.bus(server, "gw1") as one:
        yield one


def request(bus: Connection, **fields: Any) -> AttachRequest:
    given = {
        "node": "gw1",
        "instance": secrets.token_hex(4),
        "kind": "gateway",
        "version": "1",
        "inbox": bus.new_inbox(),
    }
    return AttachRequest(**given | fields)


async def ask(bus: Connection, body: bytes, identity: str = "gw1") -> wire.AttachAnswer:
    message = await bus.request(subjects.node("hub", identity, "attach"), body, timeout_s=3)
    return wire.decode_attach_answer(message.data)


async def consumer(bus: Connection, stream: StreamName, name: str = "gw1") -> Any:
    """Return what JetStream says of a consumer."""
    message = await bus.request(f"$JS.API.CONSUMER.INFO.{stream.name}.{name}", timeout_s=3)
    return json.loads(message.data)


async def test_a_good_position_gets_a_fresh_consumer(hub, gw1):
    """Durable, everything acknowledged at once, cleaned up when nobody comes back."""
    answer = await ask(gw1, codec.encode(request(gw1, position=hub.position)))

    assert answer.continue_ is not None
    assert answer.continue_.start == hub.position.seq + 1
    assert answer.continue_.consumer == "gw1"
    config = (await consumer(gw1, hub.it.node.stream()))["config"]
    assert config["ack_policy"] == "all"
    assert config["deliver_policy"] == "by_start_sequence"
    assert config["opt_start_seq"] == hub.position.seq + 1
    assert config["max_ack_pending"] == -1
    assert config["inactive_threshold"] > 0


async def test_every_attach_makes_the_consumer_anew(hub, gw1):
    """What the old one remembers may belong to another past."""
    body = codec.encode(request(gw1, position=hub.position))
    await ask(gw1, body)
    first = await consumer(gw1, hub.it.node.stream())

    await ask(gw1, body)

    assert (await consumer(gw1, hub.it.node.stream()))["created"] != first["created"]


async def test_attaches_of_one_identity_at_once_end_in_one_consumer(hub, gw1):
    """They are served one after the other, and the last one has it."""
    body = codec.encode(request(gw1, position=hub.position))

    answers = await asyncio.gather(*(ask(gw1, body) for _ in range(20)))

    assert all(answer.continue_ for answer in answers)
    assert (await consumer(gw1, hub.it.node.stream()))["config"]["name"] == "gw1"


async def test_a_gateway_and_a_follower_of_one_host_do_not_share_a_consumer(hub, gw1):
    """One host has one identity."""
    for kind, name in (("gateway", "gw1"), ("follower", "gw1-store")):
        body = codec.encode(request(gw1, position=hub.position, kind=kind))
        answer = await ask(gw1, body)
        assert answer.continue_ is not None
        assert answer.continue_.consumer == name


async def test_who_has_waited_too_long_is_not_answered(hub, gw1, monkeypatch):
    """It asks again: a queue that is worked on from its old end would answer nobody in time."""
    attachments, free = hub.it.node.attachments, asyncio.Event()
    decide = attachments.decide
    monkeypatch.setattr(attachments, "decide", lambda *given: _after(free, decide(*given)))
    body = codec.encode(request(gw1, position=hub.position))
    *kept, late = [await _asked(gw1, body) for _ in range(attach.WORKERS + 1)]

    done, _ = await asyncio.wait([late], timeout=attach.WAITED_S_MAX * 1.1)
    assert not done
    free.set()
    await asyncio.gather(*kept)

    assert (await ask(gw1, body)).continue_ is not None
    assert not late.done()


async def _asked(bus: Connection, body: bytes) -> asyncio.Future[Any]:
    """Ask to attach, without waiting for the answer."""
    inbox, answer = bus.expect_answer()
    await bus.publish(subjects.node("hub", "gw1", "attach"), body, reply=inbox)
    return answer


async def _after(free: asyncio.Event, work: Awaitable[Any]) -> Any:
    await free.wait()
    return await work


async def test_a_node_without_anything_gets_a_snapshot(hub, gw1):
    """It says that it holds nothing."""
    answer = await ask(gw1, codec.encode(request(gw1)))

    assert answer.snapshot is not None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param(b"{}", "node", id="nothing"),
        pytest.param(b"not json", None, id="no JSON"),
        pytest.param({"kind": "toaster"}, "kind", id="an unknown kind"),
        pytest.param({"inbox": "_INBOX.gw2.x"}, "inbox", id="the inbox of somebody else"),
    ],
)
async def test_a_bad_request_is_answered_with_an_error(hub, gw1, body, field):
    """And nothing else happens."""
    if isinstance(body, dict):
        body = codec.encode(request(gw1, **body))

    answer = await ask(gw1, body)

    assert answer.error is not None
    assert (answer.error.code, answer.error.field) == ("invalid", field)


async def test_a_newer_downstream_may_say_more(hub, gw1):
    """Leaves are upgraded before the root."""
    body = json.loads(codec.encode(request(gw1))) | {"novelty": 1}

    answer = await ask(gw1, codec.encode(body))

    assert answer.snapshot is not None


async def test_an_answer_never_goes_to_somebody_elses_inbox(hub, gw1):
    """A service publishes with its own rights; a caller must not borrow them."""
    heard = []

    async def hear(message):
        heard.append(message)

    await gw1.subscribe("wig.api.admin.peer.create", hear)
    body = codec.encode(request(gw1))
    await gw1.publish(
        subjects.node("hub", "gw1", "attach"), body, reply="wig.api.admin.peer.create"
    )
    await ask(gw1, body)

    assert heard == []


async def test_the_identity_in_the_subject_decides_where_the_answer_may_go(hub, gw1):
    """`gw1` asks in the name of `gw2`: nobody answers."""
    with pytest.raises(NoAnswer):
        await gw1.request(
            subjects.node("hub", "gw2", "attach"),
            codec.encode(request(gw1)),
            timeout_s=LISTENING_S,
        )


async def test_an_identity_in_use_is_known_after_a_restart_of_the_node(server, hub, tmp_path):
    """The consumer remembers who has it."""
    sink = StateSink()
    async with downstream(server, sink) as first:
        await attached(first)
        async with replicas.bus(server, "gw1") as other:
            hub.it.node.attachments._downstreams.clear()

            answer = await ask(other, codec.encode(request(other, position=hub.position)))

    assert answer.error is not None
    assert answer.error.code == "conflict"
    assert "in use" in answer.error.message


async def test_a_process_that_does_not_answer_gives_way(server, hub, gw1):
    """A hung process keeps its inbox, but not its identity."""
    asked = []

    async def ignore(message):
        asked.append(message)

    hung = request(gw1, position=hub.position)
    await gw1.subscribe(hung.inbox, ignore)
    await ask(gw1, codec.encode(hung))

    answer = await ask(gw1, codec.encode(request(gw1, position=hub.position)))

    assert len(asked) == 1
    assert answer.continue_ is not None


async def test_reports_tell_the_node_what_its_downstreams_have(server, hub):
    """Position, phase and problems of each."""
    sink = StateSink()
    async with downstream(server, sink):
        await converged(sink, hub)

        def reported() -> bool:
            (known,) = hub.it.node.reports.known() or [None]
            return known is not None and known.report.position == hub.position

        await eventually(reported, "the report")
        await hub.peer()
        await eventually(reported, "the next report")
        (known,) = hub.it.node.reports.known()

    assert known.identity == "gw1"
    assert known.report.upstream == "hub"
    assert known.report.phase == "following"
    assert known.report.problems == ()


async def test_an_upstream_that_nobody_has_heard_of_is_in_the_log(server, caplog):
    """Once: a name with a mistake in it would else be a silence."""
    caplog.set_level("INFO", logger="bridge.follower")

    def waits():
        return [(one.upstream, one.reason) for one in caplog.records if one.msg == "waiting"]

    async with downstream(server, StateSink(), "gw1"):
        await eventually(waits, "a word about it")

    assert waits() == [("hub", "no node of this name answers")]
