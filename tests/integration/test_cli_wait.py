"""`--wait`, `--node`, and the tree in `wig status`, as their users meet them."""

import asyncio

import pytest

from tests import builders
from tests.program import Done, wig
from tests.replicas import StateSink, converged, downstream
from tests.trees import follower, reached


@pytest.fixture
def run(server, tmp_path):
    """Run a command as an admin on that server."""
    bus = ("--server", server.url, "--token-file", str(server.credentials_file))

    async def run(*words: str) -> Done:
        return await asyncio.to_thread(
            wig, tmp_path / "state", *words, *bus, "--identity", "admin", "--output", "json"
        )

    return run


def create(seed: str, *words: str) -> tuple[str, ...]:
    return ("peer", "create", "wg0", "--public-key", builders.key(seed), *words)


async def test_wait_returns_when_the_gateways_have_it(server, hub, run):
    """All that the primary knows, or so many."""
    first, second = StateSink(), StateSink()
    async with downstream(server, first, "gw1"), downstream(server, second, "gw2"):
        for sink in (first, second):
            await converged(sink, hub)

        done = await run(*create("a", "--wait", "all"))
        assert (done.code, done.err) == (0, "")
        assert {sink.where.seq for sink in (first, second)} == {done_seq(done)}
        assert (await run(*create("b", "--wait", "2"))).code == 0

        late = await run(*create("c", "--wait", "3", "--timeout", "1"))
        assert late.code == 1
        assert late.document["peer"]["public_key"] == builders.key("c"), (
            "it is created all the same"
        )
        assert late.error["code"] == "not_applied"
        assert "2 of 3" not in late.error["message"]


def done_seq(done: Done) -> int:
    return int(done.document["peer"]["revision"].partition(":")[2])


async def test_wait_names_who_has_not_applied_it(server, hub, run):
    """A gateway that is gone is still expected."""
    first, second = StateSink(), StateSink()
    async with downstream(server, first, "gw1"):
        async with downstream(server, second, "gw2"):
            for sink in (first, second):
                await converged(sink, hub)

        done = await run(*create("a", "--wait", "all", "--timeout", "1"))

        assert done.code == 1
        assert "1 of 2 gateways have applied it: not gw2" in done.error["message"]
        status = await run("status")
        lags = {one["name"]: one for one in status.document["nodes"]}
        assert lags["gw2"]["lag_entries"] >= 1
        assert lags["gw2"]["lag_s"] > 0
        assert lags["gw2"]["behind_since"]
        assert lags["gw1"]["behind_since"] is None


async def test_wait_wants_a_number_or_all(run):
    """Nothing is done for a wrong one."""
    done = await run(*create("a", "--wait", "0"))

    assert done.code == 2
    assert "neither all nor a number from 1 on" in done.error["message"]


async def test_a_follower_is_asked_by_name(server, hub, run, tmp_path):
    """It answers reads and its status, and sends commands to the primary."""
    async with follower(server, tmp_path / "paris.db", "paris") as paris:
        await reached(paris, hub)

        shown = await run("interface", "list", "--node", "paris")
        refused = await run(*create("a", "--node", "paris"))
        status = await run("status", "--node", "paris")

    assert [one["name"] for one in shown.document["interfaces"]] == ["wg0"]
    assert (refused.code, refused.error["code"]) == (1, "read_only")
    assert [one["name"] for one in status.document["nodes"]] == ["paris"]
