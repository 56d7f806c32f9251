"""The command service: bad requests, repeats, strangers, and crowds."""

import asyncio
import logging
import threading

import pytest
import pytest_asyncio

from bridge import wire
from bridge.connection import NoAnswer, NoResponders
from tests.builders import key
from tests.buses import admin, connected, create_interface, create_peer, nats, primary
from tests.eventually import eventually
from wig import codec, errors
from wig.commands import DeletePeer, ImportPeers, PeerSpec

# One primary for all: each test has objects of its own.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory):
    """A primary with one interface, for all tests here."""
    directory = tmp_path_factory.mktemp("hub")
    async with nats(directory) as server, primary(directory, server) as found:
        async with admin(server) as client:
            await client.command("interface.create", create_interface())
        found.server = server
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def bus(running):
    async with connected(running.server) as connection:
        yield connection


@pytest_asyncio.fixture(loop_scope="module")
async def client(running):
    async with admin(running.server) as found:
        yield found


async def ask(bus, verb, payload):
    """Send raw bytes, and return the decoded answer."""
    answer = await bus.request(f"wig.api.admin.{verb}", payload, timeout_s=5)
    return wire.decode_reply(answer.data)


@pytest.mark.parametrize(
    ("verb", "payload", "field", "message"),
    [
        pytest.param("peer.create", b"", None, "truncated", id="empty"),
        pytest.param("peer.create", b"{", None, "truncated", id="cut off"),
        pytest.param("peer.create", b"\xff\xfe", None, "", id="not text"),
        pytest.param("peer.create", b"[1]", None, "Expected `object`", id="not an object"),
        pytest.param("peer.create", b"{}", "interface", "missing", id="without a field"),
        pytest.param(
            "peer.create",
            b'{"interface":"wg0","public_key":"x","adress":"10.0.0.2"}',
            "adress",
            "unknown",
            id="a misspelt field",
        ),
        pytest.param(
            "peer.create", b'{"interface":1,"public_key":"x"}', "interface", "Expected `str`",
            id="a wrong type",
        ),
        pytest.param("peer.create", b"[" * 100_000, None, "", id="very deep"),
        pytest.param("interface.list", b'{"all":true}', "all", "unknown", id="in a query"),
        pytest.param("peer.list", b'{"limit":0}', "limit", "'0' is not 1–5000", id="no limit"),
        pytest.param("node.status", b"[]", None, "Expected `object`", id="in a status query"),
    ],
)  # fmt: skip
async def test_malformed_request_is_one_clear_error(bus, verb, payload, field, message):
    """The answer names the field and the rule, and comes at once."""
    reply = await ask(bus, verb, payload)

    assert reply.error.code == "invalid"
    assert reply.error.field == field
    assert message in reply.error.message


async def test_unknown_verb_is_an_error(bus):
    """A verb that the primary does not know is answered, not swallowed."""
    reply = await ask(bus, "peer.paint", b"{}")

    assert reply.error.code == "unsupported"
    assert "'peer.paint'" in reply.error.message


async def test_foreign_nouns_are_left_to_others(bus):
    """What another process answers, the primary does not."""
    with pytest.raises(NoResponders):
        await ask(bus, "session.list", b"{}")


async def test_nothing_changes_by_a_refused_command(bus, client):
    """The log does not grow by what was refused."""
    before = (await client.query("log.list", {"limit": 1})).position

    await ask(bus, "peer.create", b'{"interface":"none","public_key":"x"}')

    assert (await client.query("log.list", {"limit": 1})).position == before


@pytest.mark.parametrize(
    "reply",
    [
        "wig.api.root.peer.create",
        "_INBOX.eve.1",
        "_INBOX.admin",
        "_INBOX.admin.",
        "_INBOX.adminx.1",
    ],
)
async def test_answer_goes_to_the_sender_only(bus, running, reply, caplog):
    """A reply subject that is not the sender's inbox is refused and logged: nothing is sent."""
    heard = []

    async def hear(message):
        heard.append(message.subject)

    subscription = await bus.subscribe(">", hear)
    with caplog.at_level(logging.WARNING, "bridge.api"):
        await bus.publish("wig.api.admin.interface.list", b"{}", reply=reply)
        await eventually(lambda: caplog.records, "the refusal is logged")
    await ask(bus, "interface.list", b"{}")
    await subscription.stop()

    assert reply not in heard
    assert all(record.reply == reply for record in caplog.records)


async def test_identity_of_the_subject_is_the_actor(running):
    """Whoever the subject names is written into the log, and gets the answer."""
    async with admin(running.server, "ops-2") as ops:
        reply = await ops.command("peer.create", create_peer("ops"))
        entry = (await ops.query("log.list", {"after": reply.position.seq - 1})).ok["entries"][0]

    assert entry["actor"] == "ops-2"


async def test_log_is_asked_for_some_ops_only(client):
    """Whoever waits for deletions is not sent everything else, and still knows where it is."""
    named = create_peer("gone", description='"do":"peer.delete"')
    first = (await client.command("peer.create", named)).position
    command = DeletePeer(public_key=named.public_key)
    last = (await client.command("peer.delete", command)).position

    asked = {"after": first.seq - 1, "do": ["peer.delete", "interface.delete"]}
    page = (await client.query("log.list", asked)).ok

    assert [entry["seq"] for entry in page["entries"]] == [last.seq]
    assert page["first"] == {"seq": first.seq, "digest": first.digest}
    assert page["last"] == {"seq": last.seq, "digest": last.digest}


