"""The whole state in memory: a View for `decide`, and what a gateway applies ops to.

Called by gateways and by tests; datastores keep the same state in SQLite. It passes the same
suite as they do (`tests/contract/test_view.py`).
"""

from collections.abc import Iterable, Iterator
from typing import assert_never

from wig import addresses, allocation, errors, log, ops
from wig.allocation import MemoryIslands
from wig.model import Interface, Object, Peer, Token
from wig.ports import Bounds
from wig.snapshot import Header


class _Pool:
    """The addresses of one interface and IP version: what is used, and by which peer."""

    def __init__(self) -> None:
        self.islands = MemoryIslands()
        self._ranges = MemoryIslands()  # one entry per peer, never merged
        self._keys: dict[int, str] = {}

    def take(self, bounds: Bounds, public_key: str) -> None:
        allocation.occupy(self.islands, bounds)
        self._ranges.put(bounds)
        self._keys[bounds[0]] = public_key

    def give_back(self, bounds: Bounds) -> None:
        allocation.release(self.islands, bounds)
        self._ranges.drop(bounds[0])
        del self._keys[bounds[0]]

    def owner(self, bounds: Bounds) -> str | None:
        found = allocation.overlapping(self._ranges, bounds)
        return None if found is None else self._keys[found[0]]


