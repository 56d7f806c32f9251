"""Wrong usage: exit code 2, one line that names the option, and a hint."""

import json

import pytest

from wig_cli.main import GROUPS, main, parser

KEY = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="

WRONG = [
    pytest.param([], "COMMAND: needed", id="no command"),
    pytest.param(["peer"], "COMMAND: needed", id="no verb"),
    pytest.param(["nonsense"], "'nonsense'", id="unknown command"),
    pytest.param(["peer", "nonsense"], "'nonsense'", id="unknown verb"),
    pytest.param(["peer", "create"], "INTERFACE: needed", id="missing argument"),
    pytest.param(["peer", "list", "--colour"], "'--colour': unknown option", id="unknown option"),
    pytest.param(["peer", "list", "wg0"], "'wg0': one argument too many", id="one too many"),
    pytest.param(["peer", "list", "--int", "wg0"], "--int", id="no abbreviations"),
    pytest.param(
        ["interface", "create", "wg0", "--port", "high", "--address", "10.0.0.1/24"],
        "--port: 'high' is not a whole number", id="port is no number",
    ),
    pytest.param(["interface", "create", "wg0"], "--address: needed", id="no address"),
    pytest.param(
        ["peer", "create", "wg0", "--expire", "tomorrow"],
        "--expire: 'tomorrow' is not a time", id="expire is no time",
    ),
    pytest.param(
        ["peer", "create", "wg0", "--expire", "2030-01-31"],
        "--expire: '2030-01-31' has no time zone", id="expire without a zone",
    ),
    pytest.param(
        ["peer", "create", "wg0", "--private-key-file", "/does/not/exist"],
        "--private-key-file: '/does/not/exist' cannot be read: No such file", id="no key file",
    ),
    pytest.param(
        ["peer", "create", "wg0", "--public-key", KEY, "--private-key-file", "x"],
        "--private-key-file:", id="two keys",
    ),
    pytest.param(
        ["peer", "delete", KEY, "--request", "x" * 65], "has 65 characters", id="long request id"
    ),
    pytest.param(
        ["peer", "create", "wg0", "--request", "r1"], "--request: needs keys from files",
        id="a repeat with another key",
    ),
    pytest.param(
        ["peer", "create", "wg0", "--public-key", KEY, "--preshared-key", "--request", "r1"],
        "--request: needs keys from files", id="a repeat with another preshared key",
    ),
    pytest.param(
        ["peer", "create", "wg0", "--allowed-ips", "10.0.0.0/8,home"],
        "--allowed-ips: 'home' is not an IP address", id="allowed IPs",
    ),
    pytest.param(
        ["peer", "create", "wg0", "--endpoint", "192.0.2.1:70000"],
        "--endpoint: '192.0.2.1:70000' is not a host name or address", id="port of an endpoint",
    ),
    pytest.param(["peer", "list", "--output", "xml"], "--output: 'xml' is not one of", id="output"),
    pytest.param(["status", "--timeout", "0"], "--timeout: '0' is not", id="time-out of 0"),
    pytest.param(["status", "--config", "/no/file"], "config: '/no/file'", id="no settings file"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), WRONG)
def test_wrong_usage_is_exit_code_2_and_one_line(words, message, capsys):
    """Every mistake on the command line is answered with what is wrong, never a traceback."""
    code = main(words)

    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert code == 2
    assert not out
    assert lines[0].startswith("wig: ")
    assert message in lines[0]
    assert [line.partition(":")[0] for line in lines[1:]] in ([], ["hint"])


@pytest.mark.parametrize("place", [0, 1, 2, 4], ids=["first", "second", "third", "last"])
def test_common_options_stand_anywhere(place, capsys, tmp_path):
    """`wig --output json X`, `wig X --output json` and so on are the same."""
    words = ["peer", "list", "--config", str(tmp_path / "missing")]
    words[place:place] = ["--output", "json"]

    code = main(words)

    assert code == 2
    assert "config: " in json.loads(capsys.readouterr().err)["error"]["message"]


def test_usage_error_in_json_is_one_object(capsys):
    """A program reads the error as JSON when it asked for JSON."""
    main(["peer", "create", "--output", "json"])

    assert json.loads(capsys.readouterr().err) == {
        "error": {
            "code": "usage",
            "message": "INTERFACE: needed, but not given",
            "field": None,
            "hint": "wig peer create --help",
        }
    }


def test_the_hint_names_the_command_that_was_meant(capsys):
    """The help of the whole program would not say what is wrong."""
    main(["peer", "create", "wg0", "alice"])

    assert capsys.readouterr().err.splitlines()[1] == "hint: wig peer create --help"


def every_command():
    """Return the words of every command and verb."""
    found = []
    for name, choice in _choices(parser()).items():
        choice.fill()
        verbs = _choices(choice)
        found += [(name, verb) for verb in verbs] or [(name,)]
    return found


def _choices(one):
    return next((a.choices for a in one._actions if hasattr(a, "_choices_actions")), {})


def test_the_table_of_commands_is_what_the_design_promises():
    """Nothing of the documented program is missing."""
    expected = "up init datastore gateway interface peer token status log backup verify completion"

    assert set(expected.split()) <= set(GROUPS)


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_every_command_has_help(words, capsys):
    """Each command says what it is for and exits with 0."""
    assert main([*words, "--help"]) == 0

    text = capsys.readouterr().out
    assert text.startswith(f"usage: wig {' '.join(words)}")
    assert "--output" in text
