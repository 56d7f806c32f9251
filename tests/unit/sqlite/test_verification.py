"""`verify` finds whatever is not as it should be, and says where."""

import sqlite3

import pytest

from tests import datastores
from tests.builders import create_interface, create_peer, key, spec
from wig import errors, sqlite
from wig.commands import ImportPeers


@pytest.fixture
def path(tmp_path):
    """A closed database with three peers, in a file without a WAL."""
    path = tmp_path / "wig.db"
    commands = create_interface(), ImportPeers(peers=(spec(1), spec(2, ip="10.0.0.8/29")))
    with datastores.make(path, *commands) as datastore:
        datastores.commit(datastore, datastores.request(create_peer(3, name="plain"), "r1"))
    return path


def change(path, *statements):
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_sound_database_is_reported(path):
    """What was found right, and how long it took."""
    report = sqlite.verify(path)

    assert (report.entries, report.base, report.position.seq) == (5, 0, 5)
    assert (report.interfaces, report.peers, report.tokens, report.requests) == (1, 3, 1, 1)
    assert report.seconds >= 0


def test_progress_is_told(path):
    """What is being checked."""
    seen = []

    sqlite.verify(path, lambda what, count: seen.append((what, count)))

    assert [what for what, _ in seen] == [
        "pages", "entries", "interfaces", "peers", "tokens", "addresses of wg0",
        "addresses of wg0", "outcomes",
    ]  # fmt: skip


PLAIN = f"WHERE public_key = '{key(3)}'"


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        pytest.param(
            "UPDATE entry SET payload = CAST(payload || ' ' AS BLOB) WHERE seq = 3",
            "log: entry 3 does not match its digest",
            id="payload",
        ),
        pytest.param(
            "UPDATE entry SET digest = zeroblob(32) WHERE seq = 5",
            "log: entry 5 does not match its digest",
            id="digest",
        ),
        pytest.param("DELETE FROM entry WHERE seq = 4", "entry 5 follows entry 3", id="gap"),
        pytest.param("DELETE FROM entry WHERE seq = 5", "ends at entry 4", id="end-of-log"),
        pytest.param("UPDATE entry SET time = 0 WHERE seq = 2", "entry 2 does not", id="time"),
        pytest.param(
            f"UPDATE peer SET body = replace(body, 'plain', 'plane') {PLAIN}",
            f"peer {key(3)}: it is not what entry 5 made it",
            id="body",
        ),
        pytest.param(
            f"UPDATE peer SET body = replace(body, ':5', ':4') {PLAIN}",
            f"peer {key(3)}: it is not what entry 4 made it",
            id="revision",
        ),
        pytest.param(
            f"UPDATE peer SET body = replace(body, ':5', ':2') {PLAIN}",
            "it is not what entry 2 made it",
            id="revision-of-another-kind",
        ),
        pytest.param(
            f"UPDATE peer SET body = replace(body, ':5', ':9') {PLAIN}",
            "its revision '.*:9' is not in the log",
            id="revision-of-the-future",
        ),
        pytest.param(
            f"UPDATE peer SET body = '{{' || body {PLAIN}",
            f"peer: what is stored is not one: .* \\({key(3)}\\)",
            id="json",
        ),
        pytest.param(
            f"UPDATE peer SET expire = 1 {PLAIN}", "it does not match its row", id="column"
        ),
        pytest.param(
            f"UPDATE peer SET body = replace(body, ',', ', ') {PLAIN}",
            "it does not match its row",
            id="not-canonical",
        ),
        pytest.param(f"DELETE FROM peer {PLAIN}", "numbers of peers", id="peer-lost"),
        pytest.param(
            "UPDATE interface SET port = 1", "interface wg0: it does not match", id="port"
        ),
        pytest.param("DELETE FROM token", "do not match the state digest", id="token-lost"),
        pytest.param(
            "UPDATE meta SET state_digest = zeroblob(32)", "the state digest", id="state-digest"
        ),
        pytest.param("UPDATE meta SET digest = zeroblob(32)", "log: it ends", id="position"),
        pytest.param(
            "DELETE FROM island WHERE version = 6",
            "interface 'wg0': its used IPv6 addresses",
            id="island-lost",
        ),
        pytest.param(
            "UPDATE island SET last = x'0a000004' WHERE first = x'0a000000'",
            "used IPv4 addresses",
            id="island-longer",
        ),
        pytest.param(
            "UPDATE interface SET name = 'wg1'", "file: a (peer|island) names no interface", id="fk"
        ),
        pytest.param("UPDATE meta SET epoch = 'e9'", "lineage: it does not end", id="epoch"),
        pytest.param("UPDATE lineage SET parent = 'e0'", "lineage: epoch", id="lineage"),
        pytest.param(
            "UPDATE request SET reply = x'00'", "'r1' of 'admin': its outcome", id="outcome"
        ),
        pytest.param("UPDATE request SET head = 99", "'r1' of 'admin'", id="outcome-of-future"),
        pytest.param("DELETE FROM meta", "meta", id="no-head"),
        pytest.param("DROP TABLE island", "'island' is not defined", id="no-table"),
    ],
)
def test_damage_is_found_and_named(path, statement, message):
    """One statement each, that no wig would execute."""
    change(path, statement)

    with pytest.raises(errors.WigError, match=message) as caught:
        sqlite.verify(path)

    assert isinstance(caught.value, errors.Damaged)


def test_two_owners_of_an_address_are_found(path):
    """Even when every column agrees with its body."""
    change(
        path,
        f"UPDATE peer SET ip_first = x'0a000009', ip_last = x'0a000009' {PLAIN}",
        f"UPDATE peer SET body = replace(body, '10.0.0.3', '10.0.0.9') {PLAIN}",
        "UPDATE meta SET base_seq = seq, base_digest = digest",
        "DELETE FROM entry",
    )
    total = sum_of_digests(path)
    change(path, f"UPDATE meta SET state_digest = x'{total:064x}'")

    with pytest.raises(errors.Damaged, match="interface 'wg0': two owners"):
        sqlite.verify(path)


def sum_of_digests(path):
    from wig.sqlite import rows  # noqa: PLC0415

    connection = sqlite3.connect(path)
    bodies = [
        body.encode()
        for table in ("interface", "peer", "token")
        for (body,) in connection.execute(f"SELECT body FROM {table}")
    ]
    connection.close()
    return sum(map(rows.digest_of, bodies)) % (1 << 256)


def test_every_flipped_byte_of_a_page_is_found_or_harmless(path):
    """No traceback, and no change of contents that goes unnoticed."""
    sound = path.read_bytes()
    with sqlite.Datastore.open(path) as datastore:
        contents = datastores.contents(datastore), datastore.records(0, 99)
    found = 0
    for offset in range(0, len(sound), 499):
        spoiled = bytearray(sound)
        spoiled[offset] ^= 0x55
        path.write_bytes(spoiled)
        try:
            sqlite.verify(path)
        except errors.WigError:
            found += 1
        else:
            with sqlite.Datastore.open(path) as datastore:
                assert (datastores.contents(datastore), datastore.records(0, 99)) == contents
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)

    assert found > 12
