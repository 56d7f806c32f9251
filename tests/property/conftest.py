"""The simulated tree that stories begin with."""

import pytest

from tests.property.replication_world import World


@pytest.fixture
def world() -> World:
    """Return a tree at rest, with a few entries."""
    return World.at_rest()
