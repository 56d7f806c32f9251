"""Secrets are in files for their owner, and nowhere else: not in logs, errors or command lines."""

import json
from base64 import b64decode
from pathlib import Path

import pytest

from tests.builders import private_key
from tests.eventually import eventually_sync
from tests.lab.internet import Internet
from tests.lab.need import need
from tests.program import Up


@pytest.fixture
def host():
    """A gateway's host."""
    need()
    with Internet() as net:
        yield net.host("gateway")


def command_lines(host):
    """Return the command line of every process of the host, with its environment."""
    script = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n'"
    return host.out("sh", "-c", script)


def test_a_whole_life_shows_no_secret(host, tmp_path):
    """Every kind of secret is made, used and mistaken, while everything is logged."""
    own = tmp_path / "interface.key"
    own.write_text(private_key("interface").reveal())
    with Up(tmp_path / "state", "-vv", "--endpoint", host.ip, host=host) as up:
        words = ("interface", "create", "own", "--port", "7000", "--address", "10.250.0.1/24")
        assert up.wig(*words, "--private-key-file", str(own)).code == 0
        peer = up.wig("peer", "create", "own", "--preshared-key", "--output", "json").document
        made = up.wig("token", "create", "bob", "--role", "observer").document
        shown = up.wig("interface", "show", "wg0", "--secrets", "--output", "json").document
        public = peer["peer"]["public_key"]
        eventually_sync(
            lambda: public in host.out("wg", "show", "own", "peers"), "the gateway to have the peer"
        )
        host.run("wg", "set", "own", "peer", public, "remove")  # drift is logged as well
        mistakes = [
            up.wig(*words, "--private-key-file", str(own), "-vv"),
            up.wig("peer", "create", "wg0", "--private-key-file", str(own), "-vv"),
            up.wig("peer", "show", public, "-vv"),
            up.wig("log", "show", "-vv"),
            up.wig("log", "show", "--output", "json"),
            up.wig("token", "list", "--output", "json"),
            up.wig("peer", "export", "-vv"),
        ]
        running = command_lines(host)

    said = "".join(done.out + done.err for done in mistakes)
    logs = [up.log(), *(path.read_text() for path in Path(up.state_dir).rglob("*.log"))]
    assert len(logs) > 1, "that of wig, and that of its server"
    assert all(logs)
    secret = {
        "interface": shown["interface"]["private_key"],
        "interface, given": own.read_text(),
        "peer": peer["configuration"].split("PrivateKey = ")[1].split()[0],
        "preshared": peer["configuration"].split("PresharedKey = ")[1].split()[0],
        "token": made["secret"],
        "admin": json.loads((up.state_dir / "admin.json").read_text())["secret"],
        "bus": json.loads((up.state_dir / "nats" / "credentials.json").read_text())["secret"],
    }
    for kind, text in secret.items():
        for form in forms(text):
            assert form not in said, kind
            assert form not in running, kind
            assert not any(form in log for log in logs), kind


def forms(secret):
    """Return a secret as people write it, and as wireguard-go reads it, in hexadecimal."""
    return secret, b64decode(secret + "==", altchars=b"-_").hex()
