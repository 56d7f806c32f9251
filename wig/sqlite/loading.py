"""Everything replaced by a snapshot. Called by `Datastore.load`, inside its transaction."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import assert_never

from wig import errors, log
from wig.model import Interface, Object, Peer, Token
from wig.snapshot import Header
from wig.sqlite import crash, islands, meta, rows, sql
from wig.sqlite.transaction import Transaction

BATCH_OBJECTS = 1000  # bounds the memory: about 1 MB
_CLEARED = ("entry", "request", "island", "peer", "token", "interface", "lineage")


def load(transaction: Transaction, header: Header, objects: Iterable[Object]) -> None:
    """Replace state, log, outcomes and lineage; raise `Damaged` if the objects are not whole."""
    connection = transaction.connection
    for table in _CLEARED:
        connection.execute(sql.query(f"{table}_clear"))
    crash.point("load: cleared")
    indexes = connection.execute(sql.query("peer_indexes")).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name.decode()}")
    total = _insert(transaction, header, objects)
    crash.point("load: objects stored")
    for _, statement in indexes:
        connection.execute(statement.decode())
    connection.execute(sql.query("interface_count_peers"))
    crash.point("load: indexes made")
    transaction.view.forget()
    for interface in transaction.view.interfaces():
        _insert_islands(transaction, interface)
    crash.point("load: islands stored")
    _set_head(transaction, header, total)
    crash.point("load: head stored")


def _insert(transaction: Transaction, header: Header, objects: Iterable[Object]) -> int:
    """Store all objects; return the sum of their digests."""
    remaining = iter(objects)
    total = count = 0
    while batch := list(islice(remaining, BATCH_OBJECTS)):
        bodies = [rows.body_of(thing) for thing in batch]
        total = log.state_digest_add(total, sum(map(rows.digest_of, bodies)))
        count += len(batch)
        _insert_batch(transaction, batch, bodies)
    if count != header.objects:
        raise errors.Damaged(f"snapshot: {count} objects instead of {header.objects}")
    if log.state_digest_text(total) != header.state_digest:
        raise errors.Damaged("snapshot: its objects do not match its state digest")
    return total


def _insert_batch(transaction: Transaction, batch: list[Object], bodies: list[bytes]) -> None:
    peers = []
    connection = transaction.connection
    for thing, body in zip(batch, bodies, strict=True):
        match thing:
            case Peer():
                peers.append(rows.peer_row(thing, body))
            case Interface():
                connection.execute(
                    sql.query("interface_insert"), (thing.name, thing.port, body.decode())
                )
            case Token():
                connection.execute(sql.query("token_insert"), (thing.id, body.decode()))
            case _:
                assert_never(thing)
    sql.insert_all(connection, "peer_insert", peers)


def _insert_islands(transaction: Transaction, interface: Interface) -> None:
    connection = transaction.connection
    for version in (4, 6):
        connection.executemany(
            sql.query("island_put"), _island_rows(transaction, interface, version)
        )


def _island_rows(
    transaction: Transaction, interface: Interface, version: int
) -> Iterator[tuple[str, int, bytearray, bytearray]]:
    for first, last in islands.sweep(transaction.connection, interface, version):
        yield interface.name, version, rows.blob(version, first), rows.blob(version, last)


def _set_head(transaction: Transaction, header: Header, total: int) -> None:
    position = header.position
    digest = bytes.fromhex(position.digest)
    transaction.connection.execute(
        sql.query("meta_load"),
        (
            header.database, position.epoch, position.seq, digest, meta.digest_blob(total),
            position.seq, digest,
        ),
    )  # fmt: skip
    for fork in header.lineage:
        meta.add_fork(transaction.connection, fork)
    transaction.head = meta.read(transaction.connection)
    transaction.lineage = header.lineage
