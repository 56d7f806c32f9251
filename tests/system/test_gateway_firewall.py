"""Every ruleset that there can be is one that nft takes."""

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from tests.lab import Internet, need
from wig.device import FirewallConfig, Sources
from wig.linux import firewall

KEYWORDS = ["ip", "ip6", "tcp", "meta", "drop", "accept", "fwd", "set", "table", "a.b", "x-", "A_1"]
names = st.sampled_from(KEYWORDS) | st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,14}", fullmatch=True)
ranges = st.sampled_from(
    [
        *("10.0.0.0/8", "10.0.0.0/24", "10.0.0.7", "10.0.0.8/29", "0.0.0.0/0", "255.255.255.255"),
        *("fd00::/64", "fd00::/8", "fd00::7", "::/0", "::1.2.3.4", "::ffff:1.2.3.4", "ff02::1"),
    ]
)
sources = st.builds(
    Sources,
    name=names,
    ranges=st.lists(ranges, max_size=6).map(tuple),
    isolated=st.booleans(),
)
configs = st.lists(sources, max_size=4, unique_by=lambda each: each.name).map(
    lambda found: FirewallConfig(interfaces=tuple(found))
)


def test_nft_takes_every_ruleset():
    """Names that are keywords, ranges that overlap, families that are missing."""
    need()
    with Internet() as net:
        host = net.host("gateway")

        @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
        @given(configs)
        def check(config):
            host.run("nft", "--check", "--file", "-", stdin=firewall.ruleset(config))

        check()


def test_a_table_is_replaced_as_a_whole():
    """By one that is wrong it is not replaced at all."""
    need()
    config = FirewallConfig(interfaces=(Sources(name="wg0", ranges=("10.0.0.0/24",)),))
    with Internet() as net:
        host = net.host("gateway")
        for _ in range(2):
            host.run("nft", "--file", "-", stdin=firewall.ruleset(config))
        before = host.out("nft", "list", "ruleset")

        wrong = firewall.ruleset(config).replace("masquerade", "nonsense")
        assert host.run("nft", "--file", "-", stdin=wrong, check=False).returncode != 0

        assert host.out("nft", "list", "ruleset") == before
        assert before.count("masquerade") == 1
