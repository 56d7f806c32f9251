"""Hosts and the networks between them."""

import subprocess
from types import TracebackType
from typing import Self

from tests.lab.host import Host

WORLD = "world"


class Network:
    """A network: a switch that every host of it is plugged into."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self._number = number
        self._members: dict[str, int] = {}
        self.switch = Host(f"switch{number}")
        bridge = ("type", "bridge", "stp_state", "0", "mcast_snooping", "0")
        self.switch.run("ip", "link", "add", "switch", *bridge)
        self.switch.run("ip", "link", "set", "switch", "up")

    def plug(self, host: Host) -> None:
        """Connect a host; its interface is called like the network."""
        member = self._members.setdefault(host.name, len(self._members) + 1)
        subprocess.run(
            [
                *("ip", "link", "add", self._port(host), "netns", str(self.switch.pid)),
                *("type", "veth", "peer", "name", self.name, "netns", str(host.pid)),
                *("address", f"02:00:00:00:{self._number:02x}:{member:02x}"),
            ],
            check=True,
        )
        self.switch.run("ip", "link", "set", self._port(host), "master", "switch", "up")
        ip, ip6 = host.addresses[self.name] = self.address(member)
        host.run("ip", "link", "set", self.name, "up")
        host.run("ip", "addr", "add", f"{ip}/24", "dev", self.name)
        host.run("ip", "addr", "add", f"{ip6}/64", "dev", self.name, "nodad")

    def unplug(self, host: Host) -> None:
        """Take a host's cable away; plugged in again, it is who it was."""
        self.switch.run("ip", "link", "del", self._port(host))

    def _port(self, host: Host) -> str:
        return f"port{self._members[host.name]}"

    def address(self, member: int) -> tuple[str, str]:
        """Return the addresses of the member with this number, from networks for tests."""
        return f"198.18.{self._number}.{member}", f"2001:db8:{self._number}::{member}"

    @property
    def prefixes(self) -> tuple[str, str]:
        """Return the IPv4 and the IPv6 range of all members."""
        return f"198.18.{self._number}.0/24", f"2001:db8:{self._number}::/64"

    def cut(self, host: Host) -> None:
        """Pull the plug of a host."""
        self.switch.run("ip", "link", "set", self._port(host), "down")

    def mend(self, host: Host) -> None:
        """Put it back."""
        self.switch.run("ip", "link", "set", self._port(host), "up")


class Internet:
    """Everything that a test needs, removed at its end."""

    def __init__(self) -> None:
        self._networks: dict[str, Network] = {}
        self._hosts: dict[str, Host] = {}

    def network(self, name: str = WORLD) -> Network:
        """Return the network of this name, made when it is first asked for."""
        if name not in self._networks:
            self._networks[name] = Network(name, len(self._networks) + 1)
        return self._networks[name]

    def host(self, name: str, *networks: str) -> Host:
        """Make a host in these networks, or in the `world`."""
        assert name not in self._hosts, f"there is a host {name!r} already"
        host = self._hosts[name] = Host(name)
        for each in networks or (WORLD,):
            self.network(each).plug(host)
        return host

    def reboot(self, host: Host) -> Host:
        """Return the host as it comes up again: its processes, devices and /run are gone."""
        networks = [self.network(name) for name in host.addresses]
        for network in networks:
            network.unplug(host)
        host.close()
        again = self._hosts[host.name] = Host(host.name)
        for network in networks:
            network.plug(again)
        return again

    def close(self) -> None:
        """Remove everything."""
        for host in self._hosts.values():
            host.close()
        for network in self._networks.values():
            network.switch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
