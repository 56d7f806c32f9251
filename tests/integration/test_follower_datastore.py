"""Follower datastores: databases that follow, and are followed."""

import pytest

from bridge import subjects, wire
from tests import replicas
from tests.eventually import eventually
from tests.replicas import StateSink, converged, downstream
from tests.trees import follower, published, reached
from wig import codec, errors
from wig.replication import AttachRequest, Refused


@pytest.fixture
async def hub(hub):
    """With a peer."""
    await hub.peer()
    return hub


async def test_an_empty_follower_gets_everything_and_keeps_it(server, hub, tmp_path):
    """A snapshot at first, then entries; and after a restart only the entries it lacks."""
    db = tmp_path / "paris.db"
    async with follower(server, db, "paris") as paris:
        await reached(paris, hub)
        generation = paris.node.datastore.generation
        await hub.peer()
        await reached(paris, hub)
    await hub.peers(2000)

    async with follower(server, db, "paris") as paris:
        await reached(paris, hub)
        assert paris.node.datastore.generation == generation, "its stream goes on as well"


async def test_its_stream_has_the_same_bytes_sequences_and_digests(server, hub, tmp_path):
    """From where its log begins."""
    async with follower(server, tmp_path / "paris.db", "paris") as paris:
        await reached(paris, hub)
        for _ in range(5):
            await hub.peer()
        await reached(paris, hub)

        streams = paris.node.publisher._streams
        seen = await streams.look(paris.node.publisher.generation)
        assert (seen.first, seen.last) == (3 + 1, hub.position.seq)
        for seq in range(seen.first, seen.last + 1):
            digest = await streams.digest(paris.node.publisher.generation, seq)
            assert digest == await hub.it.node.digest_at(seq)


async def test_a_tree_of_three_levels_converges(server, hub, tmp_path):
    """A follower of a follower, and a gateway of that."""
    sink = StateSink()
    async with (
        follower(server, tmp_path / "a.db", "a") as a,
        follower(server, tmp_path / "b.db", "b", "a") as b,
        downstream(server, sink, "gw1", upstream="b"),
    ):
        await converged(sink, hub)
        await hub.peers(1000)

        for node in (a, b):
            await reached(node, hub)
        await converged(sink, hub)
        assert sink.loads == 1
        assert b.root().path == ("hub", "a", "b")
        await eventually(b.confirmed, "it to be confirmed")


async def test_status_shows_the_whole_tree(server, hub, tmp_path):
    """Reports travel up."""
    sink = StateSink()
    async with (
        follower(server, tmp_path / "a.db", "a") as a,
        follower(server, tmp_path / "b.db", "b", "a"),
        downstream(server, sink, "gw1", upstream="b"),
    ):
        await hub.peer()
        await converged(sink, hub)

        async def seen():
            nodes = (await hub.client.query("node.status")).ok["nodes"]
            lines = [(one["name"], one.get("upstream", ""), one["lag_entries"]) for one in nodes]
            return lines == [("hub", "", 0), ("a", "hub", 0), ("b", "a", 0), ("gw1", "b", 0)]

        await eventually(seen, "the tree in the primary's status")
        below = (await hub.client.query_node("a", "status")).ok["nodes"]
        assert [one["name"] for one in below] == ["a", "b", "gw1"]
        assert below[0]["role"] == "follower"
        assert a.status().problems == ()


async def test_a_status_that_is_too_large_costs_nobody_the_connection(server, hub):
    """The server would hang up on who sends it."""
    large = ("x" * (2 << 20),)

    async def refused():
        for name in ("a", "b"):
            report = wire.Report(
                node=name, instance=name, role="follower", version="1", upstream="hub",
                problems=large,
            )  # fmt: skip
            await buses[name].publish(subjects.node("hub", name, "report"), codec.encode(report))
        try:
            await hub.client.query("node.status")
        except errors.TooLarge:
            return True

    fell = []
    hub.it.node.bus.on_down(lambda: fell.append(1))
    async with replicas.bus(server, "a") as a, replicas.bus(server, "b") as b:
        buses = {"a": a, "b": b}
        await eventually(refused, "both to be known")
    assert not fell


