"""What a command means: `decide(view, command, now)` yields the ops that carry it out.

Called by the datastore, inside the transaction that stores the ops. Every rule of the system
about objects is here, in `checks` (single fields) and in `placement` (addresses).

**Invariant:** nothing is changed here. The caller applies each op to the view before it asks for
the next, so the view is always the state after the ops so far; no op means `unchanged`; an error
means that none of the command's ops may stay.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, assert_never

from msgspec import UNSET
from msgspec.structs import replace

from wig import access, checks, keys, ops, placement, x25519
from wig.commands import (
    OBJECTS_MAX,
    AnyCommand,
    CreateInterface,
    CreatePeer,
    CreateToken,
    DeleteInterface,
    DeletePeer,
    DeletePeers,
    DeleteToken,
    ImportPeers,
    PeerSpec,
    UpdateInterface,
    UpdatePeer,
)
from wig.errors import Conflict, Exists, NotFound, TooLarge, WigError, quoted
from wig.model import Interface, Peer, Token
from wig.ports import View


def decide(  # noqa: C901 - one case for each command
    view: View, command: AnyCommand, now: datetime
) -> Iterator[ops.Op]:
    """Yield the ops of `command`, or raise a `WigError` that names field, value and rule.

    `now` is aware and in UTC. A command about one object raises before the first op; an import
    may raise between two.
    """
    checks.request(command.request)
    match command:
        case CreatePeer():
            yield from _create_peer(view, command, now)
        case ImportPeers():
            yield from _import_peers(view, command, now)
        case UpdatePeer():
            yield from _update_peer(view, command, now)
        case DeletePeer():
            yield from _delete_peer(view, command)
        case DeletePeers():
            yield from _delete_peers(view, command)
        case CreateInterface():
            yield from _create_interface(view, command)
        case UpdateInterface():
            yield from _update_interface(view, command)
        case DeleteInterface():
            yield from _delete_interface(view, command)
        case CreateToken():
            yield from _create_token(view, command, now)
        case DeleteToken():
            yield from _delete_token(view, command)
        case _:
            assert_never(command)


def _create_peer(view: View, spec: PeerSpec, now: datetime) -> Iterator[ops.PeerCreate]:
    public_key = keys.parse_public(spec.public_key)
    if (existing := view.peer(public_key)) is not None:
        _check_holds(view, existing, spec)
        return
    interface = view.interface(spec.interface)
    if interface is None:
        raise _no_interface("interface", spec.interface)
    _refuse_interface_key(view, public_key)
    outside = spec.outside_pool
    peer = Peer(
        public_key=public_key,
        interface=spec.interface,
        created=now,
        preshared_key=spec.preshared_key,
        name=checks.name(spec.name),
        description=checks.description(spec.description),
        expire=None if spec.expire is None else checks.expire(spec.expire, now),
        enabled=spec.enabled,
        rate_limit=checks.rate_limit(spec.rate_limit),
        ip=placement.place(view, interface, 4, spec.ip, outside_pool=outside),
        ip6=placement.place(view, interface, 6, spec.ip6, outside_pool=outside),
    )
    yield ops.PeerCreate(peer=peer)


_PLAIN = ("preshared_key", "name", "description", "expire", "enabled", "rate_limit")


def _check_holds(view: View, existing: Peer, spec: PeerSpec) -> None:
    """Raise `Exists` unless the peer is already exactly what `spec` asks for."""
    if existing.interface != spec.interface:
        raise Exists(
            f"public_key: {quoted(spec.public_key)} is already a peer of interface "
            f"{existing.interface}, and a key is unique over all interfaces",
            field="public_key",
            hint="make another key, or delete that peer first",
        )
    different = [field for field in _PLAIN if getattr(existing, field) != getattr(spec, field)]
    interface = view.interface(existing.interface)
    for version, field in placement.FIELDS.items():
        has, wanted = getattr(existing, field), getattr(spec, field)
        if not placement.holds(interface, version, has, wanted):
            different.append(field)
    if different:
        raise Exists(
            f"public_key: {quoted(existing.public_key)} is already a peer of interface "
            f"{existing.interface}, with another {', '.join(different)}",
            field="public_key",
            hint="change it with `wig peer update`",
        )


def _import_peers(view: View, command: ImportPeers, now: datetime) -> Iterator[ops.PeerCreate]:
    seen: dict[str, int] = {}
    for index, spec in enumerate(command.peers):
        try:
            first = seen.setdefault(spec.public_key, index)
            if first != index:
                raise Exists(
                    f"public_key: {quoted(spec.public_key)} is also in peers[{first}]",
                    field="public_key",
                )
            yield from _create_peer(view, spec, now)
        except WigError as error:
            at = f"peers[{index}]"
            raise type(error)(
                f"{at}.{error.message}", field=f"{at}.{error.field}", hint=error.hint
            ) from None


def _update_peer(view: View, command: UpdatePeer, now: datetime) -> Iterator[ops.PeerUpdate]:
    peer = _peer(view, command.public_key, command.revision)
    interface = view.interface(peer.interface)
    assert interface is not None, "every peer has its interface"
    changes = _changes(command, name=checks.name, description=checks.description)
    changes |= _changes(command, preshared_key=_same, enabled=_same, rate_limit=checks.rate_limit)
    if command.expire is not UNSET and command.expire != peer.expire:
        changes["expire"] = command.expire and checks.expire(command.expire, now)
    for version, field in placement.FIELDS.items():
        wanted = getattr(command, field)
        if wanted is not UNSET:
            changes[field] = placement.place(
                view,
                interface,
                version,
                wanted,
                outside_pool=command.outside_pool,
                own=getattr(peer, field),
            )
    if (changed := replace(peer, **changes)) != peer:
        yield ops.PeerUpdate(peer=replace(changed, revision=""))


def _delete_peer(view: View, command: DeletePeer) -> Iterator[ops.PeerDelete]:
    peer = _peer(view, command.public_key, command.revision)
    yield ops.PeerDelete(public_key=peer.public_key)


def _delete_peers(view: View, command: DeletePeers) -> Iterator[ops.PeerDelete]:
    for public_key in [keys.parse_public(text, "public_keys") for text in command.public_keys]:
        if view.peer(public_key) is not None:
            yield ops.PeerDelete(public_key=public_key)


def _create_interface(view: View, command: CreateInterface) -> Iterator[ops.InterfaceCreate]:
    private_key = x25519.clamped(command.private_key)
    own = checks.interface_addresses(command.addresses)
    interface = Interface(
        name=checks.interface_name(command.name),
        port=checks.port(command.port),
        private_key=private_key,
        public_key=x25519.public_key(private_key),
        addresses=tuple(cidr.text for cidr in own),
        mtu=checks.mtu(command.mtu, ipv6=any(cidr.version == 6 for cidr in own)),
        dns=checks.dns(command.dns),
        description=checks.description(command.description),
    )
    if (existing := view.interface(interface.name)) is not None:
        if replace(existing, revision="") == interface:
            return
        raise Exists(
            f"name: {quoted(interface.name)} is already an interface, with other values",
            field="name",
            hint="change it with `wig interface update`",
        )
    _refuse_shared(view, interface)
    placement.check_pools(view, interface.name, own)
    yield ops.InterfaceCreate(interface=interface)


def _update_interface(view: View, command: UpdateInterface) -> Iterator[ops.InterfaceUpdate]:
    interface = _interface(view, command.name, command.revision)
    changes = _changes(command, port=checks.port, dns=checks.dns, description=checks.description)
    if command.private_key is not UNSET:
        changes["private_key"] = x25519.clamped(command.private_key)
        changes["public_key"] = x25519.public_key(changes["private_key"])
    own = checks.interface_addresses(
        interface.addresses if command.addresses is UNSET else command.addresses
    )
    changes["addresses"] = tuple(cidr.text for cidr in own)
    mtu = interface.mtu if command.mtu is UNSET else command.mtu
    changes["mtu"] = checks.mtu(mtu, ipv6=any(cidr.version == 6 for cidr in own))
    if (changed := replace(interface, **changes)) == interface:
        return
    _refuse_shared(view, changed)
    if changed.addresses != interface.addresses:
        placement.check_pools(view, interface.name, own)
        placement.check_fit(view, interface, own)
    yield ops.InterfaceUpdate(interface=replace(changed, revision=""))


def _delete_interface(
    view: View, command: DeleteInterface
) -> Iterator[ops.PeerDelete | ops.InterfaceDelete]:
    interface = _interface(view, command.name, command.revision)
    count = view.peer_count(interface.name)
    if count and not command.with_peers:
        raise Conflict(
            f"name: {quoted(interface.name)} still has {count} peer{'s' * (count > 1)}",
            field="name",
            hint="delete them with it (--with-peers), or first",
        )
    if count > OBJECTS_MAX:
        raise TooLarge(
            f"name: {quoted(interface.name)} has {count} peers, more than {OBJECTS_MAX} in one"
            " command",
            field="name",
            hint="delete peers of it first: `wig interface delete --with-peers` does",
        )
    for peer in view.peers_of(interface.name):
        yield ops.PeerDelete(public_key=peer.public_key)
    yield ops.InterfaceDelete(name=interface.name)


def _create_token(view: View, command: CreateToken, now: datetime) -> Iterator[ops.TokenCreate]:
    token = Token(
        id=access.parse_token_id(command.id, "id"),
        secret_digest=checks.secret_digest(command.secret_digest),
        role=access.parse_role(command.role),
        description=checks.description(command.description),
        created=now,
    )
    if (existing := view.token(token.id)) is None:
        yield ops.TokenCreate(token=token)
    elif replace(existing, created=now, revision="") != token:
        raise Exists(
            f"id: {quoted(token.id)} is already a token, with other values",
            field="id",
            hint="delete it first, or choose another id",
        )


def _delete_token(view: View, command: DeleteToken) -> Iterator[ops.TokenDelete]:
    token = view.token(command.id)
    if token is None:
        raise NotFound(f"id: {quoted(command.id)} is not a token", field="id")
    checks.revision(command.revision, token.revision)
    if token.role == "admin" and not any(
        other.role == "admin" and other.id != token.id for other in view.tokens()
    ):
        raise Conflict(
            f"id: {quoted(token.id)} is the last token with role admin",
            field="id",
            hint="create another admin token first",
        )
    yield ops.TokenDelete(id=token.id)


def _changes(
    command: UpdatePeer | UpdateInterface, **rules: Callable[[Any], Any]
) -> dict[str, Any]:
    """Return the fields that an update gives, each after its rule."""
    given = ((field, getattr(command, field)) for field in rules)
    return {field: rules[field](value) for field, value in given if value is not UNSET}


def _same(value: Any) -> Any:
    """Allow every value: the type was all there is to check."""
    return value


def _peer(view: View, public_key: str, revision: str | None) -> Peer:
    peer = view.peer(keys.parse_public(public_key))
    if peer is None:
        raise NotFound(f"public_key: {quoted(public_key)} is not a peer", field="public_key")
    checks.revision(revision, peer.revision)
    return peer


def _interface(view: View, name: str, revision: str | None) -> Interface:
    interface = view.interface(name)
    if interface is None:
        raise _no_interface("name", name)
    checks.revision(revision, interface.revision)
    return interface


def _no_interface(field: str, name: str) -> NotFound:
    return NotFound(
        f"{field}: {quoted(name)} is not an interface",
        field=field,
        hint="`wig interface list` shows them",
    )


def _refuse_interface_key(view: View, public_key: str) -> None:
    if (owner := view.interface_of_key(public_key)) is not None:
        raise Exists(
            f"public_key: {quoted(public_key)} is the key of interface {owner.name} itself",
            field="public_key",
        )


def _refuse_shared(view: View, interface: Interface) -> None:
    """Refuse the port or the key of another interface, and the key of a peer."""
    for other in view.interfaces():
        if other.name != interface.name and other.port == interface.port:
            raise Conflict(
                f"port: '{interface.port}' is the port of interface {other.name}",
                field="port",
                hint="each interface listens on a port of its own",
            )
    owner = view.interface_of_key(interface.public_key)
    if owner is not None and owner.name != interface.name:
        raise Exists(
            f"private_key: it is the key of interface {owner.name} already", field="private_key"
        )
    if (peer := view.peer(interface.public_key)) is not None:
        raise Exists(
            f"private_key: it is the key of peer {placement.label(peer)}", field="private_key"
        )
