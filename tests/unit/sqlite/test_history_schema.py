"""The sessions' tables have no room for an address, and its queries no slow walks."""

import ipaddress
import re
import sqlite3
from contextlib import closing
from itertools import product

import pytest

from tests.reports import Teller
from wig import stats
from wig.sqlite import history as module
from wig.sqlite import sql
from wig.sqlite.history import History
from wig.sqlite.history_reader import KIND, QUERIES

TEXTS = ["192.0.2.77", "2001:db8::77", "::ffff:192.0.2.77", "fe80::1%eth0", "192.0.2.77:51820"]
ADDRESSES = [*TEXTS, *(f"seen at {each}." for each in TEXTS)]
FREE = "anything at all, such as a note, or a name that a client chose: (ÅÄÖ)"

INTEGERS = {
    "meta": "id published last_peer last_session last_edge recorded_since",
    "gateway": "number heard until arrived interval_s",
    "boot": "gateway n arrived",
    "interface": "number",
    "organisation": "number asn",
    "peer": "number interface seen",
    "link": "peer gateway handshake received sent received_base sent_base visited seen",
    "session": "number interface begin end reason received sent organisation",
    "edge": "number session kind",
}
"""Every number that is stored, because an IPv4 address is one: think before you add to it."""


@pytest.fixture
def tables(tmp_path):
    """A connection to a database with a row in each table."""
    with History.open(tmp_path / "sessions.db") as history:
        sessions = history.load()
        report = Teller().tell(30, (1, 20, 1, 1, 1))
        sessions.observe(report, report.time)
        history.commit(sessions)
    with closing(sqlite3.connect(tmp_path / "sessions.db", isolation_level=None)) as connection:
        yield connection


def columns(tables, kinds):
    """Yield table and column of each column of these types."""
    names = tables.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    for (table,) in names:
        for _, column, kind, *_ in tables.execute(f"PRAGMA table_info({table})").fetchall():
            if kind in kinds:
                yield table, column


def accepted(tables, value):
    """Return the columns that are not numbers and take `value`."""
    found = []
    for table, column in columns(tables, {"TEXT", "BLOB", "ANY", "REAL"}):
        try:
            tables.execute(f'UPDATE {table} SET "{column}" = ?', (value,))
        except sqlite3.IntegrityError:
            continue
        found.append((table, column))
    return found


def packed():
    for each in ("192.0.2.77", "2001:db8::77", "::ffff:192.0.2.77"):
        address = ipaddress.ip_address(each)
        yield address.packed
        yield address.exploded.replace(":", "") if address.version == 6 else address.packed.hex()


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_column_takes_an_address_as_text(tables, address):
    """Alone or in a sentence, with a port or without."""
    assert accepted(tables, address) == []


@pytest.mark.parametrize("address", [each for each in packed() if len(each) > 8])
def test_no_column_takes_a_packed_address(tables, address):
    """As bytes, or as their hexadecimal digits, but where names of gateways are."""
    names = [("gateway", "name"), ("organisation", "name"), ("session", "gateways")]

    assert sorted(accepted(tables, address)) == (names if isinstance(address, str) else [])


def test_no_column_is_free_text(tables):
    """But the name of an organisation, which comes from the GeoIP file of the operator."""
    assert accepted(tables, FREE[:60]) == [("organisation", "name")]
    assert accepted(tables, FREE) == []


def test_every_organisation_of_a_report_can_be_stored(tables):
    """A report that a table refuses would come again for ever, and stop all others."""
    short = [*product("1.a", repeat=8), *product("1:a ", repeat=4)]
    names = {"".join(each) for each in short} | {"AC: Cloud: EU", "v1.2 of 3.4 and 5.6"}
    allowed = {name for each in names if (name := stats.place("SE", 64500, each).organisation)}

    assert len(allowed) > len(names) / 2
    for name in allowed:
        tables.execute("UPDATE organisation SET name = ?", (name,))


def test_no_column_takes_bytes(tables):
    """What is in them cannot be seen at 3 am either."""
    assert accepted(tables, b"1234") == []


def test_every_number_is_one_that_somebody_thought_about(tables):
    """An address of IPv4 would fit into any of them."""
    found = {}
    for table, column in columns(tables, {"INTEGER"}):
        found.setdefault(table, []).append(column)

    assert {table: " ".join(names) for table, names in found.items()} == INTEGERS


@pytest.mark.parametrize("kind", ["TEXT", "BLOB", "ANY"])
@pytest.mark.parametrize("table", ["session", "link", "peer", "gateway"])
def test_a_new_column_for_an_address_is_noticed(tables, table, kind):
    """The tests above can fail."""
    tables.execute(f"ALTER TABLE {table} ADD COLUMN endpoint {kind}")

    found = accepted(tables, "192.0.2.77:51820") + accepted(tables, b"1234")
    assert (table, "endpoint") in found


def test_every_table_is_strict():
    """SQLite checks the types that Python assumes."""
    schema = sql.schema(KIND.schema)
    options = re.findall(r"^CREATE TABLE .*?^\)(.*?);", schema, re.MULTILINE | re.DOTALL)

    assert len(options) == len(INTEGERS)
    assert all("STRICT" in each for each in options)


def test_a_peer_never_has_two_open_sessions(tables):
    """Whatever the program thinks."""
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        tables.execute(
            'INSERT INTO session (number, id, peer, interface, "begin", gateways) '
            'SELECT 2, id, peer, interface, "begin", gateways FROM session'
        )


AT_START = {"gateway_all", "boot_all", "interface_all", "organisation_all", "peer_all"}
AT_START |= {"link_prune", "session_open"}
SELDOM = AT_START | {"clamp_peer", "clamp_link"}  # when somebody sets the hub's clock back
SMALL = re.compile("SCAN (gateway|boot|interface|organisation)")


@pytest.mark.parametrize("name", sorted(set(QUERIES) - SELDOM))
def test_no_query_walks_over_all_peers_sessions_or_edges(tables, name):
    """A million of them must not be slower than a thousand."""
    statement = QUERIES[name].replace("{where}", "TRUE")
    parameters = (1,) * (1 if "?1" in statement else statement.count("?"))
    plan = tables.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()

    for *_, step in plan:
        assert not re.match(r"SCAN (peer|session|edge|link)\b(?! USING)", step), step


def test_every_query_is_named_once_described_and_used():
    """What nobody asks for is not kept."""
    folder = module.Path(module.__file__).parent
    text = (folder / "history_queries.sql").read_text()
    source = "".join(each.read_text() for each in folder.glob("history*.py"))

    assert len(re.findall(r"^-- name: (\w+)\n-- [A-Z].*[.;]\n", text, re.MULTILINE)) == len(QUERIES)
    assert [name for name in QUERIES if f'"{name}"' not in source] == []
