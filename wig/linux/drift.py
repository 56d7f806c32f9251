"""What audits find: counted by kind, told to the log and in the status, repaired or not.

Called by `sink`. Nothing here holds a key of a device, a secret or a client's address.
"""

import logging
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from wig.linux.quarantine import SUBJECTS, Quarantined, peer_subject, subject
from wig.steps import SetPeers, Step

logger = logging.getLogger(__name__)

STEPS_MAX = 20  # told to the log at once; a status counts all
_HINT = "--audit-only repairs nothing: without it the next audit does, and so does a restart"
_VERB = re.compile(r"[A-Z][a-z]+")


def kind(difference: str) -> str:
    """Return what a subject is: `peer`, `address`, `route`, `firewall` …, for a metric."""
    return difference.partition(" ")[0]


KINDS = frozenset({"peer", "port", *map(kind, SUBJECTS.values())}) - {"peers"}
"""All that there are; peers are counted one by one."""


def subjects(step: Step) -> frozenset[str]:
    """Return what a step is about, peer by peer."""
    if isinstance(step, SetPeers):
        return frozenset(peer_subject(change.public_key) for change in step.changes)
    return frozenset({subject(step)})


def split(steps: Iterable[Step], known: frozenset[str]) -> tuple[list[Step], list[Step]]:
    """Return the steps that are tried again, and those that somebody else made necessary.

    What is `known` was in quarantine: wig itself has not been able to do it yet.
    """
    again: list[Step] = []
    drift: list[Step] = []
    for step in steps:
        name = getattr(step, "name", "")
        if not known.isdisjoint({"host", f"interface {name}", subject(step)}):
            again.append(step)
        elif isinstance(step, SetPeers):
            for wanted, into in ((True, again), (False, drift)):
                changes = tuple(
                    change
                    for change in step.changes
                    if (peer_subject(change.public_key) in known) is wanted
                )
                if changes:
                    into.append(replace(step, changes=changes))
        else:
            drift.append(step)
    return again, drift


def describe(step: Step) -> str:
    """Return a step in words, without keys and addresses of clients."""
    if isinstance(step, SetPeers):
        removed = sum(change.remove for change in step.changes)
        return f"set {len(step.changes) - removed} and remove {removed} peers of {step.name}"
    verb = _VERB.match(type(step).__name__)
    assert verb is not None, "steps are named for what they do"
    return f"{verb[0].lower()} {subject(step)}"


class Drift:
    """How a host has departed from its plan."""

    def __init__(self) -> None:
        """Begin with none."""
        self._counts = Counter(dict.fromkeys(KINDS, 0))
        self._open: frozenset[str] = frozenset()
        self._report: tuple[Quarantined, ...] = ()

    @property
    def counts(self) -> Mapping[str, int]:
        """Return how many differences there were since the start, by kind.

        All kinds, from the start: a counter that begins at 1 has not grown, for Prometheus.
        """
        return dict(self._counts)

    def repaired(self, found: frozenset[str]) -> None:
        """Count differences that are gone again."""
        self._counts.update(map(kind, found))
        self._open, self._report = frozenset(), ()
        if found:
            logger.warning(
                "audit repaired", extra={"differences": len(found), "kinds": _counted(found)}
            )

    def left(self, steps: Sequence[Step]) -> frozenset[str]:
        """Report differences that stay, and return them; each is counted, and told, once."""
        found = frozenset().union(*map(subjects, steps))
        new = found - self._open
        self._counts.update(map(kind, new))
        if new:
            for step in steps[:STEPS_MAX]:
                logger.warning("audit would", extra={"step": describe(step)})
            if len(steps) > STEPS_MAX:
                logger.warning("audit would do more", extra={"steps": len(steps) - STEPS_MAX})
        self._open = found
        self._report = self._reported(steps)
        return found

    def _reported(self, steps: Sequence[Step]) -> tuple[Quarantined, ...]:
        since = {each.subject: each.since for each in self._report}
        now = datetime.fromtimestamp(time.time(), UTC)
        groups: dict[str, set[str]] = {}
        for step in steps:
            groups.setdefault(getattr(step, "name", ""), set()).update(subjects(step))
        return tuple(
            Quarantined(
                subject=(about := f"drift of {name or 'this host'}"),
                interface=name,
                reason=f"not as planned: {_counted(found)}",
                since=since.get(about, now),
                hint=_HINT,
            )
            for name, found in groups.items()
        )

    def report(self) -> tuple[Quarantined, ...]:
        """Return what is not repaired, by interface. Never waits."""
        return self._report


def _counted(found: Iterable[str]) -> str:
    """Return how many of each kind, as in `1 address, 3 peer`."""
    counts = Counter(map(kind, found))
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
