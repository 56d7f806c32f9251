"""What the plan does beside interfaces: ways out, the table, and the kernel's parameters."""

import pytest
from msgspec import UNSET

from tests import builders
from wig import plan
from wig.device import DefaultRoute, FirewallConfig, Host, HostConfig, Limit, PolicyRule, Sources
from wig.steps import (
    AddDefaultRoute,
    AddRule,
    LoadFirewall,
    RemoveDefaultRoute,
    RemoveRule,
    SetLimits,
    SetSysctl,
)

A, B, C = builders.key("a"), builders.key("b"), builders.key("c")
OLD_RULE, NEW_RULE = PolicyRule(4, 100, 100), PolicyRule(4, 100, 200)
OLD_ROUTE, NEW_ROUTE = (
    DefaultRoute(4, 100, "eth1", "192.0.2.1"),
    DefaultRoute(4, 100, "eth1", "192.0.2.9"),
)
LOOSE = "net/ipv4/conf/eth1/rp_filter"
V4 = "net/ipv4/ip_forward"


def wanted(**fields):
    return HostConfig(**{"interfaces": {}, "firewall": None, "sysctls": {}} | fields)


def host(**fields):
    empty = Host(interfaces={}, made=frozenset(), firewall=None, sysctls={})
    return empty._replace(**fields)


def table(*names, **limits):
    keys = {"a": A, "b": B, "c": C}
    return FirewallConfig(
        interfaces=tuple(Sources(name=name, ranges=()) for name in names),
        limits={keys[name]: limit for name, limit in limits.items()},
    )


def test_ways_out_are_there_before_anything_is_marked_for_them():
    """A table has one default route; a mark keeps a table, the old or the new."""
    config = table("wg0")

    steps = plan.plan(
        wanted(firewall=config, rules=frozenset({NEW_RULE}), routes=frozenset({NEW_ROUTE})),
        host(rules=frozenset({OLD_RULE}), routes=frozenset({OLD_ROUTE})),
    )

    assert steps == (
        RemoveDefaultRoute(route=OLD_ROUTE),
        AddDefaultRoute(route=NEW_ROUTE),
        AddRule(rule=NEW_RULE),
        LoadFirewall(config=config),
        RemoveRule(rule=OLD_RULE),
    )


def test_limits_change_without_the_rest_of_the_table():
    """Only those that differ."""
    slow, fast = Limit(64_000, ("10.0.0.2",)), Limit(128_000, ("10.0.0.2",))

    (step,) = plan.plan(
        wanted(firewall=table("wg0", a=fast, c=slow)),
        host(firewall=table("wg0", a=slow, b=slow, c=slow)),
    )

    assert step == SetLimits(limits={A: fast, B: None})


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(None, id="none"),
        pytest.param(UNSET, id="changed"),
        pytest.param(table("wg1", a=Limit(64_000, ("10.0.0.2",))), id="other"),
    ],
)
def test_a_table_that_is_not_ours_is_replaced(found):
    """As a whole, with its limits."""
    config = table("wg0", a=Limit(64_000, ("10.0.0.2",)))

    assert plan.plan(wanted(firewall=config), host(firewall=found)) == (
        LoadFirewall(config=config),
    )


def test_a_table_that_nobody_wants_is_removed():
    """Whatever is in it."""
    assert plan.plan(wanted(), host(firewall=UNSET)) == (LoadFirewall(config=None),)


@pytest.mark.parametrize(
    ("now", "before", "steps"),
    [
        pytest.param("2", "1", (SetSysctl(key=LOOSE, value="1"),), id="loosened"),
        pytest.param("0", "1", (), id="by somebody"),
        pytest.param("2", "2", (), id="was loose"),
        pytest.param(None, "1", (), id="gone"),
    ],
)
def test_an_uplink_that_nobody_leaves_by_checks_sources_as_before(now, before, steps):
    """Unless somebody else has changed it; forwarding stays, because others may rely on it."""
    sysctls = {V4: "1"} if now is None else {V4: "1", LOOSE: now}
    found = host(sysctls=sysctls, before={LOOSE: before, V4: "0"})

    assert plan.plan(wanted(), found) == steps
    assert plan.plan(wanted(sysctls={LOOSE: "2"}), found) == ()


@pytest.mark.parametrize(
    ("every", "own", "changes"),
    [
        pytest.param("0", "0", False, id="off"),
        pytest.param("0", "1", True, id="strict"),
        pytest.param("1", "0", True, id="strict for all"),
        pytest.param("2", "1", False, id="loose for all"),
        pytest.param("1", "2", False, id="loose"),
    ],
)
def test_an_uplink_takes_answers_that_the_main_table_expects_elsewhere(every, own, changes):
    """It is told to only if it would not: what does not check sources is left alone."""
    found = host(sysctls={"net/ipv4/conf/all/rp_filter": every, LOOSE: own})

    steps = plan.plan(wanted(sysctls={LOOSE: "2"}), found)

    assert steps == ((SetSysctl(key=LOOSE, value="2"),) if changes else ())