class State:
    """All objects by identity, changed by one op at a time.

    An op that cannot be (a peer created twice, say) raises `Damaged`; the state is then to be
    thrown away for a snapshot. `allocating=False` keeps no islands: a gateway never asks for free
    addresses, and saves half of the memory.
    """

    def __init__(self, *, allocating: bool = True) -> None:
        """Hold nothing."""
        self.allocating = allocating
        self._interfaces: dict[str, Interface] = {}
        self._peers: dict[str, Peer] = {}
        self._tokens: dict[str, Token] = {}
        self._members: dict[str, dict[str, None]] = {}
        self._enabled: dict[str, int] = {}
        self._pools: dict[tuple[str, int], _Pool] = {}
        self._total = 0

    # What `decide` reads.

    def interface(self, name: str) -> Interface | None:
        """Return the interface, or None."""
        return self._interfaces.get(name)

    def interfaces(self) -> Iterable[Interface]:
        """Return all interfaces by name."""
        return [self._interfaces[name] for name in sorted(self._interfaces)]

    def interface_of_key(self, public_key: str) -> Interface | None:
        """Return the interface whose own key this is, or None."""
        for interface in self._interfaces.values():
            if interface.public_key == public_key:
                return interface
        return None

    def peer(self, public_key: str) -> Peer | None:
        """Return the peer, or None."""
        return self._peers.get(public_key)

    def peers(self) -> list[Peer]:
        """Return all peers, in no particular order. Any thread may ask: it is one step."""
        return list(self._peers.values())

    def peers_of(self, interface: str) -> Iterator[Peer]:
        """Yield the peers of an interface by public key; ops may be applied meanwhile."""
        for public_key in sorted(self._members.get(interface, ())):
            if (peer := self._peers.get(public_key)) is not None:
                yield peer

    def peer_count(self, interface: str) -> int:
        """Return how many peers an interface has."""
        return len(self._members.get(interface, ()))

    def enabled_count(self, interface: str) -> int:
        """Return how many of them are enabled: those are on its device."""
        return self._enabled.get(interface, 0)

    def peer_at(self, interface: str, version: int, bounds: Bounds) -> Peer | None:
        """Return a peer of the interface whose range (IP `version` 4 or 6) meets `bounds`."""
        public_key = self._pools[interface, version].owner(bounds)
        return None if public_key is None else self._peers[public_key]

    def islands(self, interface: str, version: int) -> MemoryIslands:
        """Return the used addresses: peers' ranges, and what no peer may have."""
        return self._pools[interface, version].islands

    def token(self, id: str) -> Token | None:
        """Return the token, or None."""
        return self._tokens.get(id)

    def tokens(self) -> Iterable[Token]:
        """Return all tokens by id."""
        return [token for _, token in sorted(self._tokens.items())]

    # What a snapshot is made of.

    @property
    def state_digest(self) -> str:
        """Sum of the digests of all objects, hexadecimal."""
        return log.state_digest_text(self._total)

    def objects(self) -> Iterator[Object]:
        """Yield everything in the order of a snapshot."""
        yield from self.interfaces()
        for public_key in sorted(self._peers):
            yield self._peers[public_key]
        yield from self.tokens()

    def __len__(self) -> int:
        """Return how many objects there are."""
        return len(self._interfaces) + len(self._peers) + len(self._tokens)

    # How it changes.

    def apply_op(self, op: ops.Op, epoch: str, seq: int) -> None:
        """Apply the op that has position (`epoch`, `seq`)."""
        match op:
            case ops.PeerCreate():
                self.add(ops.stamped(op.peer, epoch, seq))
            case ops.PeerUpdate():
                self._remove_peer(op.peer.public_key)
                self.add(ops.stamped(op.peer, epoch, seq))
            case ops.PeerDelete():
                self._remove_peer(op.public_key)
            case ops.InterfaceCreate():
                self.add(ops.stamped(op.interface, epoch, seq))
            case ops.InterfaceUpdate():
                self._update_interface(ops.stamped(op.interface, epoch, seq))
            case ops.InterfaceDelete():
                self._remove_interface(op.name)
            case ops.TokenCreate():
                self.add(ops.stamped(op.token, epoch, seq))
            case ops.TokenUpdate():
                self._remove_token(op.token.id)
                self.add(ops.stamped(op.token, epoch, seq))
            case ops.TokenDelete():
                self._remove_token(op.id)
            case _:
                assert_never(op)

    def load(self, header: Header, objects: Iterable[Object]) -> None:
        """Replace everything by a snapshot; `Damaged`, and no change, if it is not whole."""
        fresh = State(allocating=self.allocating)
        for thing in objects:
            fresh.add(thing)
        if len(fresh) != header.objects or fresh.state_digest != header.state_digest:
            raise errors.Damaged("snapshot: its objects do not match its state digest")
        vars(self).update(vars(fresh))

    def add(self, thing: Object) -> None:
        """Add an object with its revision, as a snapshot carries it."""
        match thing:
            case Peer():
                self._add_peer(thing)
            case Interface():
                self._add_interface(thing)
            case Token():
                _must(thing.id not in self._tokens, "token exists", thing.id)
                self._tokens[thing.id] = thing
            case _:
                assert_never(thing)
        self._count(log.object_digest(thing))

    def _count(self, part: int) -> None:
        self._total = log.state_digest_add(self._total, part)

    def _add_peer(self, peer: Peer) -> None:
        _must(peer.public_key not in self._peers, "peer exists", peer.public_key)
        _must(peer.interface in self._interfaces, "no interface", peer.interface)
        self._peers[peer.public_key] = peer
        self._members[peer.interface][peer.public_key] = None
        self._enabled[peer.interface] += peer.enabled
        for version, bounds in self._ranges(peer):
            self._pools[peer.interface, version].take(bounds, peer.public_key)

    def _remove_peer(self, public_key: str) -> None:
        peer = self._peers.pop(public_key, None)
        if peer is None:
            raise errors.Damaged(f"state: no peer {public_key}")
        del self._members[peer.interface][public_key]
        self._enabled[peer.interface] -= peer.enabled
        for version, bounds in self._ranges(peer):
            self._pools[peer.interface, version].give_back(bounds)
        self._count(-log.object_digest(peer))

    def _ranges(self, peer: Peer) -> Iterator[tuple[int, Bounds]]:
        if self.allocating:
            for version, text in ((4, peer.ip), (6, peer.ip6)):
                if text is not None:
                    yield version, addresses.parse_range(text, "peer").bounds

    def _add_interface(self, interface: Interface) -> None:
        _must(interface.name not in self._interfaces, "interface exists", interface.name)
        self._interfaces[interface.name] = interface
        self._members[interface.name] = {}
        self._enabled[interface.name] = 0
        for version in (4, 6) if self.allocating else ():
            pool = self._pools[interface.name, version] = _Pool()
            if cidr := addresses.cidr_of(interface.addresses, version):
                allocation.occupy_reserved(pool.islands, cidr)

    def _update_interface(self, interface: Interface) -> None:
        old = self._interfaces.get(interface.name)
        if old is None:
            raise errors.Damaged(f"state: no interface {interface.name}")
        self._interfaces[interface.name] = interface
        for version in (4, 6) if self.allocating else ():
            islands = self._pools[interface.name, version].islands
            if cidr := addresses.cidr_of(old.addresses, version):
                allocation.release_reserved(islands, cidr)
            if cidr := addresses.cidr_of(interface.addresses, version):
                allocation.occupy_reserved(islands, cidr)
        self._count(log.object_digest(interface) - log.object_digest(old))

    def _remove_interface(self, name: str) -> None:
        interface = self._interfaces.get(name)
        if interface is None:
            raise errors.Damaged(f"state: no interface {name}")
        _must(not self._members[name], "interface with peers is deleted", name)
        del self._interfaces[name], self._members[name], self._enabled[name]
        for version in (4, 6):
            self._pools.pop((name, version), None)
        self._count(-log.object_digest(interface))

    def _remove_token(self, id: str) -> None:
        token = self._tokens.pop(id, None)
        if token is None:
            raise errors.Damaged(f"state: no token {id}")
        self._count(-log.object_digest(token))


def _must(truth: bool, what: str, which: str) -> None:  # noqa: FBT001  the name is the grammar
    """Refuse an op that `decide` would never have made."""
    if not truth:
        raise errors.Damaged(f"state: {what}: {which}")
