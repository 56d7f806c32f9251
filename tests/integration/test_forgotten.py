"""Who is gone for good leaves the status; who is merely silent does not."""

from dataclasses import replace

import pytest

from bridge import reports, status
from tests.eventually import eventually
from tests.guarded import gateway, guarded


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Silence is noticed sooner."""
    for module in (reports, status):
        monkeypatch.setattr(module, "SILENT_S", 0.2)


def silent(hub):
    """Return the names of the gateways that are not heard of."""
    nodes = hub.primary.node.status.nodes()
    return {one.name for one in nodes if any("not heard of" in told for told in one.problems)}


def shown(hub):
    return {one.name for one in hub.primary.node.status.nodes() if one.role == "gateway"}


async def test_a_silent_gateway_without_its_token_is_forgotten(tmp_path):
    """Deleting the token of a host that is gone for good is enough; nobody else is forgotten."""
    async with guarded(tmp_path) as hub:
        for name in ("gw1", "gw2"):
            async with gateway(hub, hub.options(await hub.token(name, "gateway"))):
                await eventually(lambda n=name: f"{n}-gateway" in shown(hub), "it reports")
        await eventually(lambda: silent(hub) == {"gw1-gateway", "gw2-gateway"}, "both are silent")

        await hub.delete("gw1")

        await eventually(lambda: shown(hub) == {"gw2-gateway"}, "it is forgotten")
        assert silent(hub) == {"gw2-gateway"}


async def test_a_silent_gateway_that_never_had_a_token_stays(tmp_path):
    """That of `wig up` comes without one: its silence is trouble."""
    async with guarded(tmp_path) as hub:
        await hub.token("other", "gateway")
        async with gateway(hub, replace(hub.options(hub.keys.bus), identity="local")):
            await eventually(lambda: "local-gateway" in shown(hub), "it reports")
        await eventually(lambda: silent(hub) == {"local-gateway"}, "it is silent")

        await hub.delete("other")

        tokens = hub.primary.node.reports._tokens
        await eventually(lambda: "other" not in tokens(), "the deletion is known")
        assert shown(hub) == {"local-gateway"}


async def test_a_gateway_with_a_new_token_of_the_same_name_is_shown(tmp_path):
    """It was forgotten, and is back."""
    async with guarded(tmp_path) as hub:
        async with gateway(hub, hub.options(await hub.token("gw1", "gateway"))):
            await eventually(lambda: shown(hub) == {"gw1-gateway"}, "it reports")
        await hub.delete("gw1")
        await eventually(lambda: shown(hub) == set(), "it is forgotten")

        async with gateway(hub, hub.options(await hub.token("gw1", "gateway"))):
            await eventually(lambda: shown(hub) == {"gw1-gateway"}, "it is back")
