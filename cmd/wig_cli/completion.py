"""`wig completion`: scripts that complete commands and options, for three shells.

Loaded by `main`. The words come from the parsers themselves, so they never lag behind.
"""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

from wig_cli import arguments, settings

BASH = """\
# bash completion for wig; put it into /etc/bash_completion.d or source it
declare -gA _wig_words=(
{words}
)
declare -gA _wig_options=(
{options}
)
declare -gA _wig_values=(
{values}
)
_wig() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} at=wig i
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ ${{_wig_options["$at ${{COMP_WORDS[i]}}"]}} ]] && at+=" ${{COMP_WORDS[i]}}"
  done
  local words=${{_wig_words[$at]:-FILE}}
  if [[ ${{_wig_values["$at $before"]+known}} ]]; then
    words=${{_wig_values["$at $before"]}}
  elif [[ $word == -* ]]; then
    words=${{_wig_options[$at]}}
  fi
  if [[ $words == FILE ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  else
    COMPREPLY=($(compgen -W "$words" -- "$word"))
  fi
}}
complete -o filenames -F _wig wig
"""

ZSH = """\
#compdef wig
# zsh completion for wig; put it as _wig into a directory of $fpath
_wig() {{
  local -A next options values
  next=(
{words}
  )
  options=(
{options}
  )
  values=(
{values}
  )
  local at=wig i
  for ((i = 2; i < CURRENT; i++)); do
    [[ -n ${{options[$at ${{words[i]}}]}} ]] && at+=" ${{words[i]}}"
  done
  local option="$at ${{words[CURRENT - 1]}}"
  local value=${{values[$option]}}
  if [[ $value == FILE ]]; then
    _files
  elif (( ${{+values[$option]}} )); then
    compadd -- ${{=value}}
  elif [[ ${{words[CURRENT]}} == -* ]]; then
    compadd -- ${{=options[$at]}}
  elif [[ -n ${{next[$at]}} ]]; then
    compadd -- ${{=next[$at]}}
  else
    _files
  fi
}}
_wig "$@"
"""

FILE = "FILE"
"""As the value of an option: the name of a file."""


def completion(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `wig completion`."""
    arguments.describe(
        parser, run_completion, help="print a completion script for bash, zsh or fish",
        examples=(
            "wig completion bash > /etc/bash_completion.d/wig",
            "wig completion zsh > /usr/local/share/zsh/site-functions/_wig",
            "wig completion fish > ~/.config/fish/completions/wig.fish",
        ),
    )  # fmt: skip
    parser.add_argument(
        "shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="bash, zsh or fish"
    )


class Option(NamedTuple):
    """One option."""

    help: str
    values: str | None
    """What may be its value: words, or `FILE`; empty: anything. None: it has none."""


class Words(NamedTuple):
    """What may follow one command."""

    verbs: dict[str, str]
    """Each with what it is for."""
    choices: list[str]
    """The same, where there are no verbs: what its argument may be."""
    options: dict[str, Option]


def run_completion(options: argparse.Namespace) -> None:
    """Print the script."""
    tree = dict(walk(options.root, "wig"))
    if options.shell == "fish":
        print("\n".join(_fish(tree)))
        return
    template, entry = {"bash": (BASH, "  ['{}']='{}'"), "zsh": (ZSH, "    '{}' '{}'")}[
        options.shell
    ]
    found = {
        "words": {at: " ".join((*words.verbs, *words.choices)) for at, words in tree.items()},
        "options": {at: " ".join(words.options) for at, words in tree.items()},
        "values": {
            f"{at} {flag}": option.values
            for at, words in tree.items()
            for flag, option in words.options.items()
            if option.values is not None
        },
    }
    tables = {
        name: "\n".join(entry.format(key, value) for key, value in table.items())
        for name, table in found.items()
    }
    print(template.format(**tables), end="")


def walk(parser: argparse.ArgumentParser, at: str) -> Iterator[tuple[str, Words]]:
    """Yield every command below `parser` with its words."""
    if isinstance(parser, arguments.Parser):
        parser.fill()
    found = Words({}, [], {})
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way to ask
        for flag in action.option_strings:
            # Options that each level has are explained on one of them only.
            known = _explained(flag) if action.help == argparse.SUPPRESS else action.help
            found.options[flag] = Option(known or "", _values(action))
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            choices = action._choices_actions  # noqa: SLF001
            found.verbs.update({choice.dest: choice.help or "" for choice in choices})
            for name, inner in action.choices.items():
                yield from walk(inner, f"{at} {name}")
        elif not action.option_strings:
            found.choices.extend(action.choices or ())
    yield at, found


def _explained(flag: str) -> str:
    setting = settings.SETTINGS.get(flag.removeprefix("--").replace("-", "_"))
    return setting.help if setting else ""


def _values(action: argparse.Action) -> str | None:
    """Return what may be the value of an option; see `Option`."""
    if action.nargs == 0:
        return None
    if action.choices is not None:
        return " ".join(map(str, action.choices))
    kind = str(action.metavar or "")
    if kind in {FILE, "DIR"}:
        return FILE
    return " ".join(word for word in kind.split("|") if word.islower())


def _fish(tree: dict[str, Words]) -> Iterator[str]:
    yield "# fish completion for wig; put it as wig.fish into a directory of $fish_complete_path"
    yield "complete -c wig -f"
    for at, words in sorted(tree.items()):
        seen = "".join(f"; and __fish_seen_subcommand_from {word}" for word in at.split()[1:])
        none = f"not __fish_seen_subcommand_from {' '.join(words.verbs)}" if words.verbs else ""
        here = f"{none}{seen}" if none else seen.removeprefix("; and ")
        for verb, help_text in words.verbs.items():
            yield f"complete -c wig -n '{here}' -a {verb} -d '{_quoted(help_text)}'"
        if words.choices:
            yield f"complete -c wig -n '{here}' -a '{' '.join(words.choices)}'"
        elif not words.verbs:
            yield f"complete -c wig -n '{here}' -F"
        for flag, option in words.options.items():
            if flag.startswith("--"):
                takes = {None: "", "": " -x", FILE: " -r -F"}.get(
                    option.values, f" -x -a '{option.values}'"
                )
                help_text = _quoted(option.help)
                yield f"complete -c wig -n '{here}' -l {flag[2:]}{takes} -d '{help_text}'"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
