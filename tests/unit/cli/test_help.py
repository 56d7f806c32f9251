"""The help and what it costs, and answers to wrong usage."""

import argparse
import shlex
import subprocess
import sys

import pytest

from wig_cli import main

HEAVY = ("nats", "asyncio", "msgspec", "sqlite3", "sqlite_utils", "rich", "pyroute2", "segno")


def modules_after(*words: str) -> set[str]:
    """Run the program in a new interpreter and return what it imported."""
    script = (
        "import sys; from wig_cli.main import main; code = main(sys.argv[1:]);"
        "print(*sorted(sys.modules), sep='\\n', file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("words", [("--help",), ("completion", "--help")], ids=" ".join)
def test_help_loads_nothing_heavy(words):
    """The help costs an interpreter and argparse, whatever else wig can do."""
    assert modules_after(*words).isdisjoint(HEAVY)


def test_help_of_a_group_does_not_load_the_bus():
    """Looking up an option of `wig peer create` does not import nats-py."""
    assert modules_after("peer", "create", "--help").isdisjoint({"nats", "rich", "segno"})


def commands(parser, at=("wig",)):
    """Yield the words of each command, and its parser."""
    parser.fill()
    inner = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    yield at, parser
    for action in inner:
        for name, one in action.choices.items():
            yield from commands(one, (*at, name))


COMMANDS = dict(commands(main.parser()))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_argument_is_explained(words):
    """Nobody has to guess what a word on the command line does."""
    actions = COMMANDS[words]._actions

    silent = [one for one in actions if not one.help and one.metavar != "COMMAND"]
    assert [one.option_strings or one.dest for one in silent if one.metavar != "[COMMAND]"] == []


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_examples_are_of_this_program(words):
    """There is one for each command that does something, and its options are known."""
    parser = COMMANDS[words]
    text = (parser.epilog or "").replace("\\\n", "")
    examples = [shlex.split(one, comments=True) for one in text.splitlines() if "  wig" in one]

    assert examples or parser.get_default("run") is None
    for example in examples:
        found = max((at for at in COMMANDS if example[: len(at)] == [*at]), key=len)
        known = COMMANDS[found]._option_string_actions
        assert [one for one in example if one.startswith("--") and one not in known] == []
