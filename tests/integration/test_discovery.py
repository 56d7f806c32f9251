"""Discovery: what NATS tools see of a node."""

import asyncio
import json

import pytest

from bridge import node
from bridge.connection import NoResponders
from bridge.discovery import Discovery
from bridge.source import Me
from tests.buses import bus_options, cancel, connected, database, nats
from tests.eventually import eventually
from wig import errors

ME = Me(node="hub", instance="0a1b", version="1.2.3", role="primary")
ANSWER_S_MAX = 5.0  # who is not there is known at once
SUBJECTS = ("wig.api.*.peer.create", "wig.node.hub.*.status")


@pytest.fixture
async def bus(tmp_path):
    """A client on a server where one node can be discovered."""
    async with nats(tmp_path) as server, connected(server, "hub") as serving:
        running = asyncio.create_task(Discovery(serving, ME, SUBJECTS).run())
        async with connected(server) as asking:
            await eventually(
                lambda: answers(asking, "$SRV.STATS.wig.0a1b"), "the node can be discovered"
            )
            yield asking
        await cancel(running)


async def answers(bus, subject):
    try:
        return json.loads((await bus.request(subject, timeout_s=ANSWER_S_MAX)).data)
    except errors.Temporary:
        return None


@pytest.mark.parametrize("which", ["", ".wig", ".wig.0a1b"])
@pytest.mark.parametrize("verb", ["PING", "INFO", "STATS"])
async def test_node_is_found_by_name_and_instance(bus, verb, which):
    """Each question is answered on all three levels, with who the node is."""
    found = await answers(bus, f"$SRV.{verb}{which}")

    assert found["type"] == f"io.nats.micro.v1.{verb.lower()}_response"
    assert (found["name"], found["id"], found["version"]) == ("wig", "0a1b", "1.2.3")
    assert found["metadata"] == {"node": "hub", "role": "primary"}


async def test_endpoints_are_the_subjects(bus):
    """The info lists where requests go."""
    found = await answers(bus, "$SRV.INFO.wig")

    assert [(one["name"], one["subject"]) for one in found["endpoints"]] == [
        ("wig-api-peer-create", "wig.api.*.peer.create"),
        ("wig-node-hub-status", "wig.node.hub.*.status"),
    ]


async def test_answers_go_to_inboxes_only(bus):
    """Nobody can make the node publish to a subject of wig."""
    heard = []

    async def hear(message):
        heard.append(message.data)

    await bus.subscribe("wig.api.root.>", hear)
    await bus.publish("$SRV.PING", reply="wig.api.root.peer.create")
    assert await answers(bus, "$SRV.PING")

    assert heard == []


async def test_other_services_are_left_alone(bus):
    """A question for another service's name gets no answer of ours."""
    with pytest.raises(NoResponders):
        await bus.request("$SRV.PING.other", timeout_s=0.1)


async def test_primary_can_be_discovered(tmp_path):
    """A running primary lists its commands and reads."""
    stop = asyncio.Event()
    async with nats(tmp_path) as server, connected(server) as asking:
        options = node.DatastoreOptions(
            db=database(tmp_path), name="hub", bus=bus_options(server, "hub")
        )
        running = asyncio.create_task(node.run_datastore(options, stop=stop))
        found = await eventually(lambda: answers(asking, "$SRV.INFO"), "the primary is found")
        stop.set()
        await running

    subjects = {one["subject"] for one in found["endpoints"]}
    assert {"wig.api.*.peer.create", "wig.api.*.node.status", "wig.node.hub.*.status"} <= subjects
