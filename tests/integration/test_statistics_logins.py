"""A gateway's reports with the rights of a token, directly and from behind a leaf node."""

from contextlib import asynccontextmanager

import pytest

from tests import builders
from tests.eventually import eventually
from tests.guarded import guarded
from tests.reporting import Devices, Stream, reporting

A = builders.key("a")


@pytest.fixture
def devices():
    return Devices()


@asynccontextmanager
async def directly(hub, token):
    yield hub.options(token)


@asynccontextmanager
async def through_a_leaf(hub, token):
    async with hub.leaf("gw1", token=token) as (_, options):
        yield options


@pytest.mark.parametrize("way", [directly, through_a_leaf])
async def test_a_gateways_token_is_enough(tmp_path, devices, way):
    """Also through a leaf node without JetStream: the acknowledgement comes back."""
    devices.set(A, 1)
    async with (
        guarded(tmp_path) as hub,
        hub.connected(hub.options(hub.keys.bus)) as bus,
        way(hub, await hub.token("gw1", "gateway")) as options,
        hub.connected(options) as own,
    ):
        stream = await Stream(bus, "hub").create()
        async with reporting(own, devices) as it:
            await stream.has(**{A: (1, "")})
            assert it.error is None


async def test_a_token_of_another_role_is_refused_and_said(tmp_path, devices):
    """The gateway goes on."""
    async with guarded(tmp_path) as hub, hub.connected(hub.options(hub.keys.bus)) as bus:
        await Stream(bus, "hub").create()
        token = await hub.token("gw1", "follower")
        async with hub.connected(hub.options(token)) as own, reporting(own, devices) as it:
            (problem,) = await eventually(it.problems, "the backlog to be late")
            assert "wig.stats.gw1" in problem or "permission" in problem.lower()
            assert it.sent == 0
