"""What `wig up` says when it is ready: what runs where, and what to do next.

Called by `local`. Pure: values in, text out.
"""

import json
from dataclasses import dataclass
from typing import Any

from wig_cli import objects, output


@dataclass(frozen=True, kw_only=True)
class Greeting:
    """Everything that the screen shows."""

    server: str
    state_dir: str
    endpoint: str | None
    """Where clients connect; None: this host has no address to guess from."""
    guessed: bool
    nodes: list[dict[str, Any]]
    interfaces: list[dict[str, Any]]
    gateway: bool
    down_on_exit: bool

    def document(self) -> str:
        """Return it for a program."""
        return json.dumps(
            {
                "server": self.server,
                "state_dir": self.state_dir,
                "admin_token": f"{self.state_dir}/admin.json",
                "endpoint": self.endpoint,
                "nodes": [objects.complete("node", one) for one in self.nodes],
                "interfaces": [objects.complete("interface", one) for one in self.interfaces],
            },
            indent=2,
        )

    def screen(self) -> str:
        """Return it for a person."""
        parts = [
            [output.bold("wig is up")],
            [*self._what_runs()],
            [output.bold("next, in another terminal:"), *self._next()],
            [self._ending()],
        ]
        return "\n\n".join("\n".join(part) for part in parts) + "\n"

    def _what_runs(self) -> list[str]:
        lines = [_line("server", self.server), _line("state", self.state_dir)]
        for one in self.nodes:
            position = one.get("position") or {}
            lag = one.get("lag_entries")
            state = f"at entry {position.get('seq', 0):,}" + (f", {lag:,} behind" if lag else "")
            lines.append(_line(one["role"], f"{one['name']}, {state}"))
            lines += [_line("", output.red(problem)) for problem in one.get("problems", ())]
        for one in self.interfaces:
            pools = ", ".join(one.get("addresses", ()))
            lines.append(_line("interface", f"{one['name']}, UDP port {one['port']}, {pools}"))
        return lines + self._where_clients_connect()

    def _where_clients_connect(self) -> list[str]:
        if self.endpoint is None:
            return [_line("endpoint", "not known: start with --endpoint HOST")]
        guess = " (a guess: --endpoint HOST if it is behind NAT or has a name)"
        return [_line("endpoint", self.endpoint + (guess if self.guessed else ""))]

    def _next(self) -> list[str]:
        if not self.interfaces:
            return [_line("", "wig interface create wg0 --address 10.8.0.1/16")]
        create = f"  wig peer create {self.interfaces[0]['name']}"
        where = "" if self.endpoint else " --endpoint HOST"
        return [
            f"{create} --name alice --config-out alice.conf{where}",
            f"{create} --name phone --qr{where}",
            "  wig status",
        ]

    def _ending(self) -> str:
        if not self.gateway:
            return "No gateway runs here: no packets are carried. Ctrl-C stops everything."
        if self.down_on_exit:
            return "Ctrl-C stops everything and removes the VPN's interfaces."
        return "Ctrl-C stops wig. The VPN's interfaces stay up and carry packets."


def _line(name: str, value: str) -> str:
    return f"  {name:<10} {value}"
