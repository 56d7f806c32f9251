"""Which clients have been idle for so long that their addresses are to be forgotten.

Called by the gateway, again and again, with the clients of a device: the peers that have an
endpoint. Pure. Whether a client is connected is never left to the wall clock alone, which jumps:
a handshake must have stayed the same for longer than any session lives before its peer is idle.
"""

from collections.abc import Mapping
from typing import NamedTuple

from wig import errors
from wig.device import DevicePeer

SESSION_S_MAX = 180.0
"""No session is older: REJECT_AFTER_TIME, WireGuard paper, section 6.1."""
AGE_S_MIN = 240.0
"""So that a handshake which was seen a minute late has still been watched for a session's life."""


class _Known(NamedTuple):
    handshake_s: int
    since: float
    """When that handshake was; if there was none, when the client was first seen."""
    due: float
    """When it has been idle for too long."""


def parse_age(age_s: float) -> float:
    """Return how long an address may stay after the last handshake, in seconds; 0: for ever.

    Raises `Invalid` for an age at which a client may still be connected.
    """
    if age_s and age_s < AGE_S_MIN:
        raise errors.Invalid(
            f"endpoint_max_age: {age_s:g} s is less than {AGE_S_MIN:g} s",
            field="endpoint_max_age",
            hint="a client may be connected for three minutes after its handshake; 0 turns it off",
        )
    return age_s


class Idle:
    """The clients of each interface, and since when they are idle."""

    def __init__(self, age_s_max: float) -> None:
        """Know nobody yet. Times are in seconds of a clock that never jumps."""
        self._age_s_max = age_s_max
        self._known: dict[str, dict[str, _Known]] = {}

    def look(
        self, name: str, clients: Mapping[str, DevicePeer], *, now: float, wall: float
    ) -> tuple[str, ...]:
        """Take in the clients of an interface; return those that are idle, the oldest first.

        `wall` is the Unix time, by which devices tell handshakes.
        """
        before = self._known.get(name, {})
        known = {}
        for key, peer in clients.items():
            seen = before.get(key)
            if seen is None or seen.handshake_s != peer.handshake_s:
                seen = self._first_seen(peer.handshake_s, now, wall)
            known[key] = seen
        self._known[name] = known
        due = [(seen.due, key) for key, seen in known.items() if seen.due <= now]
        return tuple(key for _, key in sorted(due))

    def _first_seen(self, handshake_s: int, now: float, wall: float) -> _Known:
        age_s = max(0.0, wall - handshake_s) if handshake_s else 0.0
        since = now - age_s
        return _Known(handshake_s, since, max(since + self._age_s_max, now + SESSION_S_MAX))

    def keep(self, names: frozenset[str]) -> None:
        """Forget the interfaces that are not among these."""
        self._known = {name: known for name, known in self._known.items() if name in names}

    def oldest_s(self, now: float) -> float:
        """Return how long the client that is idle for longest has been; 0: there is none.

        Of the clients as they were when they were last looked at.
        """
        known = tuple(self._known.values())
        return max((now - seen.since for each in known for seen in each.values()), default=0.0)

    def __len__(self) -> int:
        """Return how many clients there were."""
        return sum(map(len, tuple(self._known.values())))
