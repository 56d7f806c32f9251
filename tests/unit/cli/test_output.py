"""What people and programs read."""

import argparse
import io
import json

import pytest

from wig_cli import output

TABLE = argparse.Namespace(output="table")
JSON = argparse.Namespace(output="json")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_columns_are_aligned(capsys):
    """Cells of a column begin at the same place."""
    output.Table("name", "port").rows([["wg0", 1], ["a-long-name", 51820]])

    assert capsys.readouterr().out == ("name         port\nwg0          1\na-long-name  51820\n")


def test_a_later_page_repeats_no_header(capsys):
    """A list that comes in pages looks like one table."""
    table = output.Table("name")
    table.rows([["a"]])
    table.rows([["b"]])

    assert capsys.readouterr().out == "name\na\nb\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        (True, "yes"),
        (False, "no"),
        ([], "-"),
        (["a", "b"], "a, b"),
        ("2026-01-31T12:00:00.123456Z", "2026-01-31T12:00:00Z"),
        ("1.5", "1.5"),
    ],
)
def test_cells_are_for_people(capsys, value, text):
    """Nothing, truth, lists and times have a form that people read."""
    output.Table("x").rows([[value]])

    assert capsys.readouterr().out == f"x\n{text}\n"


def test_control_characters_do_not_reach_the_terminal(capsys):
    """A description cannot move the cursor or change colours."""
    output.Table("x").rows([["\x1b[31mred\r\n"]])
    output.failure(TABLE, code="invalid", message="name: '\x1b[2J'")

    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert out.count("\n") == 2


def test_colour_is_for_terminals_only(monkeypatch):
    """A pipe gets plain text, and so does who set NO_COLOR."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert output.bold("x", Terminal()) == "\x1b[1mx\x1b[0m"
    assert output.bold("x", io.StringIO()) == "x"

    monkeypatch.setenv("NO_COLOR", "1")
    assert output.bold("x", Terminal()) == "x"


def test_failure_is_one_line_and_a_hint(capsys):
    """Field, value and rule in one line, what to do in the next, nothing on stdout."""
    output.failure(TABLE, code="invalid", message="port: '0' is wrong", field="port", hint="try 1")

    out, err = capsys.readouterr()
    assert (out, err) == ("", "wig: port: '0' is wrong\nhint: try 1\n")


def test_failure_in_json_has_all_its_parts(capsys):
    """Programs get code, message, field and hint, always all four."""
    output.failure(JSON, code="invalid", message="port: '0' is wrong", field="port")

    assert json.loads(capsys.readouterr().err) == {
        "error": {"code": "invalid", "message": "port: '0' is wrong", "field": "port", "hint": None}
    }


@pytest.mark.parametrize("sizes", [[], [0], [1], [2, 0, 3]], ids=str)
async def test_an_array_in_pages_is_one_document(capsys, sizes):
    """However many pages there are, and empty ones among them, it is valid JSON."""

    async def pages():
        for size in sizes:
            yield [{"n": n} for n in range(size)]

    await output.array("peers", pages())

    assert len(json.loads(capsys.readouterr().out)["peers"]) == sum(sizes)


def test_what_was_deleted_is_counted(capsys):
    """The counts are words for people, and complete for programs."""
    output.deleted(TABLE, {"deleted": {"interfaces": 1, "peers": 2}})
    assert capsys.readouterr().err == "deleted: 1 interface, 2 peers\n"

    output.deleted(JSON, {"deleted": {"peers": 1}})
    assert json.loads(capsys.readouterr().out) == {
        "deleted": {"interfaces": 0, "peers": 1, "tokens": 0}
    }


def test_results_and_notes_do_not_mix(capsys):
    """What a pipe gets is the result alone."""
    output.note("created")

    assert capsys.readouterr() == ("", "created\n")
