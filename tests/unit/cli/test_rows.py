"""Files of peers: what is read, and which line is named when something is wrong."""

import io

import pytest

from tests.builders import key
from wig import codec, errors
from wig.commands import AUTO, ImportPeers
from wig_cli import batches, rows

A, B = key("a"), key("b")


def read_json(text, interface=None, first_line=1):
    return list(rows.json_lines(rows.lines_of(io.BytesIO(text.encode())), interface, first_line))


def read_csv(text, interface=None, first_line=1):
    return list(rows.table(rows.lines_of(io.BytesIO(text.encode())), interface, first_line))


def test_json_lines_and_csv_say_the_same():
    """The same peers in both forms are the same commands."""
    from_json = read_json(
        f'{{"public_key":"{A}","interface":"wg0","ip":null,"name":"a,b"}}\n'
        f'{{"public_key":"{B}","interface":"wg0","enabled":false}}\n'
    )
    from_csv = read_csv(
        f'public_key,interface,ip,name,enabled\n{A},wg0,none,"a,b",\n{B},wg0,,,false\n'
    )

    assert [row.spec for row in from_json] == [row.spec for row in from_csv]
    assert [row.line for row in from_csv] == [2, 3]


def test_a_rate_in_csv_may_have_a_unit():
    """In JSON it is a number of bit/s."""
    from_json = read_json(f'{{"public_key":"{A}","rate_limit":1500000}}\n', interface="wg0")
    from_csv = read_csv(f"public_key,rate_limit\n{A},1.5M\n{B},none\n", interface="wg0")

    assert [row.spec.rate_limit for row in from_csv] == [1_500_000, None]
    assert from_json[0].spec == from_csv[0].spec


def test_absent_fields_have_their_defaults():
    """A key is enough: the addresses are the first free ones."""
    (row,) = read_json(f'{{"public_key":"{A}"}}\n', interface="wg0")

    assert (row.spec.interface, row.spec.ip, row.spec.ip6) == ("wg0", AUTO, AUTO)


def test_interface_in_the_line_wins():
    """--interface is for lines that name none."""
    (row,) = read_json(f'{{"public_key":"{A}","interface":"wg1"}}\n', interface="wg0")

    assert row.spec.interface == "wg1"


def test_empty_lines_are_skipped_and_counted():
    """The number of a line is its number in an editor."""
    found = read_json(f'\n{{"public_key":"{A}"}}\n\n{{"public_key":"{B}"}}', interface="wg0")

    assert [row.line for row in found] == [2, 4]


def test_lines_before_the_first_are_not_checked():
    """Resuming does not stumble over what was skipped."""
    found = read_json(f'nonsense\n{{"public_key":"{A}"}}\n', interface="wg0", first_line=2)

    assert [row.line for row in found] == [2]


def test_csv_resumes_behind_its_header():
    """The first line names the columns wherever the import resumes."""
    found = read_csv(f"public_key\n{A}\n{B}\n", interface="wg0", first_line=3)

    assert [row.spec.public_key for row in found] == [B]


BAD_JSON = [
    pytest.param("nonsense", "line 2: ", id="no JSON"),
    pytest.param("[1]", "line 2: ", id="no object"),
    pytest.param('{"interface":"wg0"}', "line 2: public_key: ", id="no key"),
    pytest.param('{"public_key":"AAAA"}', "line 2: public_key: 'AAAA' is not a key", id="key"),
    pytest.param(f'{{"public_key":"{A}","ipp":"x"}}', "line 2: ipp: ", id="unknown field"),
    pytest.param(f'{{"public_key":"{A}","ip":"10.0.0"}}', "line 2: ip: '10.0.0'", id="address"),
    pytest.param(f'{{"public_key":"{A}","ip":"10.0.0.1/24"}}', "line 2: ip: ", id="host bits"),
    pytest.param(f'{{"public_key":"{A}","enabled":1}}', "line 2: enabled: ", id="no boolean"),
    pytest.param(
        f'{{"public_key":"{A}","expire":"2030-01-01T00:00:00"}}', "line 2: expire: ", id="no zone"
    ),
    pytest.param(f'{{"public_key":"{A}","name":"a\\u0007"}}', "line 2: name: ", id="control"),
    pytest.param(
        f'{{"public_key":"{A}","preshared_key":"x"}}', "line 2: preshared_key: ", id="preshared"
    ),
]


@pytest.mark.parametrize(("line", "message"), BAD_JSON)
def test_wrong_json_line_is_named(line, message):
    """The error says which line, which field, and what is wrong with it."""
    good = f'{{"public_key":"{B}"}}'
    with pytest.raises(errors.Invalid) as found:
        read_json(f"{good}\n{line}\n{good}\n", interface="wg0")

    assert found.value.message.startswith(message)


BAD_CSV = [
    pytest.param(f"key\n{A}\n", "line 1: column: 'key' is not a field", id="unknown column"),
    pytest.param("name,name\nx,y\n", "line 1: column: a field is there twice", id="column twice"),
    pytest.param(f"public_key\n{A},x\n", "line 2: it has 2 cells instead of 1", id="cells"),
    pytest.param(f"public_key,enabled\n{A},1\n", "line 2: enabled: '1' is neither", id="boolean"),
    pytest.param(f'public_key,name\n{A},"x\n', "line 2: unexpected end of data", id="open quote"),
    pytest.param(f"public_key\n{A}\n\udcff\n", "line 3: it is not UTF-8", id="no text"),
]


@pytest.mark.parametrize(("text", "message"), BAD_CSV)
def test_wrong_csv_line_is_named(text, message):
    """The same for CSV, where the first line can be wrong too."""
    file = io.BytesIO(text.encode(errors="surrogateescape"))
    with pytest.raises(errors.Invalid) as found:
        list(rows.table(rows.lines_of(file), "wg0"))

    assert found.value.message.startswith(message)


def test_a_line_without_an_end_is_refused_early():
    """A file that is no list of peers does not fill the memory first."""
    with pytest.raises(errors.Invalid, match="line 1: is longer than"):
        read_json("x" * 100_000)


def test_missing_interface_says_what_to_do():
    """Neither the line nor the command names an interface."""
    with pytest.raises(errors.Invalid) as found:
        read_json(f'{{"public_key":"{A}"}}\n')

    assert found.value.hint == "put it into every line, or use --interface"


def some_rows(count):
    lines = "".join(f'{{"public_key":"{key(n)}"}}\n' for n in range(count))
    return read_json(lines, interface="wg0")


def test_batches_hold_no_more_objects_than_allowed():
    """One command has at most so many peers; the rest goes into the next."""
    found = list(batches.batches(some_rows(7), bytes_max=10**6, objects_max=3))

    assert [len(batch.rows) for batch in found] == [3, 3, 1]
    assert [batch.first_line for batch in found] == [1, 4, 7]


def test_batches_hold_no_more_bytes_than_allowed():
    """The encoded command stays under the limit of the server."""
    found = list(batches.batches(some_rows(50), bytes_max=1000))

    assert sum(len(batch.rows) for batch in found) == 50
    for batch in found:
        assert len(codec.encode(ImportPeers(request="r" * 64, peers=batch.peers()))) <= 1000
