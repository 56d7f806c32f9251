"""The state inside the writer's transaction: what `decide` reads, and how ops change it.

Called by the datastore. New peers stay in memory until `flush`, which inserts them at once; small
tables that are read again and again (interfaces, the islands around the last address) are
remembered across transactions, since this is the only writer. `forget` drops all of it whenever
the transaction, or a part of it, is undone.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import assert_never

from wig import addresses, allocation, codec, errors, ops
from wig.model import Interface, Peer, Token
from wig.ports import Bounds
from wig.sqlite import rows, sql
from wig.sqlite.islands import SqliteIslands

PAGE_PEERS = 1000  # objects that a listing holds in memory
PENDING_PEERS_MAX = 20_000  # new peers that wait for `flush`; 20 MB
SMALL_INTERFACE_PEERS = 5_000  # so few are sorted in 10 ms

_PEER_GET = sql.query("peer_get")
_PEER_KNOWN = sql.query("peer_known")
_PEER_ROW = sql.query("peer_row")
_PEER_AT = {4: sql.query("peer_at_4"), 6: sql.query("peer_at_6")}
_PAGE_OF_LARGE = sql.query("peer_page_of_large")
_PAGE_OF_SMALL = sql.query("peer_page_of_small")


class View:
    """The objects as the writer sees them; `ports.View`, and `apply_op`.

    An op that cannot be (a peer created twice, say) raises `Damaged`: the transaction is then to
    be rolled back.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read nothing yet. `digest_change` counts what ops added to the state digest."""
        self._connection = connection
        self.digest_change = 0
        self._interfaces: dict[str, Interface] | None = None
        self._islands: dict[tuple[str, int], SqliteIslands] = {}
        self._pending: dict[str, rows.PeerRow] = {}
        self._absent: set[str] = set()
        self._counts: Counter[str] = Counter()

    def forget(self) -> None:
        """Drop everything that was remembered or not yet written."""
        self.digest_change = 0
        self._interfaces = None
        self._islands.clear()
        self._pending.clear()
        self._absent.clear()
        self._counts.clear()

    def expect(self, public_keys: Iterable[str]) -> None:
        """Look many keys up at once: those that are nobody's are not asked for one by one."""
        wanted = set(public_keys) - self._pending.keys()
        found = self._connection.execute(_PEER_KNOWN, (codec.encode(list(wanted)).decode(),))
        self._absent |= wanted.difference(key.decode() for (key,) in found)

    def flush(self) -> None:
        """Write what was held back."""
        self._insert_pending()
        if self._counts:
            self._connection.executemany(
                sql.query("interface_count"),
                [(count, name) for name, count in self._counts.items()],
            )
            self._counts.clear()
        for islands in self._islands.values():
            islands.flush()

    def _insert_pending(self) -> None:
        if self._pending:
            # In order of keys, so that a bulk touches each page of the index once.
            ordered = [self._pending[key] for key in sorted(self._pending)]
            sql.insert_all(self._connection, "peer_insert", ordered)
            self._pending.clear()

    # What `decide` reads.

    def interface(self, name: str) -> Interface | None:
        """Return the interface, or None."""
        return self._all_interfaces().get(name)

    def interfaces(self) -> Iterable[Interface]:
        """Return all interfaces by name."""
        return list(self._all_interfaces().values())

    def interface_of_key(self, public_key: str) -> Interface | None:
        """Return the interface whose own key this is, or None."""
        for interface in self._all_interfaces().values():
            if interface.public_key == public_key:
                return interface
        return None

    def peer(self, public_key: str) -> Peer | None:
        """Return the peer, or None."""
        if (pending := self._pending.get(public_key)) is not None:
            return rows.decode_peer(pending.body.encode())
        if public_key in self._absent:
            return None
        found = self._connection.execute(_PEER_GET, (public_key,)).fetchone()
        return None if found is None else rows.decode_peer(found[0])

    def peers_of(self, interface: str) -> Iterator[Peer]:
        """Yield the peers of an interface by public key; ops may be applied meanwhile."""
        small = self.peer_count(interface) <= SMALL_INTERFACE_PEERS
        after = ""
        while True:
            self._insert_pending()
            page = self._connection.execute(
                _PAGE_OF_SMALL if small else _PAGE_OF_LARGE,
                (after, interface, SMALL_INTERFACE_PEERS if small else PAGE_PEERS),
            ).fetchall()
            for body, _ in page:
                yield rows.decode_peer(body)
            if not page:
                return
            after = page[-1][1].decode()

    def peer_count(self, interface: str) -> int:
        """Return how many peers an interface has."""
        found = self._connection.execute(sql.query("interface_peers"), (interface,)).fetchone()
        return self._counts[interface] + (0 if found is None else int(found[0]))

    def peer_at(self, interface: str, version: int, bounds: Bounds) -> Peer | None:
        """Return a peer of the interface whose range (IP `version` 4 or 6) meets `bounds`."""
        self._insert_pending()
        first, last = bounds
        found = self._connection.execute(
            _PEER_AT[version], (interface, rows.blob(version, last))
        ).fetchone()
        if found is None or found[1] < rows.blob(version, first):
            return None
        return rows.decode_peer(found[0])

    def islands(self, interface: str, version: int) -> SqliteIslands:
        """Return the used addresses: peers' ranges, and what no peer may have."""
        key = (interface, version)
        if (found := self._islands.get(key)) is None:
            found = self._islands[key] = SqliteIslands(self._connection, interface, version)
        return found

    def token(self, id: str) -> Token | None:
        """Return the token, or None."""
        found = self._connection.execute(sql.query("token_get"), (id,)).fetchone()
        return None if found is None else rows.decode_token(found[0])

    def tokens(self) -> Iterable[Token]:
        """Return all tokens by id."""
        found = self._connection.execute(sql.query("token_list")).fetchall()
        return [rows.decode_token(body) for (body,) in found]

    def _all_interfaces(self) -> dict[str, Interface]:
        if self._interfaces is None:
            found = self._connection.execute(sql.query("interface_list")).fetchall()
            listed = [rows.decode_interface(body) for (body,) in found]
            self._interfaces = {each.name: each for each in listed}
        return self._interfaces

    # How it changes.

    def apply_op(self, op: ops.Op, epoch: str, seq: int) -> None:
        """Apply the op that has position (`epoch`, `seq`)."""
        match op:
            case ops.PeerCreate():
                self._create_peer(op.peer, epoch, seq)
            case ops.PeerUpdate():
                self._update_peer(op.peer, epoch, seq)
            case ops.PeerDelete():
                self._delete_peer(op.public_key)
            case ops.InterfaceCreate():
                self._create_interface(op.interface, epoch, seq)
            case ops.InterfaceUpdate():
                self._update_interface(op.interface, epoch, seq)
            case ops.InterfaceDelete():
                self._delete_interface(op.name)
            case ops.TokenCreate():
                body = self._encode(op.token, epoch, seq)
                self._change("token_insert", (op.token.id, body.decode()))
            case ops.TokenUpdate():
                self._discount("token_get", op.token.id)
                body = self._encode(op.token, epoch, seq)
                self._change("token_update", (body.decode(), op.token.id))
            case ops.TokenDelete():
                self._discount("token_get", op.id)
                self._change("token_delete", (op.id,))
            case _:
                assert_never(op)

    def _encode(self, thing: Interface | Peer | Token, epoch: str, seq: int) -> bytes:
        """Return the stored bytes of a new or changed object, and count them."""
        body = rows.body_of(ops.stamped(thing, epoch, seq))
        self.digest_change += rows.digest_of(body)
        return body

    def _change(self, name: str, parameters: tuple[object, ...]) -> None:
        self._connection.execute(sql.query(name), parameters)

    def _discount(self, query: str, key: str) -> None:
        """Take an object that changes or goes out of the state digest."""
        found = self._connection.execute(sql.query(query), (key,)).fetchone()
        if found is None:
            raise errors.Damaged(f"state: {query.partition('_')[0]} {key!r} does not exist")
        self.digest_change -= rows.digest_of(found[0])

    def _create_peer(self, peer: Peer, epoch: str, seq: int) -> None:
        if peer.public_key in self._pending:
            raise errors.Damaged(f"state: peer {peer.public_key} exists")
        row = rows.peer_row(peer, self._encode(peer, epoch, seq))
        self._pending[peer.public_key] = row
        self._absent.discard(peer.public_key)
        self._counts[peer.interface] += 1
        if row.ip_first is not None and row.ip_last is not None:
            used = self.islands(peer.interface, 4)
            allocation.occupy(used, rows.bounds(row.ip_first, row.ip_last))
        if row.ip6_first is not None and row.ip6_last is not None:
            used = self.islands(peer.interface, 6)
            allocation.occupy(used, rows.bounds(row.ip6_first, row.ip6_last))
        if len(self._pending) >= PENDING_PEERS_MAX:
            self._insert_pending()

    def _stored_peer(self, public_key: str) -> rows.StoredPeer:
        self._insert_pending()
        found = self._connection.execute(_PEER_ROW, (public_key,)).fetchone()
        if found is None:
            raise errors.Damaged(f"state: peer {public_key} does not exist")
        return rows.StoredPeer(*found)

    def _update_peer(self, peer: Peer, epoch: str, seq: int) -> None:
        old = self._stored_peer(peer.public_key)
        self.digest_change -= rows.digest_of(old.body)
        new = rows.peer_row(peer, self._encode(peer, epoch, seq))
        self._move(peer.interface, 4, (old.ip_first, old.ip_last), (new.ip_first, new.ip_last))
        self._move(peer.interface, 6, (old.ip6_first, old.ip6_last), (new.ip6_first, new.ip6_last))
        self._change("peer_update", (*new[2:], old.number))

    def _delete_peer(self, public_key: str) -> None:
        old = self._stored_peer(public_key)
        interface = old.interface.decode()
        self.digest_change -= rows.digest_of(old.body)
        self._move(interface, 4, (old.ip_first, old.ip_last), (None, None))
        self._move(interface, 6, (old.ip6_first, old.ip6_last), (None, None))
        self._change("peer_delete", (old.number,))
        self._counts[interface] -= 1

    def _move(self, interface: str, version: int, old: rows.Blobs, new: rows.Blobs) -> None:
        """Release one range and occupy another."""
        if old == new:
            return
        islands = self.islands(interface, version)
        if old[0] is not None and old[1] is not None:
            allocation.release(islands, rows.bounds(old[0], old[1]))
        if new[0] is not None and new[1] is not None:
            allocation.occupy(islands, rows.bounds(new[0], new[1]))

    def _create_interface(self, interface: Interface, epoch: str, seq: int) -> None:
        body = self._encode(interface, epoch, seq)
        self._change("interface_insert", (interface.name, interface.port, body.decode()))
        self._interfaces = None
        for version in (4, 6):
            if cidr := addresses.cidr_of(interface.addresses, version):
                allocation.occupy_reserved(self.islands(interface.name, version), cidr)

    def _update_interface(self, interface: Interface, epoch: str, seq: int) -> None:
        old = self.interface(interface.name)
        if old is None:
            raise errors.Damaged(f"state: interface {interface.name!r} does not exist")
        self._discount("interface_get", interface.name)
        body = self._encode(interface, epoch, seq)
        self._change("interface_update", (interface.port, body.decode(), interface.name))
        self._interfaces = None
        for version in (4, 6):
            islands = self.islands(interface.name, version)
            if cidr := addresses.cidr_of(old.addresses, version):
                allocation.release_reserved(islands, cidr)
            if cidr := addresses.cidr_of(interface.addresses, version):
                allocation.occupy_reserved(islands, cidr)

    def _delete_interface(self, name: str) -> None:
        self.flush()
        self._discount("interface_get", name)
        self._change("island_of_interface_clear", (name,))
        self._change("interface_delete", (name,))
        self._interfaces = None
        for version in (4, 6):
            self._islands.pop((name, version), None)