async def test_a_follower_answers_reads_and_refuses_commands(server, hub, tmp_path):
    """With an error that names the primary."""
    async with follower(server, tmp_path / "a.db", "a") as a:
        await reached(a, hub)
        await eventually(a.root, "it to know the primary")

        reply = await hub.client.query_node("a", "peer.list")
        assert len(reply.ok["peers"]) == 1
        with pytest.raises(errors.ReadOnly, match="'a' is a follower") as raised:
            await hub.client.query_node("a", "peer.delete", {"public_key": "x"})
        assert "'hub'" in raised.value.hint


async def test_a_stream_that_is_lost_at_the_primary_needs_no_snapshot_below(server, hub, tmp_path):
    """It is published again as it was, and the follower's own stream goes on."""
    sink = StateSink()
    async with (
        follower(server, tmp_path / "a.db", "a") as a,
        downstream(server, sink, "gw1", upstream="a"),
        replicas.bus(server, "admin") as admin,
    ):
        await converged(sink, hub)
        await reached(a, hub)
        generation, epoch = a.node.publisher.generation, hub.position.epoch

        await admin.request(f"$JS.API.STREAM.DELETE.{hub.it.node.stream().name}", timeout_s=5)
        await hub.peer()

        await converged(sink, hub)
        await reached(a, hub)
        assert hub.position.epoch == epoch
        assert a.node.publisher.generation == generation
        assert sink.loads == 1


async def test_a_stream_that_is_lost_at_a_follower_is_made_again(server, hub, tmp_path):
    """In a new generation of the same epoch: a follower never begins one."""
    sink = StateSink()
    async with (
        follower(server, tmp_path / "a.db", "a") as a,
        downstream(server, sink, "gw1", upstream="a"),
        replicas.bus(server, "admin") as admin,
    ):
        await converged(sink, hub)
        epoch = hub.position.epoch

        await admin.request(f"$JS.API.STREAM.DELETE.{a.node.stream().name}", timeout_s=5)
        await hub.peer()

        await converged(sink, hub, 20)
        assert published(a).epoch == epoch
        assert sink.loads == 1


async def test_a_loop_is_refused(server, hub, tmp_path):
    """A node does not follow those that follow it; it keeps what it has, and says why."""
    async with follower(server, tmp_path / "a.db", "a") as a:
        await reached(a, hub)
        async with follower(server, tmp_path / "b.db", "b", "a") as b:
            await reached(b, hub)
            await eventually(b.root, "b to know the root")
            kept = published(a)

            async with follower(server, tmp_path / "copy.db", "hub2", "b") as other:
                await reached(other, hub)
            asked = b.node.attachments.decide("hub", request("hub"))
            assert isinstance(await asked, Refused)
            assert (
                "'hub' is upstream of 'b': hub → a → b"
                in (await b.node.attachments.decide("hub", request("hub"))).error.message
            )
    assert published(a) == kept


def request(node: str) -> AttachRequest:
    return AttachRequest(
        node=node, instance="i1", kind="follower", version="1", inbox=f"_INBOX.{node}.x"
    )


async def test_two_empty_nodes_that_follow_each_other_say_what_they_wait_for(server, tmp_path):
    """Nobody knows of a primary, so no path shows the loop; their status shows it."""
    async with (
        follower(server, tmp_path / "a.db", "a", "b") as a,
        follower(server, tmp_path / "b.db", "b", "a") as b,
    ):

        def told() -> bool:
            problems = [*a.status().problems, *b.status().problems]
            waits = "does not follow {}: this node holds nothing yet"
            return {waits.format("a"), waits.format("b")} <= set(problems)

        await eventually(told, "both to say so", 10)


async def test_a_command_during_a_reconnect_ends_nothing(server, tmp_path):
    """The refusal of a follower is lost with the connection, and that is all."""
    async with follower(server, tmp_path / "paris.db", "paris", "away") as paris:
        await server.stop()
        await eventually(lambda: not paris.node.bus.up, "the connection to break")

        paris._refuse("admin", "peer.create", b"{}", "_INBOX.admin.x")
