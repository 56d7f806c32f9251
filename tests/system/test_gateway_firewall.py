"""Every ruleset that there can be is one that nft takes."""

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from tests import builders
from tests.lab import Internet, PacketStream, need
from tests.lab.remote_host import RemoteHost
from tests.lab.stream import NOTHING
from wig import plan
from wig.checks import RATE_LIMIT_MAX, RATE_LIMIT_MIN
from wig.device import FirewallConfig, HostConfig, Limit, Sources
from wig.egress import Egress
from wig.linux import firewall
from wig.steps import LoadFirewall, SetLimits

KEYWORDS = ["ip", "ip6", "tcp", "meta", "drop", "accept", "fwd", "set", "table", "a.b", "x-", "A_1"]
names = st.sampled_from(KEYWORDS) | st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,14}", fullmatch=True)
ranges = st.sampled_from(
    [
        *("10.0.0.0/8", "10.0.0.0/24", "10.0.0.7", "10.0.0.8/29", "0.0.0.0/0", "255.255.255.255"),
        *("fd00::/64", "fd00::/8", "fd00::7", "::/0", "::1.2.3.4", "::ffff:1.2.3.4", "ff02::1"),
    ]
)
egresses = st.builds(
    Egress,
    interface=st.just("any"),
    device=st.none() | st.sampled_from(["eth0.7", "ppp0", "drop", "a-b@c", "br_1+"]),
    mark=st.sampled_from([0, 1, 0x64, 0xFFFFFFFF]),
    source=st.none() | st.just("203.0.113.7"),
    source6=st.none() | st.just("2001:db8::7"),
    nat=st.booleans(),
    nat6=st.booleans(),
)
sources = st.builds(
    Sources,
    name=names,
    ranges=st.lists(ranges, max_size=6).map(tuple),
    isolated=st.booleans(),
    egress=st.none() | egresses,
)
APART = [
    *(
        "10.0.0.7",
        "10.0.0.8/29",
        "10.0.0.16",
        "10.0.0.17",
        "10.0.0.18/31",
        "10.0.0.20/30",
        "128.0.0.0/1",
    ),
    *(
        "fd00::7",
        "fd00::8/125",
        "fd00::10",
        "fd00::12/127",
        "fd00::14/126",
        "::/3",
        "fd01::/64",
        "2000::/3",
    ),
]
rates = st.integers(RATE_LIMIT_MIN, RATE_LIMIT_MAX) | st.sampled_from([8192, 8 << 20, 8 << 30])


@st.composite
def limits(draw):
    """Return limits of peers that share no address."""
    owners = draw(st.dictionaries(st.sampled_from(APART), st.integers(0, 5)))
    found: dict[str, Limit] = {}
    for text, owner in owners.items():
        before = found.get(builders.key(owner), Limit(draw(rates), ()))
        found[builders.key(owner)] = Limit(before.rate, (*before.ranges, text))
    return found


interfaces = st.lists(sources, max_size=4, unique_by=lambda each: each.name).map(tuple)
configs = st.builds(FirewallConfig, interfaces=interfaces, limits=limits())


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


def test_limits_are_in_the_kernel_as_they_were_set():
    """Whatever they were before; and the next look finds them there."""
    need()
    with Internet() as net, RemoteHost(net.host("gateway"), "userspace") as host:

        @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(configs, st.lists(limits(), max_size=3))
        def check(config, later):
            host.perform(LoadFirewall(config=config))
            for wanted in later:
                for step in firewall_steps(replace(config, limits=wanted), host.observe([])):
                    assert isinstance(step, SetLimits)
                    host.perform(step)
            # Another program's transaction makes it look at what is there.
            host.host.run("nft", "add table inet other; delete table inet other")
            expected = replace(config, limits=later[-1]) if later else config
            assert host.observe([]).firewall == expected

        check()


def firewall_steps(config, observed):
    """Return the steps to a table that has this configuration."""
    wanted = HostConfig(interfaces={}, firewall=config, sysctls={})
    return plan.plan(wanted, observed)


def test_a_table_that_is_replaced_costs_no_packet(gateway, tunnel, server, tmp_path):
    """Hundreds of times, each time with other ranges, under a stream that passes it."""
    pool = ("10.0.0.0/16", "fd00::/64")
    for name, more in (("one", ()), ("two", ("192.168.7.0/24",))):
        config = FirewallConfig(interfaces=(Sources(name="wg0", ranges=(*pool, *more)),))
        (tmp_path / name).write_text(firewall.ruleset(config))
    again = f"for i in $(seq 250); do nft -f {tmp_path}/one; nft -f {tmp_path}/two; done"

    with PacketStream(tunnel.host, server.host) as stream:
        gateway.host.run("sh", "-ec", again)
        stream.settle()
        assert stream.stop() == NOTHING
