"""The gateway of this host: checks it, locks it, and puts the parts together.

Called by the bus, which drives it as a Sink. See `sink` for what it does.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wig import errors, idle
from wig.egress import Egress
from wig.linux import choice, nft, record, userspace
from wig.linux.backend import Backend
from wig.linux.caretaker import Caretaker
from wig.linux.host import LinuxHost
from wig.linux.record import Lock, Records
from wig.linux.sink import HostSink
from wig.state import State

AUDIT_INTERVAL_S = 30.0
ENDPOINT_AGE_S_MAX = 900.0  # five times as long as a session lives
_CAP_NET_ADMIN = 12  # Linux, include/uapi/linux/capability.h


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How the operator wants the gateway."""

    name: str = "gateway"
    """Of the node; names its files in the run directory."""
    wireguard: str = "auto"
    """One of `choice.BACKENDS`."""
    firewall: bool = True
    """False: the operator brings the rules, masquerading and forwarding included."""
    isolated: bool = True
    """Peers of one interface cannot reach each other."""
    egress: Mapping[str, Egress] = field(default_factory=dict)
    """How the clients of an interface leave, by its name; needs the firewall."""
    audit_interval_s: float = AUDIT_INTERVAL_S
    """How often the host is compared with the plan, and what is in quarantine tried again."""
    audit_only: bool = False
    """Audits report what somebody else changed, and leave it."""
    endpoint_age_s_max: float = ENDPOINT_AGE_S_MAX
    """How long after its last handshake a client's address stays on the device; 0: for ever."""
    run_directory: Path = record.DIRECTORY
    """Must not outlive a reboot, as the devices do not."""
    lock_directory: Path = record.DIRECTORY
    """The same for all gateways of the host, or the lock is none."""
    socket_directory: Path = userspace.SOCKET_DIRECTORY


class Gateway(HostSink):
    """The Sink of this host. Only one at a time; `close` it."""

    def __init__(self, options: Options, state: State | None = None) -> None:
        """Check the host and take the lock; change nothing. Raises `Unusable` with a hint."""
        backend = check(options)
        records = Records(options.run_directory, options.name)
        self._host_lock = Lock(options.lock_directory)
        super().__init__(
            LinuxHost(backend, records),
            records,
            state=state,
            firewall=options.firewall,
            isolated=options.isolated,
            egress=options.egress,
            audit_only=options.audit_only,
            endpoint_age_s_max=options.endpoint_age_s_max,
        )
        self._caretaker = Caretaker(self, options.audit_interval_s)
        self._caretaker.start()

    def fault(self) -> BaseException | None:
        """Return why the caretaker has ended: worth a restart. None: it works."""
        return self._caretaker.fault

    def close(self, *, down: bool = False) -> None:
        """End; the interfaces stay and pass packets, unless `down` removes all that wig made."""
        self._caretaker.stop()
        super().close(down=down)
        self._host_lock.release()


def check(options: Options) -> Backend:
    """Return the host's WireGuard, if the host can be a gateway; raise `Unusable` if not.

    Changes nothing: a program can ask before it begins anything else.
    """
    idle.parse_age(options.endpoint_age_s_max)
    _require_rights()
    if options.firewall:
        nft.require()
    left = record.made(options.run_directory, options.name).interfaces
    return choice.choose(options.wireguard, left, options.socket_directory)


def _require_rights() -> None:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    if not int(effective.split()[1], 16) >> _CAP_NET_ADMIN & 1:
        raise errors.Unusable(
            f"user {os.geteuid()} may not change the network of this host",
            hint="run it as root, for example with sudo",
        )
