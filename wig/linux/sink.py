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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from wig import errors
from wig.egress import Egress
from wig.linux import batch, traffic
from wig.linux.quarantine import Quarantined, problem, sentences
from wig.linux.record import Place, Records
from wig.linux.repairs import Repairs
from wig.linux.traffic import Traffic
from wig.linux.wiping import Wiping
from wig.log import Position, Record
from wig.model import Object, Peer
from wig.samples import Batch
from wig.snapshot import Header
from wig.state import State
from wig.steps import HostPort
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
        self._repairs = Repairs(host, self._wanted)
        self._audit_only = audit_only
        self._wiping = Wiping(host, self._lock, endpoint_age_s_max, self._repairs.set_aside)
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
                    self._repairs.carry_out(changes)
                    self._conclude(self._position)

    def load(self, header: Header, objects: Iterable[Object]) -> None:
        """Replace the state, then change on the host what differs, in place."""
        with self._lock:
            self._state.load(header, objects)
            self._position, self._database = header.position, header.database
            self._wanted.reset()
            self._repairs.reconcile()
            self._conclude(header.position)

    # What the caretaker and the operator see.

    def audit(self) -> Audit:
        """Compare the host with the plan, repair it or not, and count what differs."""
        with self._lock:
            begin = time.monotonic()
            found: frozenset[str] = frozenset()
            if self._position is not None:
                found = self._repairs.reconcile(repair=not self._audit_only)
                self._note_peers()
            if not self._audit_only:
                self._repairs.drift.repaired(found)
            took_s = time.monotonic() - begin
            self._last_audit = Audit(len(found), len(self._repairs.quarantine), took_s)
            return self._last_audit

    def quarantine(self) -> tuple[Quarantined, ...]:
        """Return what is not on the host as it should be, why and since when. Never waits."""
        return self._repairs.report()

    def problems(self) -> tuple[str, ...]:
        """Return the same for people, similar ones together. Never waits."""
        return sentences(self.quarantine())

    @property
    def drift(self) -> Mapping[str, int]:
        """How many differences audits have found, by kind such as `peer`; also those with none."""
        return self._repairs.drift.counts

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
            if self._position is None:
                self._host.revive(name)  # what is remembered goes, until there is a state again
                return
            begin = time.monotonic()
            if self._repairs.revive(name):
                took_s = round(time.monotonic() - begin, 3)
                logger.info("device is back", extra={"interface": name, "took_s": took_s})

    def wait_fds(self) -> tuple[int, ...]:
        """Return file descriptors that become readable when a device dies."""
        with self._lock:
            return self._host.wait_fds()

    def close(self, *, down: bool = False) -> None:
        """Let go of the devices, which go on; `down` removes all that wig made on the host."""
        with self._lock:
            if down:
                for left in self._host.undo():
                    fields = {"subject": left.subject, "reason": left.reason}
                    logger.error("not removed", extra=fields)
            self._host.close()

    def _note_peers(self) -> None:
        names = [interface.name for interface in self._state.interfaces()]
        self._repairs.note_peers({name: self._state.enabled_count(name) for name in names})

    def _conclude(self, position: Position) -> None:
        self._note_peers()
        place = Place(database=self._database or "", position=position)
        try:
            self._records.save_place(place)
        except errors.Unusable as error:
            self._repairs.set_aside([problem("run directory", "", error)])


def _position(epoch: str, record: Record) -> Position:
    return Position(epoch=epoch, seq=record.seq, digest=record.digest.hex())
