"""`make demo`: the story of wig in under a minute, on three hosts inside this machine.

Run as `python -m tests.demo`. Everything is real: network namespaces, wg-quick, WireGuard, the
program `wig`, its server and its database. Nothing is left behind.
"""

import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.eventually import eventually_sync
from tests.lab import Host, Internet, PingStream, WebServer, WgQuick
from tests.lab.need import WIREGUARD_PROGRAMS, missing
from tests.program import Up

PINGS_PER_S = 200
BOLD, DIM, GREEN, END = ("\033[1m", "\033[2m", "\033[32m", "\033[0m")
if not sys.stdout.isatty():
    BOLD = DIM = GREEN = END = ""


def say(text: str) -> None:
    """Tell the story."""
    print(f"\n{BOLD}{text}{END}", flush=True)


def typed(host: str, command: str) -> None:
    """Show what is typed where."""
    print(f"  {DIM}{host}#{END} {command}", flush=True)


def shown(text: str) -> None:
    """Show what came of it."""
    for line in text.rstrip().splitlines():
        print(f"    {line}", flush=True)


def good(text: str) -> None:
    """Show what was to be proven."""
    print(f"    {GREEN}✓ {text}{END}", flush=True)


class Story:
    """Three hosts: `laptop` and `web` know only the networks that they share with `vpn`."""

    def __init__(self, net: Internet, folder: Path) -> None:
        self.folder = folder
        self.vpn = net.host("vpn", "cafe", "internet")
        self.laptop = net.host("laptop", "cafe")
        self.web = net.host("web", "internet")
        self.state = folder / "state"

    def start(self) -> None:
        """Start everything on the gateway's host, for the first time or again."""
        options = ("--endpoint", self.vpn.ip, "--no-interface", "--down-on-exit")
        self.up = Up(self.state, *options, host=self.vpn)

    def _stop(self) -> None:
        self.up.stop()

    def tell(self) -> None:
        """From nothing to a tunnel, through a crash, to the end of a peer."""
        say("Three hosts: a laptop in a café, a web server on the Internet, and a host between.")
        with ExitStack() as stack:
            web = stack.enter_context(WebServer(self.web))
            url = web.urls[4]
            typed("laptop", f"curl {url}")
            code, said = curl(self.laptop, url)
            assert code != 0
            shown(said)

            say("One command turns the host between into a VPN: bus, database and gateway.")
            typed("vpn", f"wig up --endpoint {self.vpn.ip} --no-interface --down-on-exit")
            begin = time.perf_counter()
            self.start()
            stack.callback(self._stop)
            good(f"ready after {time.perf_counter() - begin:.1f} s")

            self._connect(stack, web)
            self._crash()
            self._end(url)
        say("`wig up` was stopped.")
        typed("vpn", "ip -brief link; nft list ruleset")
        assert "wg0" not in self.vpn.out("ip", "-brief", "link")
        assert self.vpn.out("nft", "list", "ruleset") == ""
        good("no interface and no rule of it is left")

    def _wig(self, *words: str) -> str:
        typed("vpn", "wig " + " ".join(words))
        done = self.up.wig(*words)
        assert done.code == 0, done.err
        return done.out

    def _connect(self, stack: ExitStack, web: WebServer) -> None:
        say("An interface is a VPN, a peer is a client of it.")
        addresses = ("--address", "10.8.0.1/24", "--address", "fd08::1/64")
        self._wig("interface", "create", "wg0", *addresses, "--dns", "10.8.0.1")
        config = self._wig("peer", "create", "wg0", "--name", "laptop")
        shown(hidden(config))

        say("The laptop connects with exactly that text.")
        typed("laptop", "wg-quick up vpn0.conf")
        stack.enter_context(WgQuick(self.laptop, config))
        for version, seen in zip((4, 6), self.vpn.addresses["internet"], strict=True):
            typed("laptop", f"curl {web.urls[version]}")
            code, said = curl(self.laptop, web.urls[version])
            assert code == 0
            shown(said)
            assert web.visitors() == [seen]
            good(f"the web server saw {seen}: the VPN host, not the laptop")

    def _crash(self) -> None:
        say(f"Now all of wig dies, while {PINGS_PER_S} pings a second go through the tunnel.")
        with PingStream(self.laptop, self.web.ip, 1 / PINGS_PER_S) as pings:
            pings.settle()
            typed("vpn", f"kill -9 {self.up.pid}      # wig, and its server with it")
            self.up.kill()
            pings.settle(PINGS_PER_S)
            typed("vpn", "wig up …      # again")
            self.start()
            pings.settle()
            lost = pings.stop()
        assert lost == [], f"lost {lost}"
        good(f"{pings.sent} pings sent, none lost: the control plane is not in the path of packets")
        shown(self._wig("status"))

    def _end(self, url: str) -> None:
        say("The peer is deleted.")
        assert curl(self.laptop, url)[0] == 0
        peers = self.up.wig("peer", "list", "--output", "json").document["peers"]
        self._wig("peer", "delete", peers[0]["public_key"])
        typed("laptop", f"curl {url}")
        begin = time.perf_counter()
        eventually_sync(lambda: curl(self.laptop, url)[0] != 0, "the tunnel to stop")
        took_s = time.perf_counter() - begin
        shown(curl(self.laptop, url)[1])
        good(f"the tunnel had stopped within {took_s:.1f} s")
        shown(self._wig("log", "show"))


def curl(host: Host, url: str) -> tuple[int, str]:
    """Fetch a page that comes at once or not at all; return curl's exit status and what it said."""
    done = host.run("curl", "-sS", "-m", "0.5", url, check=False)
    return done.returncode, done.stdout + done.stderr


def hidden(config: str) -> str:
    """Return a configuration with its secrets left out: this one ends with the demo anyway."""
    lines = config.splitlines()
    secret = ("PrivateKey", "PresharedKey")
    return "\n".join(
        f"{line.split(' = ')[0]} = …" if line.startswith(secret) else line for line in lines
    )


def main() -> int:
    """Tell the story; return the program's exit status."""
    if reason := missing(*WIREGUARD_PROGRAMS, "curl"):
        print(f"the demo cannot be shown here: {reason}", file=sys.stderr)
        return 1
    begin = time.perf_counter()
    folder = Path(tempfile.mkdtemp(prefix="wig-demo-"))
    try:
        with Internet() as net:
            Story(net, folder).tell()
    finally:
        shutil.rmtree(folder)
    say(f"That was wig, in {time.perf_counter() - begin:.0f} seconds.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
