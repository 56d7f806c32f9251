"""What most of these tests need: a server, and a primary on it."""

import pytest

from tests import buses, replicas


@pytest.fixture
async def server(tmp_path):
    """A nats-server that comes back when it is killed."""
    async with buses.nats(tmp_path) as running:
        yield running


@pytest.fixture
async def hub(server, tmp_path):
    """A primary with one interface."""
    async with replicas.primary(server, tmp_path / "hub.db") as running:
        await running.interface()
        yield running
