"""What several of these tests decide in."""

import pytest

from tests.builders import create_interface, create_peer
from tests.gateways import Follower
from tests.sinks import WG0, A
from tests.world import World


@pytest.fixture
def world() -> World:
    """Two interfaces; `ada` has a range in wg0 and one outside, `bob` is in wg1."""
    return World(
        create_interface("wg0"),
        create_interface("wg1", port=51821, addresses=("10.1.0.1/24",)),
        create_interface("bare", port=51822, addresses=()),
        create_peer("ada", name="Ada", ip="10.0.0.24/29", ip6="fd00::200/120"),
        create_peer("site", ip="192.168.7.0/24", ip6=None, outside_pool=True),
        create_peer("bob", interface="wg1"),
    )


@pytest.fixture
def follower(tmp_path):
    """A gateway that has loaded one interface with one peer."""
    made = Follower(tmp_path)
    made.load(WG0, A)
    return made
