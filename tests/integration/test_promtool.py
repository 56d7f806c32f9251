"""What Prometheus itself says of metrics, rules and configuration."""

import asyncio
import logging
import re
from functools import partial
from pathlib import Path

from bridge.metrics_http import Address
from bridge.sessions import SessionsOptions, run_sessions
from tests import buses, replicas
from tests.eventually import eventually
from tests.gateway_nodes import gateway
from tests.pages import look, page
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
        text = (await node.page("/metrics")).text

    code, said = await asyncio.to_thread(promtool, "check", "metrics", stdin=text)
    assert (code, said) == (0, "")


def test_the_metrics_of_wig_up_pass(tmp_path):
    """Primary and everything else of one process."""
    with Up(tmp_path / "state", "--no-gateway", "--metrics-addr", "127.0.0.1:0") as up:
        found = re.search(r"metrics port=(\d+)", up.log())
        assert found
        seen = look(int(found[1]), "/metrics")

    assert ("wig_committed_entries_total",) in seen.values
    assert promtool("check", "metrics", stdin=seen.text) == (0, "")


async def test_the_metrics_of_sessions_pass(tmp_path, caplog):
    """The third program with a port of its own."""
    caplog.set_level(logging.INFO)
    async with buses.nats(tmp_path) as server:
        options = SessionsOptions(
            db=tmp_path / "sessions.db", bus=buses.bus_options(server, "sessions"),
            metrics=Address("127.0.0.1", 0),
        )  # fmt: skip
        async with replicas.running(sessions=partial(run_sessions, options)):
            port = await eventually(lambda: port_in(caplog.records), "a port")

            async def is_ready() -> bool:
                return (await page(port, "/readyz")).status == 200

            await eventually(is_ready, "it is ready")
            text = (await page(port, "/metrics")).text

    assert "wig_open_sessions 0.0" in text
    code, said = await asyncio.to_thread(promtool, "check", "metrics", stdin=text)
    assert (code, said) == (0, "")


def port_in(records) -> int | None:
    return next((one.port for one in records if one.message == "metrics"), None)


def test_the_checker_finds_faults():
    """Otherwise the tests above would say nothing."""
    wrong = (
        "# HELP wig_a_milliseconds A.\n# TYPE wig_a_milliseconds counter\nwig_a_milliseconds 1\n"
    )
    code, said = promtool("check", "metrics", stdin=wrong)

    assert code != 0
    assert "wig_a_milliseconds" in said
