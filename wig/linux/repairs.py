"""Brings the host in line with what is wanted, and keeps account of what it refuses.

Called by `sink`, under its lock: after ops, after a snapshot, by audits, and when a device died.
What the host refuses is quarantined, and everything else goes on: nothing raises out of here.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from wig import errors, plan
from wig.device import Endpoint
from wig.linux import batch, drift
from wig.linux.drift import Drift
from wig.linux.quarantine import Quarantine, Quarantined, problem, subject
from wig.steps import HostPort, PeerChange, Problem, RemoveInterface, SetPeers, Step
from wig.wanted import Wanted

logger = logging.getLogger(__name__)

CROWDED_SHARE = 0.95  # of what a device can have: time to think of a second one
_UNLIMITED = "have a rate limit and get as much as they like, because of --no-firewall"
_UNLIMITED_HINT = "start the gateway with its firewall, or take the limits off"


class Repairs:
    """One host, and what is wanted of it."""

    def __init__(self, host: HostPort, wants: Wanted) -> None:
        """Change nothing yet."""
        self._host = host
        self._wanted = wants
        self.quarantine = Quarantine()
        self.drift = Drift()
        self._warnings = Quarantine()

    def report(self) -> tuple[Quarantined, ...]:
        """Return what an operator should know of this host. Never waits."""
        return (*self.quarantine.report(), *self.drift.report(), *self._warnings.report())

    def note_peers(self, counts: Mapping[str, int]) -> None:
        """Warn of interfaces that have nearly as many peers as their device can have.

        And of rate limits that nothing enforces.
        """
        limit = self._host.peers_max
        found = [
            Problem(
                f"capacity of {name}",
                name,
                f"{count} of at most {limit} peers",
                "create a second interface for further peers",
            )
            for name, count in counts.items()
            if limit is not None and count >= limit * CROWDED_SHARE
        ]
        if count := self._wanted.unlimited():
            found.append(Problem("rates of peers", "", f"{count} {_UNLIMITED}", _UNLIMITED_HINT))
        gone = self._warnings.subjects().difference(each.subject for each in found)
        self._warnings.clear(gone)
        for each in self._warnings.add(found):
            if each.interface:
                logger.warning("nearly full", extra={"interface": each.interface})
            else:
                logger.warning("rate limits of peers are not enforced")

    def carry_out(self, changes: batch.Changes) -> None:
        """Do what a batch of ops changes, in few writes."""
        for name in changes.gone():
            self.perform(RemoveInterface(name=name))
            self.quarantine.drop(name)
        if redo := changes.redo():
            self.reconcile(redo)
        for step in changes.steps(self._host.peers_max, self.quarantine.peers()):
            self.perform(step)
        self.set_aside(changes.problems)

    def reconcile(
        self, only: frozenset[str] | None = None, *, repair: bool = True
    ) -> frozenset[str]:
        """Make the host, or these interfaces of it, as wanted; return what differed.

        Without `repair` only what was in quarantine is tried again, and the rest reported.
        """
        wanted = self._wanted.host(only)
        try:
            observed = self._host.observe(wanted.interfaces)
        except (errors.Unusable, OSError) as error:
            # What an audit alone could not see is nothing that wig has failed to do: no reason for
            # the next one to repair without `repair`.
            self.set_aside([problem("host" if repair else "audit", "", error)])
            return frozenset()
        if only is not None:
            observed = observed._replace(made=frozenset())
        wanted, too_many = plan.fitting(wanted, observed, self._host.peers_max)
        known = self.quarantine.subjects()
        self.quarantine.reset(only)
        conflicts = plan.conflicts(wanted, observed)
        self.set_aside((*self._wanted.problems(), *conflicts, *too_many))
        steps: Sequence[Step] = plan.plan(wanted, observed)
        left: Sequence[Step] = ()
        if not repair:
            steps, left = drift.split(steps, known)
        found = [self.perform(step, known) for step in steps]
        return frozenset().union(*found) if repair else self.drift.left(left)

    def perform(self, step: Step, known: frozenset[str] = frozenset()) -> frozenset[str]:
        """Do it; return what differed before, without those `known` as a problem."""
        name = getattr(step, "name", "")
        if self.quarantine.blocks(step):
            return frozenset()
        try:
            problems = self._host.perform(step)
        except (errors.Unusable, OSError) as error:
            self.set_aside([problem(subject(step), name, error)])
            return frozenset()
        self.set_aside(problems)
        done = drift.subjects(step).difference(problem.subject for problem in problems)
        self.quarantine.clear(done)
        expected = not known.isdisjoint({f"interface {name}", subject(step)})
        return frozenset() if expected else done - known

    def revive(self, name: str) -> bool:
        """Bring back an interface whose device died: first the peers that are connected.

        False: nobody wants it any more.
        """
        wanted = self._wanted.host({name})
        if name not in wanted.interfaces:
            self._host.revive(name)
            return False
        observed = self._host.observe([name])._replace(made=frozenset())
        endpoints = self._host.revive(name)  # forgets them: not before the host can be read
        self.quarantine.reset(frozenset({name}))
        wanted, too_many = plan.fitting(wanted, observed, self._host.peers_max)
        self.set_aside(too_many)
        for step in plan.plan(wanted, observed):
            for part in _connected_first(step, endpoints):
                self.perform(part)
                if isinstance(part, SetPeers) and part.changes[0].endpoint is not None:
                    self._wake(name, part.changes)
        return True

    def _wake(self, name: str, changes: Sequence[PeerChange]) -> None:
        try:
            self._host.wake(name, [change.public_key for change in changes])
        except errors.Unusable as error:
            logger.warning("peers not greeted", extra={"reason": error.message})

    def set_aside(self, problems: Iterable[Problem]) -> None:
        """Put them in quarantine, and tell the operator once; keys of peers are in the report."""
        new = Counter(
            (problem.subject.split(" ", maxsplit=1)[0], problem.interface, problem.reason)
            for problem in self.quarantine.add(problems)
        )
        for (what, interface, reason), count in new.items():
            fields = {"what": what, "count": count, "interface": interface, "reason": reason}
            logger.warning("in quarantine", extra=fields)


def _connected_first(step: Step, endpoints: Mapping[str, Endpoint]) -> Iterable[Step]:
    """Return the step, split so that connected peers come first, with their endpoints."""
    if not isinstance(step, SetPeers):
        return (step,)
    back = [
        replace(change, endpoint=endpoints[change.public_key])
        for change in step.changes
        if change.public_key in endpoints
    ]
    rest = [change for change in step.changes if change.public_key not in endpoints]
    return [replace(step, changes=tuple(part)) for part in (back, rest) if part]
