"""`wig completion`: scripts that complete commands and options, for three shells.

Loaded by `main`. The words come from the parsers themselves, so they never lag behind.
"""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

from wig_cli import arguments

BASH = """\
# bash completion for wig; put it into /etc/bash_completion.d or source it
declare -gA _wig_verbs=(
{verbs}
)
declare -gA _wig_options=(
{options}
)
_wig() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} at=wig i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case " ${{_wig_verbs[$at]}} " in *" ${{COMP_WORDS[i]}} "*) at+=" ${{COMP_WORDS[i]}}" ;; esac
  done
  local words=${{_wig_verbs[$at]}}
  [[ $word == -* ]] && words=${{_wig_options[$at]}}
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  [[ $words ]] || COMPREPLY=($(compgen -f -- "$word"))
}}
complete -o filenames -F _wig wig
"""

ZSH = """\
#compdef wig
# zsh completion for wig; put it as _wig into a directory of $fpath
_wig() {{
  local -A verbs options
  verbs=(
{verbs}
  )
  options=(
{options}
  )
  local at=wig i
  for ((i = 2; i < CURRENT; i++)); do
    [[ " ${{verbs[$at]}} " == *" ${{words[i]}} "* ]] && at+=" ${{words[i]}}"
  done
  if [[ ${{words[CURRENT]}} == -* ]]; then
    compadd -- ${{=options[$at]}}
  elif [[ -n ${{verbs[$at]}} ]]; then
    compadd -- ${{=verbs[$at]}}
  else
    _files
  fi
}}
_wig "$@"
"""


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


class Words(NamedTuple):
    """What may follow one command."""

    verbs: dict[str, str]
    """Each with what it is for."""
    options: list[str]


def run_completion(options: argparse.Namespace) -> None:
    """Print the script."""
    tree = dict(walk(options.root, "wig"))
    if options.shell == "fish":
        print("\n".join(_fish(tree)))
        return
    template, entry = {"bash": (BASH, "  ['{}']='{}'"), "zsh": (ZSH, "    '{}' '{}'")}[
        options.shell
    ]
    verbs = [entry.format(at, " ".join(words.verbs)) for at, words in tree.items()]
    flags = [entry.format(at, " ".join(words.options)) for at, words in tree.items()]
    print(template.format(verbs="\n".join(verbs), options="\n".join(flags)), end="")


def walk(parser: argparse.ArgumentParser, at: str) -> Iterator[tuple[str, Words]]:
    """Yield every command below `parser` with its words."""
    if isinstance(parser, arguments.Parser):
        parser.fill()
    verbs: dict[str, str] = {}
    flags: list[str] = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way to ask
        flags += action.option_strings
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            verbs |= {choice.dest: choice.help or "" for choice in action._choices_actions}  # noqa: SLF001
            for name, inner in action.choices.items():
                yield from walk(inner, f"{at} {name}")
    yield at, Words(verbs, flags)


def _fish(tree: dict[str, Words]) -> Iterator[str]:
    yield "# fish completion for wig"
    yield "complete -c wig -f"
    for at, words in sorted(tree.items()):
        path = at.split()[1:]
        seen = "".join(f"; and __fish_seen_subcommand_from {word}" for word in path)
        if words.verbs:
            none = f"not __fish_seen_subcommand_from {' '.join(words.verbs)}"
            for verb, help_text in words.verbs.items():
                yield f"complete -c wig -n '{none}{seen}' -a {verb} -d '{_quoted(help_text)}'"
        else:
            yield f"complete -c wig -n '{seen.removeprefix('; and ')}' -F"
        for flag in words.options:
            if flag.startswith("--") and path:
                yield f"complete -c wig -n '{seen.removeprefix('; and ')}' -l {flag[2:]}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
