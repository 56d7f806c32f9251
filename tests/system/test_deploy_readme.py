"""deploy/README.md, followed literally on a hub and two gateway hosts."""

import re
import sys
from pathlib import Path

import pytest

from tests.eventually import eventually_sync
from tests.lab.internet import Internet
from tests.lab.need import need
from tests.lab.ping import PingStream
from tests.lab.unit import AS_USER, Unit, let_in
from tests.lab.wg_quick import WgQuick

README = Path(__file__).parents[2] / "deploy" / "README.md"
STAYS = ("nats-server ", "wig datastore ", "wig gateway ", "wig sessions ")
SHOW = ("interface", "show", "wg0", "--secrets", "--output", "json")
SETTLE_S_MAX = 20.0
# Files that others may read are given their mode: the umask does not.
HERE = f"umask 077\nexport PATH={Path(sys.executable).parent}:$PATH\n"
PRIVATE = ("admin.json", "nats/auth.json", "nats/credentials.json", "tls/ca.key", "tls/hub.key")


def blocks(section):
    """Return what is typed in a section, block by block."""
    text = README.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    found = re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in found]


class Site:
    """A host on which somebody follows the instructions."""

    def __init__(self, host, hub_ip):
        self.host = host
        self._running = {}
        host.run("mount", "-t", "tmpfs", "tmpfs", "/var/lib")
        host.run("sh", "-c", f"echo {hub_ip} hub.example.org >> /etc/hosts")
        host.run("mkdir", "-p", "-m", "700", "/etc/wig/tls")
        let_in(host)

    def type(self, block):
        """Run a block: what ends is waited for, what stays replaces what ran before.

        What the units run as a user of its own is run as that user, as systemd would.
        """
        batch = []
        for line in block.splitlines():
            if line.startswith(STAYS):
                self._end(batch)
                self._start(line)
            else:
                batch.append(line)
        self._end(batch)

    def _end(self, batch):
        if batch:
            self.host.run("bash", "-exc", HERE + "\n".join(batch))
            batch.clear()

    def _start(self, line):
        kind = " ".join(line.split()[:2])
        if kind in self._running:
            self._running[kind].stop()
        if (unit := Unit.of(kind)).user:
            line = unit.prepared(self.host, line)
        words = f"{HERE}exec {line} 2>> /run/{unit.name}.log"
        self._running[kind] = self.host.spawn("bash", "-c", words)

    def give(self, other, *paths):
        """Copy files to the same places on another host."""
        for path in paths:
            other.host.run("sh", "-c", f"umask 077; cat > {path}", stdin=self.host.out("cat", path))

    def wig(self, *words):
        return self.host.run("bash", "-c", HERE + " ".join(("wig", *words)), check=False)

    def shown(self):
        """Return everything that others than root can read, or that a log or a process shows."""
        return self.host.out(
            "sh", "-c",
            "cat /run/*.log /proc/[0-9]*/cmdline;"
            " find /etc/wig /var/lib /run -xdev -type f -perm -o+r -exec cat {} +",
        )  # fmt: skip

    def secrets(self):
        """Return the secrets of this host."""
        text = self.host.out("sh", "-c", "find /etc/wig -name '*.json' -exec cat {} +")
        return set(re.findall(r'"(?:secret|issuer|callout|system)":"([^"]+)"', text))

    def log(self):
        return self.host.run("sh", "-c", "cat /run/*.log", check=False).stdout


@pytest.fixture
def sites():
    """A hub, and a host for each kind of gateway."""
    need()
    with Internet() as net:
        hub = net.host("hub")
        sites = tuple(Site(one, hub.ip) for one in (hub, net.host("gw1"), net.host("gw2")))
        yield *sites, net.host("client")


def shows(hub, name):
    """Wait until the hub sees a gateway at the head, and its device is there."""

    def check():
        done = hub.wig("status")
        assert done.returncode == 0, done.stdout + done.stderr
        assert name in done.stdout, done.stdout + hub.log()
        return True

    eventually_sync(check, f"{name} in the status", SETTLE_S_MAX)


def up(hub):
    """Wait until the primary answers."""

    def check():
        done = hub.wig("interface", "list")
        assert done.returncode == 0, done.stderr + hub.log()
        return True

    eventually_sync(check, "the primary", SETTLE_S_MAX)


def connected(hub, gateway, client):
    """Return a tunnel of a client that the hub has made a configuration for."""
    made = hub.wig(
        "peer", "create", "wg0", "--name", "alice", "--endpoint", f"{gateway.host.ip}:51820",
        "--wait", "all", "--config-out", "/run/alice.conf",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return WgQuick(client, hub.host.out("cat", "/run/alice.conf"))


def test_every_command_of_the_instructions_works(sites):
    """A hub with TLS and tokens, gateways with each proof, rotation; no secret shows."""
    hub, one, two, client = sites
    for block in (*blocks("An authority"), *blocks("The hub")):
        if block.startswith("wig status"):
            up(hub)
        hub.type(block)
    eventually_sync(lambda: hub.wig("session", "list").returncode == 0, "wig sessions")
    for file in PRIVATE:
        assert hub.host.run("test", "-s", f"/etc/wig/{file}").returncode == 0
        seen = hub.host.run(*AS_USER, "cat", f"/etc/wig/{file}", check=False)
        assert (seen.returncode, seen.stdout) == (1, ""), f"the user wig cannot read {file}"

    token, there = blocks("A gateway host")
    hub.type(token)
    hub.give(one, "/etc/wig/gw1.json", "/etc/wig/ca.pem")
    one.type(there)
    shows(hub, "gw1")
    eventually_sync(lambda: one.host.run("wg", "show", "wg0", check=False).returncode == 0, "wg0")

    new, there, old, certificate = blocks("Rotation")
    with connected(hub, one, client), PingStream(client, "10.20.0.1") as pings:
        hub.type(new)
        hub.give(one, "/etc/wig/gw1-b.json")
        one.type(there)
        shows(hub, "gw1")
        hub.type(old)
        hub.type(certificate)
        shows(hub, "gw1")
        pings.settle()
        assert pings.stop() == [], "rotation costs no packet"

    config, primary, certificate, there = blocks("A gateway host with a certificate")
    hub.type(config)
    hub.type(primary)
    up(hub)
    hub.type(certificate)
    hub.give(two, *(f"/etc/wig/tls/{name}" for name in ("gw2.pem", "gw2.key")))
    hub.give(two, "/etc/wig/ca.pem")
    two.type(there)
    shows(hub, "gw2")
    assert two.host.run("wg", "show", "wg0").returncode == 0
    secrets = {secret for site in (hub, one, two) for secret in site.secrets()}
    secrets |= set(re.findall(r'"private_key": "([^"]+)"', hub.wig(*SHOW).stdout))
    assert len(secrets) >= 10
    shown = "".join(site.shown() for site in (hub, one, two))
    assert "wig authority" in shown or "gateway" in shown
    assert [secret for secret in secrets if secret in shown] == []
