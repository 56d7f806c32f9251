"""A real tunnel, as Prometheus, a load balancer and an operator see it."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.eventually import eventually_sync
from tests.lab.ping import PingStream
from tests.lab.web import WebServer
from tests.lab.wg_quick import WgQuick
from tests.program import Up

PORT = 4007  # the default: on a host of its own nobody else has it


@pytest.fixture
def gateway(net):
    return net.host("gateway", "home", "world")


@pytest.fixture
def up(gateway, tmp_path):
    words = ("--endpoint", gateway.ip, "--metrics-addr", f":{PORT}")
    with Up(tmp_path / "state", *words, host=gateway) as running:
        yield running


def look(host, path: str) -> tuple[int, str]:
    """Return status and text of a page, as curl on that host sees it."""
    url = f"http://127.0.0.1:{PORT}{path}"
    text = host.run("curl", "-s", "-w", "\n%{http_code}", url).stdout
    body, _, code = text.rpartition("\n")
    return int(code), body


def values(host) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(look(host, "/metrics")[1])
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_client_is_seen_and_its_address_is_not(net, gateway, up):
    """Bytes, handshake, name; drained, it goes on; deleted, nothing of it is left."""
    made = up.wig("peer", "create", "wg0", "--name", "alice", "--wait", "all")
    key = made.err.split()[-1]
    client = net.host("client", "home")
    inside = up.ready["interfaces"][0]["addresses"][0].partition("/")[0]
    with (
        WebServer(net.host("server", "world")) as web,
        WgQuick(client, made.out) as tunnel,
        PingStream(client, inside) as ping,
    ):
        assert tunnel.fetch(web.urls[4])
        eventually_sync(
            lambda: values(gateway).get(("wig_interface_connected_peers", "wg0")) == 1,
            "one is connected",
        )
        found = values(gateway)
        assert found["wig_peer_receive_bytes_total", "wg0", key] > 0
        assert found["wig_peer_transmit_bytes_total", "wg0", key] > 0
        assert found["wig_interface_receive_bytes_total", "wg0"] > 0
        assert found["wig_peer_last_handshake_seconds", "wg0", key] > 1_700_000_000
        assert found["wig_peer_info", "wg0", "alice", key] == 1
        text = "".join(look(gateway, path)[1] for path in ("/metrics", "/healthz", "/readyz"))
        for network in client.addresses.values():
            assert not [address for address in network if address in text]

        drained = up.wig("gateway", "drain", "local", "--output", "json")
        assert drained.document["draining"]
        assert drained.document["connected"] in {None, 1}  # None: it has not counted yet
        assert look(gateway, "/readyz") == (503, "draining\n")
        eventually_sync(
            lambda: re.search(r"gateway, draining .* 1 ", up.wig("status").out), "status shows both"
        )
        ping.settle()
        assert up.wig("gateway", "undrain", "local").code == 0
        assert look(gateway, "/readyz") == (200, "ok\n")
        assert ping.stop() == []

        assert up.wig("peer", "delete", key).code == 0
        eventually_sync(lambda: key not in look(gateway, "/metrics")[1], "nothing of it is left")
