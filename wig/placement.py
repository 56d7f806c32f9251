"""Where in an interface's network a peer may be, and when a network may change.

Called by `decide`. All rules that compare addresses with other objects' are here: inside the
pool, not reserved, nobody else's, on any interface, because one gateway routes them all.
"""

from collections.abc import Iterator

from wig import addresses, allocation, checks
from wig.addresses import Cidr, Range
from wig.commands import AUTO
from wig.errors import Conflict, Exhausted, Invalid, quoted
from wig.model import Interface, Peer
from wig.ports import Bounds, View

FIELDS = {4: "ip", 6: "ip6"}
"""The field of a peer that holds its address of an IP version."""


def place(
    view: View,
    interface: Interface,
    version: int,
    wanted: str | None,
    *,
    outside_pool: bool,
    own: str | None = None,
) -> str | None:
    """Return the canonical address of a new or changed peer, or raise.

    `own` is the address that the peer has now, which is not in its own way.
    """
    if wanted is None or wanted == own:
        return wanted
    cidr = addresses.cidr_of(interface.addresses, version)
    if wanted == AUTO:
        return _first_free(view, interface, cidr) if own is None and cidr is not None else own
    field = FIELDS[version]
    found = addresses.parse_range(wanted, field)
    if found.version != version:
        raise Invalid(f"{field}: {quoted(wanted)} is not an IPv{version} address", field=field)
    if cidr is None:
        raise Invalid(
            f"{field}: {quoted(wanted)} is an IPv{version} address, and interface "
            f"{interface.name} has none",
            field=field,
        )
    if found.text == own:
        return own
    if not _inside(found, cidr):
        if not outside_pool:
            raise Invalid(
                f"{field}: '{found.text}' is outside the pool {cidr.network} of interface "
                f"{interface.name}",
                field=field,
                hint="say so if that is meant (--outside-pool)",
            )
        checks.usable(found, field)
        _refuse_foreign(view, interface.name, found, field)
    mine = None if own is None else addresses.parse_range(own, field)
    for bounds in _without(found, mine):
        _refuse_taken(view, interface, cidr, found, bounds)
    return found.text


def _first_free(view: View, interface: Interface, cidr: Cidr) -> str:
    free = allocation.first_free(view.islands(interface.name, cidr.version), cidr.pool)
    if free is None:
        field = FIELDS[cidr.version]
        raise Exhausted(
            f"{field}: 'auto' finds no free address in the pool {cidr.network} of interface "
            f"{interface.name}",
            field=field,
            hint="give the interface a wider pool, or the peer no address of this family",
        )
    return addresses.host_text(cidr.version, free)


def _inside(found: Range, cidr: Cidr) -> bool:
    first, last = cidr.pool
    return first <= found.first and found.last <= last


def _without(found: Range, mine: Range | None) -> Iterator[Bounds]:
    """Yield the addresses of `found` that are not in `mine`; prefixes are nested or apart."""
    if mine is None or mine.last < found.first or found.last < mine.first:
        yield found.bounds
        return
    if found.first < mine.first:
        yield found.first, mine.first - 1
    if mine.last < found.last:
        yield mine.last + 1, found.last


def _refuse_taken(
    view: View, interface: Interface, cidr: Cidr, found: Range, bounds: Bounds
) -> None:
    """Refuse addresses that a peer of this interface has, or that no peer may have."""
    if allocation.overlapping(view.islands(interface.name, found.version), bounds) is None:
        return
    field = FIELDS[found.version]
    if other := view.peer_at(interface.name, found.version, bounds):
        raise Conflict(
            f"{field}: '{found.text}' overlaps {address_of(other, found.version)} of peer "
            f"{label(other)}",
            field=field,
        )
    reserved = allocation.reserved(cidr)
    met = [address for address in sorted(reserved) if bounds[0] <= address <= bounds[1]]
    assert met, "used addresses belong to a peer or are reserved"
    text = addresses.host_text(cidr.version, met[0])
    verb = "is" if found.text == text else f"contains {text},"
    raise Invalid(
        f"{field}: '{found.text}' {verb} the {reserved[met[0]]} of interface {interface.name}",
        field=field,
    )


def _refuse_foreign(view: View, name: str, found: Range, field: str) -> None:
    """Refuse addresses that belong to another interface: a gateway has one routing table."""
    for other in view.interfaces():
        if other.name == name:
            continue
        cidr = addresses.cidr_of(other.addresses, found.version)
        if cidr and found.first <= cidr.pool[1] and cidr.pool[0] <= found.last:
            raise Conflict(
                f"{field}: '{found.text}' overlaps the pool {cidr.network} of interface "
                f"{other.name}",
                field=field,
            )
        if peer := view.peer_at(other.name, found.version, found.bounds):
            raise Conflict(
                f"{field}: '{found.text}' overlaps {address_of(peer, found.version)} of peer "
                f"{label(peer)} of interface {other.name}",
                field=field,
            )


def check_pools(view: View, name: str, new: tuple[Cidr, ...]) -> None:
    """Refuse pools that overlap what another interface or one of its peers has."""
    for cidr in new:
        _refuse_foreign(view, name, Range(cidr.version, *cidr.pool), "addresses")


def check_fit(view: View, interface: Interface, new: tuple[Cidr, ...]) -> None:
    """Refuse new pools in which not every peer keeps a good address.

    A peer that was in the old pool must be in the new one; one that was outside may stay outside.
    """
    texts = ", ".join(cidr.text for cidr in new)
    for version in (4, 6):
        old = addresses.cidr_of(interface.addresses, version)
        now = next((cidr for cidr in new if cidr.version == version), None)
        if old == now:
            continue
        for bounds, why in _lost(old, now):
            if peer := view.peer_at(interface.name, version, bounds):
                raise Conflict(
                    f"addresses: '{texts}' {why} {address_of(peer, version)} of peer {label(peer)}",
                    field="addresses",
                    hint="change or delete that peer first",
                )


def _lost(old: Cidr | None, now: Cidr | None) -> Iterator[tuple[Bounds, str]]:
    """Yield where no peer may be any more, and why."""
    if old is not None and now is None:
        everywhere = (0, (1 << addresses.BITS[old.version]) - 1)
        yield everywhere, f"has no IPv{old.version} address, which is needed by"
    if old is not None and now is not None:
        for bounds in _without(Range(old.version, *old.pool), Range(now.version, *now.pool)):
            yield bounds, "has no room for"
    if now is not None:
        for address, what in allocation.reserved(now).items():
            yield (address, address), f"puts its {what} into"


def address_of(peer: Peer, version: int) -> str:
    """Return the peer's address of an IP version, for a message."""
    return str(peer.ip if version == 4 else peer.ip6)


def label(peer: Peer) -> str:
    """Return what a message calls the peer."""
    return f"{quoted(peer.name)} ({peer.public_key})" if peer.name else peer.public_key


def holds(interface: Interface | None, version: int, has: str | None, wanted: str | None) -> bool:
    """Say whether a peer's address is what a client asks for; `auto` is any, if there can be."""
    if wanted == AUTO:
        lacking = interface is None or addresses.cidr_of(interface.addresses, version) is None
        return has is not None or lacking
    if wanted is None or has is None:
        return wanted is has
    return addresses.parse_range(wanted, FIELDS[version]).text == has
