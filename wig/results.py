"""What a command answers, and objects without their secrets.

Called by the datastore, which records the answer with its request, and by clients, which decode
it with `DECODE`. **Invariant:** no private key, preshared key or digest of a secret is in here.
"""

from collections.abc import Callable, Sequence
from typing import Any, assert_never, overload

from msgspec.structs import replace

from wig import codec, ops
from wig.codec import Time, Value
from wig.commands import (
    AnyCommand,
    CreateInterface,
    CreatePeer,
    CreateToken,
    DeleteInterface,
    DeletePeer,
    DeletePeers,
    DeleteToken,
    ImportPeers,
    UpdateInterface,
    UpdatePeer,
)
from wig.model import MTU_DEFAULT, Interface, Object, Peer, Token
from wig.ports import View


class PublicInterface(Value, frozen=True, kw_only=True):
    """An interface without its private key; see `model.Interface`."""

    name: str
    port: int
    public_key: str
    addresses: tuple[str, ...] = ()
    mtu: int = MTU_DEFAULT
    dns: tuple[str, ...] = ()
    description: str = ""
    revision: str = ""


class PublicPeer(Value, frozen=True, kw_only=True):
    """A peer without its preshared key; see `model.Peer`."""

    public_key: str
    interface: str
    created: Time
    ip: str | None = None
    ip6: str | None = None
    has_preshared_key: bool = False
    name: str = ""
    description: str = ""
    expire: Time | None = None
    enabled: bool = True
    rate_limit: int | None = None
    revision: str = ""


class PublicToken(Value, frozen=True, kw_only=True):
    """A token without the digest of its secret; see `model.Token`."""

    id: str
    role: str
    created: Time
    description: str = ""
    revision: str = ""


class InterfaceResult(Value, frozen=True, kw_only=True):
    """The interface after a create or an update."""

    interface: PublicInterface
    unchanged: bool = False


class PeerResult(Value, frozen=True, kw_only=True):
    """The peer after a create or an update."""

    peer: PublicPeer
    unchanged: bool = False


class TokenResult(Value, frozen=True, kw_only=True):
    """The token after a create."""

    token: PublicToken
    unchanged: bool = False


class ImportResult(Value, frozen=True, kw_only=True):
    """How many peers of an import are new, and how many were there already."""

    created: int
    unchanged: int


class Deleted(Value, frozen=True, kw_only=True):
    """How many objects a delete removed."""

    interfaces: int = 0
    peers: int = 0
    tokens: int = 0


class DeleteResult(Value, frozen=True, kw_only=True):
    """What a delete removed."""

    deleted: Deleted


Result = InterfaceResult | PeerResult | TokenResult | ImportResult | DeleteResult

DECODE: dict[str, Callable[[bytes], Any]] = {
    "interface.create": codec.decoder(InterfaceResult),
    "interface.update": codec.decoder(InterfaceResult),
    "interface.delete": codec.decoder(DeleteResult),
    "peer.create": codec.decoder(PeerResult),
    "peer.import": codec.decoder(ImportResult),
    "peer.update": codec.decoder(PeerResult),
    "peer.delete": codec.decoder(DeleteResult),
    "peer.purge": codec.decoder(DeleteResult),
    "token.create": codec.decoder(TokenResult),
    "token.delete": codec.decoder(DeleteResult),
}
"""The decoder of each noun and verb's result."""


@overload
def public(thing: Interface) -> PublicInterface: ...
@overload
def public(thing: Peer) -> PublicPeer: ...
@overload
def public(thing: Token) -> PublicToken: ...
def public(thing: Object) -> PublicInterface | PublicPeer | PublicToken:
    """Return the object without its secrets."""
    match thing:
        case Peer():
            return PublicPeer(
                public_key=thing.public_key,
                interface=thing.interface,
                created=thing.created,
                ip=thing.ip,
                ip6=thing.ip6,
                has_preshared_key=thing.preshared_key is not None,
                name=thing.name,
                description=thing.description,
                expire=thing.expire,
                enabled=thing.enabled,
                rate_limit=thing.rate_limit,
                revision=thing.revision,
            )
        case Interface():
            return PublicInterface(
                name=thing.name,
                port=thing.port,
                public_key=thing.public_key,
                addresses=thing.addresses,
                mtu=thing.mtu,
                dns=thing.dns,
                description=thing.description,
                revision=thing.revision,
            )
        case Token():
            return PublicToken(
                id=thing.id,
                role=thing.role,
                created=thing.created,
                description=thing.description,
                revision=thing.revision,
            )
        case _:
            assert_never(thing)


def result(command: AnyCommand, made: Sequence[ops.Op], view: View, revision: str = "") -> Result:
    """Return the answer to a command that yielded the ops `made`, applied to `view`.

    With `revision`, the `epoch:seq` of the last op, an object that was just made is taken from
    its op instead of being read again.
    """
    match command:
        case CreatePeer() | UpdatePeer():
            return PeerResult(peer=_peer(command, made, view, revision), unchanged=not made)
        case ImportPeers():
            return ImportResult(created=len(made), unchanged=len(command.peers) - len(made))
        case CreateInterface() | UpdateInterface():
            interface = view.interface(command.name)
            assert interface is not None, "the command made it, or found it"
            return InterfaceResult(interface=public(interface), unchanged=not made)
        case CreateToken():
            token = view.token(command.id)
            assert token is not None, "the command made it, or found it"
            return TokenResult(token=public(token), unchanged=not made)
        case DeleteInterface() | DeletePeer() | DeletePeers() | DeleteToken():
            return DeleteResult(deleted=_deleted(made))
        case _:
            assert_never(command)


def _peer(
    command: CreatePeer | UpdatePeer, made: Sequence[ops.Op], view: View, revision: str
) -> PublicPeer:
    if made and revision:
        op = made[-1]
        assert isinstance(op, ops.PeerCreate | ops.PeerUpdate), "the only ops of these commands"
        return replace(public(op.peer), revision=revision)
    peer = view.peer(command.public_key)
    assert peer is not None, "the command made it, or found it"
    return public(peer)


def _deleted(made: Sequence[ops.Op]) -> Deleted:
    kinds = [type(op) for op in made]
    return Deleted(
        interfaces=kinds.count(ops.InterfaceDelete),
        peers=kinds.count(ops.PeerDelete),
        tokens=kinds.count(ops.TokenDelete),
    )
