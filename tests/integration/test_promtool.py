"""What Prometheus itself says of metrics, rules and configuration."""

import asyncio
import re
from pathlib import Path

from tests import buses, replicas
from tests.gateway_nodes import gateway
from tests.pages import look
from tests.program import Up
from tests.promtool import promtool

DEPLOY = Path(__file__).parents[2] / "deploy" / "prometheus"


def test_the_configuration_is_one():
    """With the rules that it names."""
    code, said = promtool("check", "config", "prometheus.yml", folder=DEPLOY)

    assert code == 0, said
    assert "1 rule files found" in said


def test_the_rules_are_rules():
    """Every expression and template."""
    code, said = promtool("check", "rules", "wig.rules.yml", folder=DEPLOY)

    assert code == 0, said


def test_alerts_come_when_they_should():
    """Each of the cases in `alerts.yml`, beside this test."""
    code, said = promtool("test", "rules", "alerts.yml", folder=Path(__file__).parent)

    assert code == 0, said


async def test_a_gateways_metrics_pass(tmp_path):
    """Names, types, help, text format."""
    async with (
        buses.nats(tmp_path) as server,
        replicas.primary(server, tmp_path / "hub.db") as hub,
        gateway(server, tmp_path / "run") as node,
    ):
        await hub.interface()
        await hub.peers(3)
        await node.ready()
        page = await node.page("/metrics")

    code, said = await asyncio.to_thread(promtool, "check", "metrics", stdin=page.text)
    assert (code, said) == (0, "")


def test_the_metrics_of_wig_up_pass(tmp_path):
    """Primary and everything else of one process."""
    with Up(tmp_path / "state", "--no-gateway", "--metrics-addr", "127.0.0.1:0") as up:
        found = re.search(r"metrics port=(\d+)", up.log())
        assert found
        page = look(int(found[1]), "/metrics")

    assert ("wig_committed_entries_total",) in page.values
    assert promtool("check", "metrics", stdin=page.text) == (0, "")


def test_the_checker_finds_faults():
    """Otherwise the tests above would say nothing."""
    wrong = (
        "# HELP wig_a_milliseconds A.\n# TYPE wig_a_milliseconds counter\nwig_a_milliseconds 1\n"
    )
    code, said = promtool("check", "metrics", stdin=wrong)

    assert code != 0
    assert "wig_a_milliseconds" in said
