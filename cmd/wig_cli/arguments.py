"""Parsers that load their group only when it is called, and complain in the words of wig.

Called by `main` and by each group's module. **Invariant:** only the standard library is
imported here, so that `wig --help` costs next to nothing.
"""

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NoReturn

from wig_cli import settings

COMMON = (
    "server", "token_file", "identity", "tls_ca", "tls_cert", "tls_key", "config", "output",
    "timeout", "node",
)  # fmt: skip
"""Of commands that ask the primary, and of nodes."""
LOCAL = ("config", "output")
"""Of commands that work on this host alone."""
WIDTH_MAX = 100
QUIET = 0
"""Of commands: what goes wrong is in their error."""
WARNINGS = 1
STORY = 2
"""Of programs that run for ever: their log is all that they say."""


class UsageError(Exception):
    """The command line is wrong: exit code 2."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        """Keep the sentence and what to do now."""
        self.message = message
        self.hint = hint
        super().__init__(message)


class Parser(argparse.ArgumentParser):
    """An argument parser that fills itself on first use and raises `UsageError`."""

    def __init__(self, *, load: str | None = None, **options: Any) -> None:
        """Remember where a group's arguments are defined, as `module:function`."""
        options.setdefault("formatter_class", _formatter)
        super().__init__(allow_abbrev=False, **options)
        self._load = load

    def fill(self) -> None:
        """Add the arguments of the group; the second call does nothing."""
        if self._load is not None:
            add, self._load = loaded(self._load), None
            add(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Fill, then parse."""
        self.fill()
        return super().parse_known_args(args, namespace)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse everything; what is left over is a mistake of the command that it was given to."""
        options, left = self.parse_known_args(args, namespace)
        if left:
            problem = "unknown option" if left[0].startswith("-") else "one argument too many"
            options.parser.error(f"{left[0]!r}: {problem}")
        return options

    def format_help(self) -> str:
        """Begin with what must be given; the options follow with what they mean."""
        options = [a for a in self._actions if a.option_strings and a.required]
        names = [f"{action.option_strings[0]} {_shown(action)}" for action in options]
        names += [_shown(action) for action in self._actions if not action.option_strings]
        self.usage = " ".join(("%(prog)s", "[OPTIONS]", *names)).replace("%%", "%")
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage: the answer to a mistake is one line and a hint."""
        raise UsageError(_in_our_words(message), hint=f"{self.prog} --help")


def check_text(options: argparse.Namespace) -> None:
    """Raise `UsageError` for a word that is no text: nothing could hold it, or show it."""
    for action in options.parser._actions:  # noqa: SLF001 - no public way to ask
        value = getattr(options, action.dest, None)
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, str) and not one.isascii() and _has_surrogate(one):
                label = action.option_strings[0] if action.option_strings else _shown(action)
                shown = one.encode(errors="surrogateescape").decode(errors="backslashreplace")
                raise UsageError(f"{label}: '{shown}' is not UTF-8")


def _has_surrogate(text: str) -> bool:
    """Say whether Python put something there for bytes that it could not decode."""
    return any("\ud800" <= one <= "\udfff" for one in text)


def loaded(place: str) -> Callable[..., Any]:
    """Return the function at `module:function`."""
    module, _, function = place.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found


def _in_our_words(message: str) -> str:
    """Turn argparse's `argument --port: invalid int value: 'x'` into `--port: …`."""
    text = message.removeprefix("argument ")
    if text.startswith("the following arguments are required: "):
        names = text.partition(": ")[2]
        return f"{names}: needed, but not given"
    return text


def _shown(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest)
    return f"[{name}]" if action.nargs == argparse.OPTIONAL else name


def _formatter(prog: str) -> argparse.HelpFormatter:
    width = min(WIDTH_MAX, import_module("shutil").get_terminal_size().columns) - 2
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=28, width=width)


def add_common(
    parser: argparse.ArgumentParser, names: Sequence[str] = COMMON, *, hidden: bool = False
) -> None:
    """Add what commands have in common, to be given before and after their names.

    `hidden` leaves them out of the help, where another level of the command shows them.
    """
    group = parser.add_argument_group(None if hidden else "common options")
    settings.add(group, *names, hidden=hidden)
    group.add_argument(
        "-v", "--verbose", action="count", default=argparse.SUPPRESS,
        help=argparse.SUPPRESS if hidden else "say more; -vv: everything",
    )  # fmt: skip


def verbs(parser: argparse.ArgumentParser) -> Any:
    """Start the list of a group's verbs."""
    parser.set_defaults(run=None, parser=parser)
    add_common(parser, hidden=True)
    return parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)


def verb(
    group: Any,
    name: str,
    run: Callable[..., Any] | str,
    *,
    help: str,
    examples: Sequence[str] = (),
    text: str = "",
    remote: bool = True,
    check: str | None = None,
) -> Parser:
    """Add a verb to its group and return its parser.

    `run` is called with (session, options) when `remote`, else with (options); `module:function`
    is loaded then, for what the help can do without. `check` is called with (options) before
    anything is connected.
    """
    parser: Parser = group.add_parser(name, help=help)
    describe(parser, run, help=help, examples=examples, text=text, remote=remote)
    parser.set_defaults(check=check)
    return parser


def describe(
    parser: argparse.ArgumentParser,
    run: Callable[..., Any] | str,
    *,
    help: str,
    examples: Sequence[str] = (),
    text: str = "",
    remote: bool = False,
    loudness: int = QUIET,
    common: Sequence[str] | None = None,
) -> None:
    """Say what a parser is for and what it runs.

    `common` are the common options that mean something to it; None: those of its kind.
    `loudness` is how much it logs without -v.
    """
    parser.description = f"{help[0].upper()}{help[1:]}.\n{text and chr(10) + text.strip()}"
    if examples:
        parser.epilog = "examples:\n" + "\n".join(f"  {line}" for line in examples)
    parser.set_defaults(run=run, remote=remote, loudness=loudness, check=None, parser=parser)
    add_common(parser, common or (COMMON if remote else LOCAL))


def needed(options: argparse.Namespace, name: str) -> str:
    """Return a setting that this command cannot do without; raise `UsageError` if it is absent."""
    value = getattr(options, name)
    if not value:
        flag = f"--{name.replace('_', '-')}"
        raise UsageError(
            f"{flag}: needed, but not given", hint=f"{settings.SETTINGS[name].help};"
            f" also {settings.variable(name)}, or {name} in the file of --config",
        )  # fmt: skip
    return str(value)
