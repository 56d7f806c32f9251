"""Several ops, and what they change on the host, in as few writes as possible.

Called by `gateway.apply`. Ops are applied to the state one by one; only the difference between
before the first and after the last reaches the host. Peers cost one small write per interface,
however many other peers there are; what changes an interface itself is compared in full.
"""

from collections.abc import Iterator
from typing import assert_never

from wig import errors, log, ops, plan, wanted
from wig.device import InterfaceConfig, Limit, PeerConfig
from wig.log import Record
from wig.model import Peer
from wig.ops import Op
from wig.state import State
from wig.steps import (
    AddRoute,
    LoadFirewall,
    PeerChange,
    Problem,
    RemoveRoute,
    SetLimits,
    SetPeers,
    Step,
)
from wig.wanted import Wanted


def decode(record: Record) -> Op:
    """Return the op of a record; raise `Unsupported` if a newer wig wrote it."""
    try:
        return log.decode_entry(record.payload).op
    except errors.Invalid as error:
        raise errors.Unsupported(
            f"log: entry {record.seq} is not understood: {error.message}",
            hint="upgrade wig on this host",
        ) from None


class Changes:
    """What a batch of ops changes."""

    def __init__(self, state: State, wants: Wanted) -> None:
        """Begin with no op."""
        self._state = state
        self._wants = wants
        self._interfaces: dict[str, InterfaceConfig | None] = {}
        self._peers: dict[str, Peer | None] = {}
        self._routes: dict[str, frozenset[str]] = {}
        self._limits: dict[str, Limit | None] = {}
        self.problems: list[Problem] = []
        """Peers that have no place on their device."""

    def apply(self, op: Op, epoch: str, seq: int) -> None:
        """Apply one op to the state, after noting what it is about to change."""
        match op:
            case ops.PeerCreate() | ops.PeerUpdate():
                self._apply_to_peer(op.peer.public_key, op, epoch, seq)
            case ops.PeerDelete():
                self._apply_to_peer(op.public_key, op, epoch, seq)
            case ops.InterfaceCreate() | ops.InterfaceUpdate():
                self._apply_to_interface(op.interface.name, op, epoch, seq)
            case ops.InterfaceDelete():
                self._apply_to_interface(op.name, op, epoch, seq)
            case ops.TokenCreate() | ops.TokenUpdate() | ops.TokenDelete():
                self._state.apply_op(op, epoch, seq)
            case _:
                assert_never(op)

    def _apply_to_peer(self, public_key: str, op: Op, epoch: str, seq: int) -> None:
        before = self._state.peer(public_key)
        self._state.apply_op(op, epoch, seq)
        self._peers.setdefault(public_key, before)
        after = self._state.peer(public_key)
        for peer in (before, after):
            if peer is not None and peer.interface not in self._routes:
                self._routes[peer.interface] = self._wants.routes(peer.interface)
        self._limits.setdefault(public_key, self._wants.limit(public_key))
        self._wants.note_peer(before, after)

    def _apply_to_interface(self, name: str, op: Op, epoch: str, seq: int) -> None:
        if name not in self._interfaces:
            self._interfaces[name] = self._config(name)
        self._state.apply_op(op, epoch, seq)
        self._wants.note_interface(name)

    def _config(self, name: str) -> InterfaceConfig | None:
        """Return what is wanted of the interface, apart from its peers."""
        interface = self._state.interface(name)
        return None if interface is None else self._wants.interface(interface, with_peers=False)

    def gone(self) -> tuple[str, ...]:
        """Return the interfaces that are no longer wanted."""
        return tuple(name for name in self._interfaces if self._state.interface(name) is None)

    def redo(self) -> frozenset[str]:
        """Return the interfaces that must be compared in full."""
        return frozenset(
            name
            for name, before in self._interfaces.items()
            if (after := self._config(name)) is not None and after != before
        )

    def steps(self, peers_max: int | None, forced: frozenset[str]) -> Iterator[Step]:
        """Yield what is left when `gone` and `redo` are dealt with.

        Peers that are `forced` (out of quarantine) are set whole, whatever they are now.
        """
        done = {*self.gone(), *self.redo()}
        rerouted = {
            name: before
            for name, before in self._routes.items()
            if name not in done and before != self._wants.routes(name)
        }
        if rerouted or self.gone():
            yield LoadFirewall(config=self._wants.firewall())
        elif limits := self._changed_limits():
            yield SetLimits(limits=limits)
        for name, before in rerouted.items():
            yield from _route_steps(name, before, self._wants.routes(name))
        for name, (had, want) in self._by_interface().items():
            if name in done:
                continue
            changes = tuple(plan.peer_changes(want, had))
            if changes := self._fitting(name, changes, had, peers_max):
                yield SetPeers(name=name, changes=tuple(_forced(changes, want, forced)))

    def _changed_limits(self) -> dict[str, Limit | None]:
        """Return the limits that peers of this batch have now, where they had others."""
        return {
            key: after
            for key, before in self._limits.items()
            if (after := self._wants.limit(key)) != before
        }

    def _by_interface(self) -> dict[str, tuple[dict[str, PeerConfig], dict[str, PeerConfig]]]:
        """Return for each interface how its peers of this batch were, and are wanted now."""
        found: dict[str, tuple[dict[str, PeerConfig], dict[str, PeerConfig]]] = {}
        for public_key, before in self._peers.items():
            for place, peer in ((0, before), (1, self._state.peer(public_key))):
                if peer is not None and (config := wanted.peer_config(peer)) is not None:
                    found.setdefault(peer.interface, ({}, {}))[place][public_key] = config
        return found

    def _fitting(
        self,
        name: str,
        changes: tuple[PeerChange, ...],
        had: dict[str, PeerConfig],
        peers_max: int | None,
    ) -> tuple[PeerChange, ...]:
        """Leave out new peers when the device is full; the next audit finds them a place."""
        if peers_max is None or self._state.enabled_count(name) <= peers_max:
            return changes
        new = [each.public_key for each in changes if each.public_key not in had]
        self.problems += [wanted.full(name, public_key, peers_max) for public_key in new]
        return tuple(each for each in changes if each.public_key in had)


def _forced(
    changes: tuple[PeerChange, ...], want: dict[str, PeerConfig], forced: frozenset[str]
) -> Iterator[PeerChange]:
    for change in changes:
        if change.public_key in forced and not change.remove:
            yield plan.whole(change.public_key, want[change.public_key])
        else:
            yield change


def _route_steps(name: str, before: frozenset[str], after: frozenset[str]) -> Iterator[Step]:
    for destination in sorted(before - after):
        yield RemoveRoute(name=name, destination=destination)
    for destination in sorted(after - before):
        yield AddRoute(name=name, destination=destination)
