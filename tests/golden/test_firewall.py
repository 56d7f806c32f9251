"""The ruleset that nft reads (nft(8), libnftables 1.0.6), whole."""

from pathlib import Path

import pytest

from wig.device import FirewallConfig, Sources
from wig.linux import firewall

FOLDER = Path(__file__).parent

NOTHING = FirewallConfig(interfaces=())
ONE = FirewallConfig(interfaces=(Sources(name="wg0", ranges=("10.0.0.0/24", "fd00::/64")),))
MANY = FirewallConfig(
    interfaces=(
        Sources(name="a.b-c_d", ranges=("10.0.0.0/24", "192.168.7.0/24", "192.168.8.8")),
        Sources(name="open", ranges=("10.1.0.0/16", "fd01::/64", "fd77::5"), isolated=False),
        Sources(name="fwd", ranges=()),
    )
)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        pytest.param(NOTHING, "nothing", id="nothing"),
        pytest.param(ONE, "one", id="one"),
        pytest.param(MANY, "many", id="many"),
    ],
)
def test_a_ruleset_is_written(config, name):
    """Byte for byte: a change here is a change of what passes on every gateway."""
    assert firewall.ruleset(config) == (FOLDER / f"{name}.nft").read_text()
