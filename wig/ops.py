"""Ops: the only ways in which state changes, one object at a time.

Made by `decide`, stored in the log, applied by every replica. Create and update carry the whole
object, delete carries its key, so that applying an op needs no rule and cannot fail.
"""

from typing import TypeVar

from msgspec.structs import replace

from wig.codec import Value
from wig.model import Interface, Object, Peer, Token


class InterfaceCreate(Value, frozen=True, kw_only=True, tag="interface.create", tag_field="do"):
    """A new interface."""

    interface: Interface


class InterfaceUpdate(Value, frozen=True, kw_only=True, tag="interface.update", tag_field="do"):
    """The interface as it is from now on."""

    interface: Interface


class InterfaceDelete(Value, frozen=True, kw_only=True, tag="interface.delete", tag_field="do"):
    """The interface is gone; it has no peers any more."""

    name: str


class PeerCreate(Value, frozen=True, kw_only=True, tag="peer.create", tag_field="do"):
    """A new peer of an interface that exists."""

    peer: Peer


class PeerUpdate(Value, frozen=True, kw_only=True, tag="peer.update", tag_field="do"):
    """The peer as it is from now on; it never changes its interface."""

    peer: Peer


class PeerDelete(Value, frozen=True, kw_only=True, tag="peer.delete", tag_field="do"):
    """The peer is gone, its addresses are free."""

    public_key: str


class TokenCreate(Value, frozen=True, kw_only=True, tag="token.create", tag_field="do"):
    """A new token."""

    token: Token


class TokenUpdate(Value, frozen=True, kw_only=True, tag="token.update", tag_field="do"):
    """The token as it is from now on."""

    token: Token


class TokenDelete(Value, frozen=True, kw_only=True, tag="token.delete", tag_field="do"):
    """The token is gone; whoever holds it is disconnected."""

    id: str


Op = (
    InterfaceCreate | InterfaceUpdate | InterfaceDelete
    | PeerCreate | PeerUpdate | PeerDelete
    | TokenCreate | TokenUpdate | TokenDelete
)  # fmt: skip


Thing = TypeVar("Thing", bound=Object)


def stamped(thing: Thing, epoch: str, seq: int) -> Thing:
    """Return the object as it is stored: with the revision of the op that carried it."""
    return replace(thing, revision=f"{epoch}:{seq}")
