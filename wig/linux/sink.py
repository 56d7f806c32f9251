"""The gateway's Sink: turns the state into interfaces, and keeps nothing else.

Driven by replication (`position`, `apply`, `load`, in one thread) and by the caretaker (in
another); a lock keeps them apart. The host is behind `steps.HostPort`: the kernel, or a fake
that passes the same suite.

State first, then the device: what the host refuses is quarantined (reported, tried again by the
next audit) and everything else goes on, so that no op can stop a gateway, now or on replay.
**Invariant:** without a position it changes nothing.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from wig import errors, plan
from wig.device import Endpoint
from wig.egress import Egress
from wig.linux import batch, drift, traffic
from wig.linux.drift import Drift
from wig.linux.quarantine import Quarantine, Quarantined, sentences, subject
from wig.linux.record import Place, Records
from wig.linux.traffic import Traffic
from wig.linux.wiping import Wiping
from wig.log import Position, Record
from wig.model import Object, Peer
from wig.samples import Batch
from wig.snapshot import Header
from wig.state import State
from wig.steps import HostPort, PeerChange, Problem, RemoveInterface, SetPeers, Step
from wig.wanted import Wanted

logger = logging.getLogger(__name__)


class Audit(NamedTuple):
    """What an audit found."""

    differences: int
    """Between host and plan, not counting objects that were in quarantine already. They are
    repaired, unless the gateway only audits."""
    problems: int
    """Objects in quarantine now."""
    took_s: float


class HostSink:
    """A host whose WireGuard interfaces follow a state."""

    def __init__(
        self,
        host: HostPort,
        records: Records,
        *,
        state: State | None = None,
        firewall: bool = True,
        isolated: bool = True,
        egress: Mapping[str, Egress] | None = None,
        audit_only: bool = False,
        endpoint_age_s_max: float = 0.0,
    ) -> None:
        """Hold no state, and change nothing until there is some.

        With `audit_only`, audits report what differs and leave it. Where a client was is forgotten
        `endpoint_age_s_max` after its last handshake; 0: never.
        """
        self._host = host
        self._records = records
        self._state = State(allocating=False) if state is None else state
        self._wanted = Wanted(self._state, firewall=firewall, isolated=isolated, egress=egress)
        self._lock = threading.RLock()
        self._position: Position | None = None
        self._database: str | None = None
        self._quarantine = Quarantine()
        self._audit_only = audit_only
        self._drift = Drift()
        self._wiping = Wiping(host, self._lock, endpoint_age_s_max)
        self._last_audit: Audit | None = None

    # What replication sees.

    def position(self) -> Position | None:
        """Return the position of the state in memory; None after every start."""
        return self._position

    def device_position(self) -> Position | None:
        """Return the position that the devices have, which outlives this process.

        A snapshot of an older position of the same lineage would take peers away that are there:
        whoever loads one must know that its upstream is at the root's head.
        """
        place = self._records.place()
        return None if place is None else place.position

    def state_digest(self) -> str:
        """Return the digest of the state in memory."""
        return self._state.state_digest

    def database(self) -> str | None:
        """Return the id of the database that the state, or else the devices, are of."""
        if self._database is None and (place := self._records.place()) is not None:
            return place.database
        return self._database

    def apply(self, epoch: str, records: Sequence[Record]) -> None:
        """Apply entries to the state, then what they change to the host, in few writes.

        Raises `Unsupported` at an entry that is not understood, after those before it; `Damaged`
        when an entry cannot follow from the state, which is then given up for a snapshot.
        """
        with self._lock:
            changes = batch.Changes(self._state, self._wanted)
            try:
                for record in records:
                    changes.apply(batch.decode(record), epoch, record.seq)
                    self._position = _position(epoch, record)
            except errors.Damaged:
                self._position = None
                raise
            finally:
                if self._position is not None:
                    self._position = replace(self._position, epoch=epoch)
                    self._carry_out(changes)
                    self._save_place(self._position)

    def load(self, header: Header, objects: Iterable[Object]) -> None:
        """Replace the state, then change on the host what differs, in place."""
        with self._lock:
            self._state.load(header, objects)
            self._position, self._database = header.position, header.database
            self._wanted.reset()
            self._reconcile()
            self._save_place(header.position)

    # What the caretaker and the operator see.

    def audit(self) -> Audit:
        """Compare the host with the plan, repair it or not, and count what differs."""
        with self._lock:
            begin = time.monotonic()
            found: frozenset[str] = frozenset()
            if self._position is not None:
                found = self._reconcile(repair=not self._audit_only)
            if not self._audit_only:
                self._drift.repaired(found)
            took_s = time.monotonic() - begin
            self._last_audit = Audit(len(found), len(self._quarantine), took_s)
            return self._last_audit

    def quarantine(self) -> tuple[Quarantined, ...]:
        """Return what is not on the host as it should be, why and since when. Never waits."""
        return (*self._quarantine.report(), *self._drift.report())

    def problems(self) -> tuple[str, ...]:
        """Return the same for people, similar ones together. Never waits."""
        return sentences(self.quarantine())

    @property
    def drift(self) -> Mapping[str, int]:
        """How many differences audits have found, by kind such as `peer` or `address`."""
        return self._drift.counts

    @property
    def last_audit(self) -> Audit | None:
        """The latest audit; None: there was none yet."""
        return self._last_audit

    def wipe(self, now: float, wall: float) -> int:
        """Forget where clients were that have been idle for too long; return how many.

        `now` is of `time.monotonic`, `wall` of `time.time`.
        """
        return self._wiping.run(now, wall)

    @property
    def endpoints_wiped(self) -> int:
        """How many clients' addresses were forgotten since the start."""
        return self._wiping.count

    @property
    def endpoint_age_s(self) -> float | None:
        """How long the client that is idle for longest, and not forgotten yet, has been idle.

        In seconds; 0: no address is known. None: addresses stay, and nobody looks.
        """
        return self._wiping.oldest_s()

    def remember(self) -> None:
        """Keep, in memory, what a dying device would take along.

        Without the lock: reading a large device takes long, and changes nothing here.
        """
        self._host.remember()

    def samples(self) -> Iterator[Batch]:
        """Yield what the devices say of their peers, some hundred at a time.

        Without the lock, from any thread: it must delay no entry, however many peers there are.
        """
        return self._host.samples()

    def peers(self) -> list[Peer]:
        """Return all peers of the state, without the lock, from any thread."""
        return self._state.peers()

    def traffic(self) -> dict[str, Traffic]:
        """Return what the links of this host have counted, from any thread."""
        return traffic.read()

    def dead(self) -> tuple[str, ...]:
        """Return the interfaces whose device died by itself since the last call."""
        with self._lock:
            return self._host.dead()

    def revive(self, name: str) -> None:
        """Bring back an interface whose device died: first the peers that are connected."""
        with self._lock:
            logger.warning("device died, starting it again", extra={"interface": name})
            endpoints = self._host.revive(name)
            only = self._wanted.host({name})
            if self._position is None or name not in only.interfaces:
                return
            self._quarantine.reset(frozenset({name}))
            observed = self._host.observe([name])
            for step in plan.plan(only, observed._replace(made=frozenset())):
                for part in _connected_first(step, endpoints):
                    self._perform(part)
                    if isinstance(part, SetPeers) and part.changes[0].endpoint is not None:
                        self._wake(name, part.changes)

    def wait_fds(self) -> tuple[int, ...]:
        """Return file descriptors that become readable when a device dies."""
        with self._lock:
            return self._host.wait_fds()

    def close(self, *, down: bool = False) -> None:
        """Let go of the devices, which go on; `down` removes all that wig made on the host."""
        with self._lock:
            if down:
                for problem in self._host.undo():
                    logger.error("not removed", extra={"subject": problem.subject})
            self._host.close()

    # How the host is changed.

    def _carry_out(self, changes: batch.Changes) -> None:
        for name in changes.gone():
            self._perform(RemoveInterface(name=name))
            self._quarantine.drop(name)
        if redo := changes.redo():
            self._reconcile(redo)
        for step in changes.steps(self._host.peers_max, self._quarantine.peers()):
            self._perform(step)
        self._set_aside(changes.problems)

    def _reconcile(
        self, only: frozenset[str] | None = None, *, repair: bool = True
    ) -> frozenset[str]:
        """Make the host, or these interfaces of it, as wanted; return what differed.

        Without `repair` only what was in quarantine is tried again, and the rest reported.
        """
        wanted = self._wanted.host(only)
        try:
            observed = self._host.observe(wanted.interfaces)
        except errors.Unusable as error:
            self._set_aside([_problem("host", "", error)])
            return frozenset()
        if only is not None:
            observed = observed._replace(made=frozenset())
        wanted, too_many = plan.fitting(wanted, observed, self._host.peers_max)
        known = self._quarantine.subjects()
        self._quarantine.reset(only)
        self._set_aside((*plan.conflicts(wanted, observed), *too_many))
        steps: Sequence[Step] = plan.plan(wanted, observed)
        left: Sequence[Step] = ()
        if not repair:
            steps, left = drift.split(steps, known)
        found = [self._perform(step, known) for step in steps]
        return frozenset().union(*found) if repair else self._drift.left(left)

    def _perform(self, step: Step, known: frozenset[str] = frozenset()) -> frozenset[str]:
        """Do it; return what differed before, without those `known` as a problem."""
        name = getattr(step, "name", "")
        if self._quarantine.blocks(step):
            return frozenset()
        try:
            problems = self._host.perform(step)
        except errors.Unusable as error:
            self._set_aside([_problem(subject(step), name, error)])
            return frozenset()
        self._set_aside(problems)
        done = drift.subjects(step).difference(problem.subject for problem in problems)
        self._quarantine.clear(done)
        return frozenset() if f"interface {name}" in known else done - known

    def _set_aside(self, problems: Iterable[Problem]) -> None:
        """Put them in quarantine, and tell the operator once; keys of peers are in the report."""
        new = Counter(
            (problem.subject.split(" ", maxsplit=1)[0], problem.interface, problem.reason)
            for problem in self._quarantine.add(problems)
        )
        for (what, interface, reason), count in new.items():
            fields = {"what": what, "count": count, "interface": interface, "reason": reason}
            logger.warning("in quarantine", extra=fields)

    def _save_place(self, position: Position) -> None:
        place = Place(database=self._database or "", position=position)
        try:
            self._records.save_place(place)
        except errors.Unusable as error:
            self._set_aside([_problem("run directory", "", error)])

    def _wake(self, name: str, changes: Sequence[PeerChange]) -> None:
        try:
            self._host.wake(name, [change.public_key for change in changes])
        except errors.Unusable as error:
            logger.warning("peers not greeted", extra={"reason": error.message})


def _problem(about: str, interface: str, error: errors.Unusable) -> Problem:
    return Problem(about, interface, error.message, error.hint or "")


def _position(epoch: str, record: Record) -> Position:
    return Position(epoch=epoch, seq=record.seq, digest=record.digest.hex())


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
