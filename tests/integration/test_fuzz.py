"""Payloads that are no requests, to every subject of every service, from everywhere."""

import json
import random
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from bridge import credentials, subjects
from bridge.follower_datastore import FollowerDatastore
from bridge.queries import QUERIES
from bridge.session_api import VERBS as SESSION_VERBS
from tests import keepers, replicas, trees
from tests.builders import key
from tests.eventually import eventually
from tests.guarded import guarded
from tests.keepers import Teller
from tests.wire_client import WireClient
from wig.commands import DECODE
from wig.sqlite import initialise
from wig.sqlite.datastore import Datastore

PAYLOADS = 10_000  # for each subject
AT_ONCE = 500
ASKED = ("attach", "snapshot", "status")
TOLD = ("credit", "report")  # nobody answers these
INBOX = "_INBOX.evil.fuzz"


def payload(chance):
    """Return something that is no request, or hardly one."""
    match chance.randrange(6):
        case 0:
            return chance.randbytes(chance.randrange(200))
        case 1:
            return b"[" * chance.randrange(1, 2000)
        case 2:
            return json.dumps({chance.choice(FIELDS): chance.choice(VALUES)}).encode()
        case 3:
            return json.dumps({name: chance.choice(VALUES) for name in FIELDS}).encode()
        case 4:
            return b'{"name": "\xff\xfe"}'
        case _:
            return json.dumps(chance.choice([None, 1, "x", [], [[]], True])).encode()


FIELDS = ("name", "id", "limit", "", "after", "public_key", "interface", "position", "instance")
VALUES = [None, -1, 1e300, 2**70, "\0", [], {}, "x" * 999, "\ud800", {"seq": -1, "epoch": []}]


def wrong(answers):
    """Return the answers that do not say what is wrong."""
    found = []
    for answer in answers:
        body = json.loads(answer)
        error = body.get("error")
        if not (error["code"] and error["message"] if error else {"ok", "wait"} & body.keys()):
            found.append(body)
    return found


def groups(subject):
    """Yield all payloads for a subject, many at a time."""
    chance = random.Random(subject)
    for _ in range(PAYLOADS // AT_ONCE):
        yield [payload(chance) for _ in range(AT_ONCE)]


async def fuzz(client, subject):
    """Return the answers to all payloads that are no errors and no successes."""
    return [
        answer
        for bodies in groups(subject)
        for answer in wrong(await client.ask(subject, INBOX, bodies))
    ]


async def tell(client, subject):
    """Send all payloads, and return what the server objects to."""
    return [said for bodies in groups(subject) for said in await client.tell(subject, bodies)]


@asynccontextmanager
async def follower(hub):
    """Run a follower of the hub beside it, called paris."""
    db = hub.directory / "paris.db"
    initialise.init_empty(db)
    async with AsyncExitStack() as stack:
        options = replace(hub.options(hub.keys.bus), identity="paris")
        bus = await stack.enter_async_context(hub.connected(options))
        store = stack.enter_context(Datastore.open(db))
        it = FollowerDatastore(store, bus, node="paris", upstream="hub", domain="hub")
        stack.callback(it.close)
        await stack.enter_async_context(replicas.running(**it.services()))
        await trees.following(it)
        yield it


@asynccontextmanager
async def fuzzing(tmp_path, role, *, leaf=False):
    """Yield a connection of somebody of a role; all services are as well afterwards as before."""
    async with guarded(tmp_path) as hub, follower(hub) as paris:
        token = await hub.token("evil", role)
        port = hub.leaf_port if leaf else hub.port
        login = {"user": token.id, "pass": token.secret}
        before = hub.primary.publisher.published.position
        async with await WireClient.open(port, leaf=leaf, **login) as client:
            await client.subscribe(INBOX)
            yield client
        assert hub.primary.publisher.published.position == before
        after = await hub.admin.query("token.list")
        assert [each["id"] for each in after.ok["tokens"]] == ["evil"]
        await hub.token("last", "gateway")
        await eventually(
            lambda: trees.published(paris).seq == before.seq + 1, "the follower to follow"
        )


async def test_a_malformed_command_or_query_is_an_error_and_nothing_else(tmp_path):
    """Whatever an admin sends, each answer has a code and a message, and the service goes on."""
    async with fuzzing(tmp_path, "admin") as client:
        for verb in (*DECODE, *QUERIES, "node.status"):
            assert await fuzz(client, subjects.api("evil", verb)) == [], verb
        for verb in (*QUERIES, "drain"):
            assert await fuzz(client, subjects.node("paris", "evil", verb)) == [], verb


@pytest.mark.parametrize("leaf", [False, True], ids=["direct", "leaf"])
async def test_a_malformed_request_to_a_node_is_an_error_and_nothing_else(tmp_path, leaf):
    """From a gateway or its leaf node, to the primary or a follower."""
    async with fuzzing(tmp_path, "gateway", leaf=leaf) as client:
        for node in ("hub", "paris"):
            for verb in ASKED:
                assert await fuzz(client, subjects.node(node, "evil", verb)) == [], (node, verb)
            for verb in TOLD:
                assert await tell(client, subjects.node(node, "evil", verb)) == [], (node, verb)


async def test_a_malformed_question_about_sessions_or_report_is_refused(tmp_path):
    """Sessions are found as before, in the reports that are some."""
    async with keepers.site(tmp_path) as site, site.keeper():
        user = credentials.read(site.server.credentials_file)
        port = int(site.server.url.rpartition(":")[2])
        login = {"user": user.id, "pass": user.secret}
        async with await WireClient.open(port, **login) as client:
            await client.subscribe(INBOX)
            for verb in SESSION_VERBS:
                assert await fuzz(client, subjects.api("evil", verb)) == [], verb
            assert await tell(client, subjects.stats("evil")) == []

        await Teller(site.client, "gw1").tell(key("alice"))

        (edge,) = await site.edges(1)
        assert (edge["event"], edge["peer"]) == ("begin", key("alice"))
