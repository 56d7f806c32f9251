"""The interfaces between the core and its shells.

`View` is what `decide` may read. SQLite implements it for a million peers, a dict for tests; both
pass `tests/contract/test_view.py`. `Sink` is what replication drives: a follower's database and a
gateway's kernel are the same to it (`tests/contract/test_sink.py`).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from wig.log import Position, Record
from wig.model import Interface, Object, Peer, Token
from wig.snapshot import Header

Bounds = tuple[int, int]
"""First and last address, both included, as integers; IPv4 below 2**32."""


class Islands(Protocol):
    """The used addresses of one interface and family, as maximal runs that never touch.

    Kept by `wig.allocation`, which makes "first free" and "is any of these used" one look-up each,
    however many peers there are.
    """

    def at_or_before(self, address: int) -> Bounds | None:
        """Return the island with the greatest first address ≤ `address`."""

    def put(self, island: Bounds) -> None:
        """Store an island; one with the same first address is replaced."""

    def drop(self, first: int) -> None:
        """Remove the island that starts at `first`."""


class View(Protocol):
    """The state as `decide` reads it: always after the ops decided so far."""

    def interface(self, name: str) -> Interface | None:
        """Return the interface, or None."""

    def interfaces(self) -> Iterable[Interface]:
        """Return all interfaces by name."""

    def interface_of_key(self, public_key: str) -> Interface | None:
        """Return the interface whose own key this is, or None."""

    def peer(self, public_key: str) -> Peer | None:
        """Return the peer, or None."""

    def peers_of(self, interface: str) -> Iterator[Peer]:
        """Yield the peers of an interface by public key; ops may be applied meanwhile."""

    def peer_count(self, interface: str) -> int:
        """Return how many peers an interface has."""

    def peer_at(self, interface: str, version: int, bounds: Bounds) -> Peer | None:
        """Return a peer of the interface whose range (IP `version` 4 or 6) meets `bounds`."""

    def islands(self, interface: str, version: int) -> Islands:
        """Return the used addresses: peers' ranges, and what no peer may have."""

    def token(self, id: str) -> Token | None:
        """Return the token, or None."""

    def tokens(self) -> Iterable[Token]:
        """Return all tokens by id."""


class Sink(Protocol):
    """Where replication puts what it received. Calls never overlap."""

    def position(self) -> Position | None:
        """Return the position of the state; None: it holds nothing."""

    def apply(self, epoch: str, records: Sequence[Record]) -> None:
        """Apply entries that continue the position, all of `epoch`; already checked.

        Durable on return. An epoch that is not the position's begins there (`log.extended`), and
        `records` may be empty then. Raises `Unsupported` at an entry of an unknown kind, having
        applied those before it.
        """

    def load(self, header: Header, objects: Iterable[Object]) -> None:
        """Replace everything by a snapshot, in one step: all of it or nothing.

        `objects` comes from the network, and raises at its end at the latest if something was
        missing or damaged.
        """