async def test_repeat_after_a_lost_answer_is_the_same_answer(bus, client):
    """A command whose answer was lost is not done twice; the repeat gets the true outcome."""
    command = create_peer("lost", request="0123-lost")
    await bus.publish(
        "wig.api.admin.peer.create", codec.encode(command), reply="_INBOX.admin.nobody"
    )

    reply = await client.command("peer.create", command)

    assert reply.ok["peer"]["public_key"] == key("lost")
    assert "unchanged" not in reply.ok
    assert (await client.command("peer.create", command)).position == reply.position


async def test_errors_are_repeated_too(client):
    """The recorded outcome of a request that failed stays a failure."""
    command = create_peer("late", interface="wg9", request="0123-late")
    for _ in range(2):
        with pytest.raises(errors.NotFound, match="wg9"):
            await client.command("peer.create", command)


async def test_one_bad_command_does_not_spoil_its_group(client):
    """Commands of one moment share a transaction, and fail alone."""
    good = [client.command("peer.create", create_peer(("crowd", n))) for n in range(50)]
    bad = [client.command("peer.create", create_peer("bad", interface="wg9")) for _ in range(5)]

    results = await asyncio.gather(*good, *bad, return_exceptions=True)

    assert [type(result) for result in results] == [wire.Reply] * 50 + [errors.NotFound] * 5


async def test_import_is_all_or_nothing(client):
    """One bad peer in the middle refuses the whole command, and says which."""
    specs = [PeerSpec(interface="wg0", public_key=key(("import", n))) for n in range(100)]
    specs[50] = PeerSpec(interface="wg0", public_key="short")

    with pytest.raises(errors.Invalid, match=r"peers\[50\]"):
        await client.command("peer.import", ImportPeers(peers=tuple(specs)))

    with pytest.raises(errors.NotFound):
        await client.query("peer.show", {"public_key": key(("import", 0))})


async def test_too_large_a_command_is_not_sent(client):
    """The client refuses what the server would close the connection for; it stays usable."""
    specs = tuple(
        PeerSpec(interface="wg0", public_key=key(n), description="x" * 1000) for n in range(4000)
    )

    with pytest.raises(errors.TooLarge, match="bytes are more than 3145728"):
        await client.command("peer.import", ImportPeers(peers=specs))

    assert (await client.query("interface.list")).ok["interfaces"]


async def test_too_large_an_answer_is_an_error(client):
    """A page that does not fit into a message says so; the primary's connection stays."""
    specs = [
        PeerSpec(interface="wg0", public_key=key(("wide", n)), description="x" * 1000)
        for n in range(3000)
    ]
    for start in range(0, 3000, 500):
        await client.command("peer.import", ImportPeers(peers=tuple(specs[start : start + 500])))

    with pytest.raises(errors.TooLarge, match="the answer would be too large"):
        await client.query("peer.list", {"limit": 5000})

    page = (await client.query("peer.list", {"limit": 1000})).ok
    assert len(page["peers"]) == 1000
    assert page["next"] == page["peers"][-1]["public_key"]


async def test_secrets_come_only_when_asked_for(client):
    """Without `secrets` no query shows a key; with it, the interface's is there."""
    plain = (await client.query("interface.show", {"name": "wg0"})).ok
    open_ = (await client.query("interface.show", {"name": "wg0", "secrets": True})).ok
    private = open_["interface"]["private_key"]

    assert "private_key" not in plain["interface"]
    assert len(private) == 44
    for verb in ("interface.list", "log.list"):
        assert private not in str((await client.query(verb)).ok)
    assert private in str((await client.query("log.list", {"secrets": True})).ok)


async def test_status_tells_of_the_primary(client, running):
    """The first node is the one that answers, where it is, and that it keeps up."""
    reply = await client.query("node.status")
    here = await client.query_node("hub", "status")
    first = reply.ok["nodes"][0]

    assert first["name"] == "hub"
    assert first["role"] == "primary"
    assert first["instance"] == running.primary.me.instance
    assert first["lag_entries"] == 0
    assert first["head"] == first["position"]["seq"]
    assert here.ok["nodes"][0]["instance"] == first["instance"]


async def test_nodes_take_no_commands(bus):
    """A node's own subjects answer reads; commands go to the primary's."""
    answer = await bus.request("wig.node.hub.admin.interface.list", b"{}", timeout_s=5)
    assert wire.unpack(answer.data).ok["interfaces"]

    with pytest.raises((NoResponders, NoAnswer)):
        await bus.request("wig.node.hub.admin.peer.create", b"{}", timeout_s=0.2)


async def test_crowd_is_refused_beyond_the_limit(client, running, monkeypatch):
    """More than fits is refused before anything happens, and the rest is done."""
    monkeypatch.setattr("bridge.commands.WAITING_MAX", 10)
    monkeypatch.setattr("bridge.client.ABSENT_S", 0.0)
    busy = threading.Event()
    running.primary.node.writer.call(busy.wait)  # it ends below
    asked = [
        asyncio.create_task(client.command("peer.create", create_peer(("many", n))))
        for n in range(300)
    ]
    await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    busy.set()

    results = await asyncio.gather(*asked, return_exceptions=True)

    refused = [result for result in results if isinstance(result, errors.Unavailable)]
    assert refused
    assert all("too many commands" in error.message for error in refused)
    assert len(refused) + sum(isinstance(result, wire.Reply) for result in results) == 300
