"""Ways out and rate limits as an operator asks for them; the host is as it was afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import key
from tests.eventually import eventually_sync
from tests.lab.footprint import footprint
from tests.lab.host import Host
from tests.lab.internet import Internet
from tests.lab.need import need
from tests.program import WIG, Up

FOLLOW_S_MAX = 20.0


@pytest.fixture
def host() -> Iterator[Host]:
    """A host with two uplinks, and an operator's own rules on it."""
    need()
    with Internet() as net:
        host = net.host("host", "world", "uplink")
        host.run("nft", "add table inet mine; add chain inet mine here")
        host.run("ip", "rule", "add", "fwmark", "7", "lookup", "77", "priority", "8700")
        host.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/uplink/rp_filter")
        yield host


def way(host: Host) -> str:
    """Return an egress by the second uplink."""
    via = host.addresses["uplink"][0].rpartition(".")[0] + ".200"
    return f"wg0=device:uplink,via:{via},table:100,nat6:none"


def ours(host: Host) -> tuple[bool, bool, bool]:
    """Say whether rule, route and limit are there."""
    return (
        "lookup 100 proto 87" in host.out("ip", "rule"),
        "default via" in host.out("ip", "route", "show", "table", "100"),
        "rate over 1250000 bytes/second" in host.out("nft", "list", "ruleset"),
    )


def test_up_leaves_the_host_as_it_was(host: Host, tmp_path: Path):
    """With an egress from its file of settings, and a limited peer."""
    before = footprint(host)
    settings = tmp_path / "wig.toml"
    settings.write_text(f'egress = ["{way(host)}"]\nisolation = false\n')

    with Up(tmp_path / "state", "--down-on-exit", "--config", str(settings), host=host) as up:
        words = ("--public-key", key("a"), "--rate-limit", "10M", "--output", "json", "--wait", "1")
        made = up.wig("peer", "create", "wg0", *words).document
        assert ours(host) == (True, True, True)
        assert 'iifname "wg0" oifname "wg0" accept' in host.out("nft", "list", "ruleset")
        up.wig("peer", "update", key("a"), "--rate-limit", "none", "--wait", "1")
        assert ours(host) == (True, True, False)

    assert made["peer"]["rate_limit"] == 10_000_000
    assert footprint(host) == before


def test_a_gateway_leaves_the_host_as_it_was(host: Host, tmp_path: Path):
    """With an egress from its environment, and after a crash."""
    with Up(tmp_path / "state", "--no-gateway", host=host) as up:
        before = footprint(host)
        up.wig("peer", "create", "wg0", "--public-key", key("a"), "--rate-limit", "10M")
        token = up.state_dir / "nats" / "credentials.json"
        where = ("--server", up.ready["server"], "--token-file", str(token))
        command = ["env", f"WIG_EGRESS={way(host)}", *WIG, "gateway", "--name", "gw1", *where]
        command += ["--follow", "primary", "--metrics-addr", "none", "--down-on-exit"]
        with host.spawn(*command) as gateway:
            wanted = (True, True, True)
            eventually_sync(lambda: ours(host) == wanted, "the gateway to be there", FOLLOW_S_MAX)
            gateway.kill()
            gateway.wait()
        with host.spawn(*command) as gateway:
            eventually_sync(
                lambda: up.wig("status").code == 0, "the gateway to be there again", FOLLOW_S_MAX
            )
            assert gateway.stop() == 0

        assert footprint(host) == before
