"""What cannot be put on the host: which object, why, and since when.

Called by `gateway`. An object leaves when it is put on the host, or when an audit does not find
it wanting any more.
"""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from wig import errors
from wig.steps import (
    AddAddress,
    AddDefaultRoute,
    AddRoute,
    AddRule,
    CreateInterface,
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


class Quarantined(NamedTuple):
    """One object that is not on the host as it should be."""

    subject: str
    interface: str
    reason: str
    since: datetime
    hint: str = ""
    """What an operator can do about it; empty: nothing in particular."""


SUBJECTS: dict[type, str] = {
    CreateInterface: "interface {0.name}",
    RemoveInterface: "interface {0.name}",
    SetLink: "link of {0.name}",
    AddAddress: "address {0.address} of {0.name}",
    RemoveAddress: "address {0.address} of {0.name}",
    AddRoute: "route {0.destination} of {0.name}",
    RemoveRoute: "route {0.destination} of {0.name}",
    SetDevice: "key of {0.name}",
    SetPeers: "peers of {0.name}",
    SetSysctl: "parameter {0.key}",
    LoadFirewall: "firewall",
    SetLimits: "limits of peers",
    AddRule: "rule {0.rule.mark:#x} of table {0.rule.table} for IPv{0.rule.version}",
    RemoveRule: "rule {0.rule.mark:#x} of table {0.rule.table} for IPv{0.rule.version}",
    AddDefaultRoute: "route of table {0.route.table} for IPv{0.route.version}",
    RemoveDefaultRoute: "route of table {0.route.table} for IPv{0.route.version}",
}
"""By kind of step; what depends on more is in `subject` and `peer_subject`."""


def peer_subject(public_key: str) -> str:
    """Return what a problem of a peer is about."""
    return f"peer {public_key}"


def subject(step: Step) -> str:
    """Return what a problem of this step is about."""
    if isinstance(step, SetDevice) and step.listen_port is not None:
        return f"port of {step.name}"
    return SUBJECTS[type(step)].format(step)


def problem(about: str, interface: str, error: errors.Unusable | OSError) -> Problem:
    """Return what to say of an object that could not be put on the host."""
    if isinstance(error, OSError):  # no files or memory left, say: whatever the host was asked for
        return Problem(about, interface, error.strerror or type(error).__name__)
    return Problem(about, interface, error.message, error.hint or "")


class Quarantine:
    """The objects in quarantine."""

    def __init__(self) -> None:
        """Begin empty."""
        self._found: dict[str, Quarantined] = {}
        self._since: dict[str, datetime] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._found)

    def report(self) -> tuple[Quarantined, ...]:
        """Return all, the oldest first. Any thread may ask."""
        found = tuple(self._found.values())  # one step for the interpreter: nothing changes within
        return tuple(sorted(found, key=lambda each: (each.since, each.subject)))

    def subjects(self) -> frozenset[str]:
        """Return what they are about."""
        return frozenset(self._found)

    def peers(self) -> frozenset[str]:
        """Return the public keys among them."""
        return frozenset(
            each.removeprefix("peer ") for each in self._found if each.startswith("peer ")
        )

    def add(self, problems: Iterable[Problem]) -> list[Problem]:
        """Put them in, and return those that are new; the others keep their time."""
        new = []
        now = datetime.fromtimestamp(time.time(), UTC)
        for problem in problems:
            known = self._found.get(problem.subject)
            since = known.since if known else self._since.get(problem.subject)
            if since is None:
                new.append(problem)
            self._found[problem.subject] = Quarantined(
                subject=problem.subject,
                interface=problem.interface,
                reason=problem.reason,
                since=since or now,
                hint=problem.hint,
            )
        return new

    def clear(self, subjects: Iterable[str]) -> None:
        """Let these go."""
        for each in subjects:
            self._found.pop(each, None)

    def drop(self, interface: str) -> None:
        """Let everything of an interface go."""
        self.clear([each.subject for each in self._found.values() if each.interface == interface])

    def reset(self, only: frozenset[str] | None) -> None:
        """Let go, before these interfaces (None: all, and the host) are compared again."""
        self._since = {each.subject: each.since for each in self._found.values()}
        for interface in {each.interface for each in self._found.values()}:
            if only is None or interface in only or interface == "":
                self.drop(interface)

    def blocks(self, step: Step) -> bool:
        """Say whether the step is of no use before the next comparison.

        Its interface could not be made, or its device did not answer: asking it again for every
        peer would hold up everything else.
        """
        name = getattr(step, "name", None)
        if name is None or isinstance(step, CreateInterface | RemoveInterface):
            return False
        if isinstance(step, SetPeers) and subject(step) in self._found:
            return True
        return f"interface {name}" in self._found


def sentences(found: Iterable[Quarantined]) -> tuple[str, ...]:
    """Return the same in words; peers of one interface with one reason are one sentence."""
    groups: dict[tuple[str, str], list[Quarantined]] = {}
    for each in found:
        peer = each.subject.startswith("peer ")
        groups.setdefault((each.interface if peer else each.subject, each.reason), []).append(each)
    return tuple(_sentence(group) for group in groups.values())


def _sentence(group: list[Quarantined]) -> str:
    first = group[0]
    what = first.subject if len(group) == 1 else f"{len(group)} peers of {first.interface}"
    hint = f"; {first.hint}" if first.hint else ""
    return f"{what}: {first.reason} (since {first.since:%Y-%m-%dT%H:%M:%SZ}){hint}"
