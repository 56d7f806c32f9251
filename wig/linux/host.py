"""The Linux host of a gateway (`steps.HostPort`): observes it, and performs steps on it.

Called by `gateway`. Composes a WireGuard backend, rtnetlink, nftables and sysctls; keeps on
record what it makes, so that it can be undone after a restart.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from wig import errors
from wig.device import DevicePeer, Endpoint, FirewallConfig, Host, Observed
from wig.linux import link, routing, sysctl
from wig.linux.backend import Backend
from wig.linux.quarantine import problem, subject
from wig.linux.record import Made, Records
from wig.linux.table import Table
from wig.samples import Batch
from wig.steps import (
    AddAddress,
    AddDefaultRoute,
    AddRoute,
    AddRule,
    CreateInterface,
    HostStep,
    LoadFirewall,
    Problem,
    RemoveAddress,
    RemoveDefaultRoute,
    RemoveInterface,
    RemoveRoute,
    RemoveRule,
    SetDevice,
    SetLimits,
    SetLink,
    SetPeers,
    SetSysctl,
    Step,
)

logger = logging.getLogger(__name__)

GONE_TIMEOUT_S = 2.0
_STEP_S = 0.002
_KINDS = frozenset({"tun", "wireguard"})
"""Of links that can be a WireGuard device's."""


class LinuxHost:
    """The network namespace that this process runs in."""

    def __init__(self, backend: Backend, records: Records) -> None:
        """Change nothing yet."""
        self._backend = backend
        self._records = records
        self._made = records.made()
        self._table = Table()

    @property
    def peers_max(self) -> int | None:
        """How many peers one device can have; None: no known limit."""
        return self._backend.peers_max

    def observe(self, names: Iterable[str]) -> Host:
        """Return the host as it is; devices with one of the names are adopted."""
        found = {name: self._observe(name) for name in names}
        ours = {*self._made.interfaces}
        ours |= {name for name, each in found.items() if each.link and each.device}
        self._keep(replace(self._made, interfaces=tuple(sorted(ours))))
        rules, routes = routing.observe(self._made.tables)
        return Host(
            interfaces=found,
            made=frozenset(ours),
            firewall=self._table.observe() if self._made.firewall else None,
            sysctls=sysctl.observe(),
            before=dict(self._made.sysctls),
            rules=rules,
            routes=routes,
        )

    def _observe(self, name: str) -> Observed:
        """Return an interface; behind a bridge, say, a device is another network namespace's."""
        found = link.observe(name)
        if found is not None and found.kind not in _KINDS:
            return Observed(link=found, device=None)
        return Observed(link=found, device=self._backend.read(name))

    def perform(self, step: Step) -> tuple[Problem, ...]:
        """Do it; raise `Unusable` when it cannot be done."""
        match step:
            case SetPeers():
                return self._backend.set_peers(step.name, step.changes)
            case CreateInterface():
                self._create(step.name)
            case RemoveInterface():
                self._remove(step.name)
            case SetDevice():
                self._backend.set_device(step)
            case SetLink():
                link.perform(step)
                if step.up:
                    self._backend.wait_up(step.name)
            case AddAddress() | RemoveAddress() | AddRoute() | RemoveRoute():
                link.perform(step)
            case _:
                self._perform_on_host(step)
        return ()

    def _perform_on_host(self, step: HostStep) -> None:
        """Do what belongs to no interface."""
        match step:
            case SetSysctl():
                self._set_sysctl(step)
            case LoadFirewall():
                self._load_firewall(step.config)
            case SetLimits():
                self._table.set_limits(step.limits)
            case AddRule() | RemoveRule() | RemoveDefaultRoute():
                routing.perform(step)
            case AddDefaultRoute():
                tables = {*self._made.tables, step.route.table}
                self._keep(replace(self._made, tables=tuple(sorted(tables))))
                routing.perform(step)

    def _create(self, name: str) -> None:
        self._keep(replace(self._made, interfaces=tuple({*self._made.interfaces, name})))
        _wait_gone(name)
        self._backend.create(name)

    def _remove(self, name: str) -> None:
        if name not in self._made.interfaces:
            return  # a stranger's, that has the name of one that was wanted
        if self._backend.remove(name):
            _wait_gone(name)
        self._keep(replace(self._made, interfaces=tuple({*self._made.interfaces} - {name})))

    def _set_sysctl(self, step: SetSysctl) -> None:
        if step.key not in self._made.sysctls:
            values = {**sysctl.before(step.key), **self._made.sysctls}
            self._keep(replace(self._made, sysctls=values))
        sysctl.write(step.key, step.value)

    def _load_firewall(self, config: FirewallConfig | None) -> None:
        self._keep(replace(self._made, firewall=True))
        self._table.load(config)
        if config is None:
            self._keep(replace(self._made, firewall=False))

    def _keep(self, made: Made) -> None:
        if made != self._made:
            self._records.save_made(made)
            self._made = made

    def interfaces(self) -> tuple[str, ...]:
        """Return the interfaces that wig made or adopted."""
        return self._made.interfaces

    def clients(self, name: str) -> Mapping[str, DevicePeer]:
        """Return the peers of a device that have an endpoint."""
        return self._backend.clients(name)

    def samples(self) -> Iterator[Batch]:
        """Yield what the devices of wig's interfaces say of their peers."""
        for name in self._made.interfaces:
            try:
                for peers in self._backend.samples(name):
                    yield Batch(name, peers)
            except errors.Unusable as error:
                fields = {"interface": name, "reason": error.message}
                logger.warning("statistics not readable", extra=fields)
                yield Batch(name, (), answered=False)

    def remember(self) -> None:
        """Keep in memory where the clients are."""
        self._backend.remember()

    def revive(self, name: str) -> Mapping[str, Endpoint]:
        """Return where the clients of a device that died were, and forget it."""
        return self._backend.revive(name)

    def wake(self, name: str, public_keys: Sequence[str]) -> None:
        """Greet peers at once."""
        self._backend.wake(name, public_keys)

    def dead(self) -> tuple[str, ...]:
        """Return the interfaces whose device died by itself since the last call."""
        return self._backend.dead()

    def wait_fds(self) -> tuple[int, ...]:
        """Return file descriptors that become readable when a device dies."""
        return self._backend.wait_fds()

    def undo(self) -> tuple[Problem, ...]:
        """Remove all that wig made and put back what it changed; return what would not go."""
        steps: list[Step] = [RemoveInterface(name=name) for name in self._made.interfaces]
        if self._made.firewall:
            steps.append(LoadFirewall(config=None))
        problems = []
        try:
            rules, routes = routing.observe(self._made.tables)
            steps += (RemoveRule(rule=rule) for rule in rules)
            steps += (RemoveDefaultRoute(route=route) for route in routes)
        except (errors.Unusable, OSError) as error:
            problems.append(problem("host", "", error))
        for step in steps:
            try:
                self.perform(step)
            except (errors.Unusable, OSError) as error:
                problems.append(problem(subject(step), getattr(step, "name", ""), error))
        for key, value in self._made.sysctls.items():
            try:
                sysctl.restore(key, value)
            except errors.Unusable as error:
                problems.append(problem(f"parameter {key}", "", error))
        if not problems:
            self._records.forget()
            self._made = Made()
        return tuple(problems)

    def close(self) -> None:
        """Let go of the devices; they go on."""
        self._backend.close()


def _wait_gone(name: str) -> None:
    """Wait for the kernel to take away the interface of a device that ended."""
    deadline = time.monotonic() + GONE_TIMEOUT_S
    while link.exists(name) and time.monotonic() < deadline:
        time.sleep(_STEP_S)
