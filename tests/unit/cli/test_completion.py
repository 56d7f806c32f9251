"""Completion scripts: complete, and accepted by their shells."""

import shutil
import subprocess

import pytest

from wig_cli.main import main

SHELLS = ("bash", "zsh", "fish")


@pytest.fixture(params=SHELLS)
def script(request, capsys):
    """The script for each shell."""
    assert main(["completion", request.param]) == 0
    return request.param, capsys.readouterr().out


def test_every_verb_is_in_the_script(script):
    """What the parsers know, the shell knows."""
    _, text = script

    for word in ("interface", "import", "with-peers", "full-tunnel", "completion"):
        assert word in text


def test_the_shell_accepts_its_script(script, tmp_path):
    """The script is valid for the shell that it is for."""
    shell, text = script
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / "script"
    path.write_text(text)

    subprocess.run([shell, "-n", path], check=True)


BASH = """\
source "$1"
COMP_WORDS=({words})
COMP_CWORD={at}
_wig
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("wig pe", "peer"),
        ("wig peer cr", "create"),
        ("wig peer create --name", "--name"),
        ("wig --output json peer exp", "export"),
        ("wig --output ''", "table json"),
        ("wig completion ''", "bash zsh fish"),
        ("wig datastore p", "promote"),
        ("wig datastore promote --fo", "--force --follow"),
        ("wig peer create wg0 --wait ''", "all"),
        ("wig gateway drain gw1 --w", "--wait"),
        ("wig token create x --role g", "gateway"),
        ("wig peer list --unused-for ''", ""),
        ("wig token create x --description scr", ""),
        ("wig peer list --unused-for 90d --l", "--limit"),
        ("wig --config scr", "script"),
        ("wig peer import scr", "script"),
    ],
)
def test_bash_completes(capsys, tmp_path, words, expected):
    """Commands, verbs, options and their values are found wherever they stand."""
    main(["completion", "bash"])
    (tmp_path / "script").write_text(capsys.readouterr().out)

    text = BASH.format(words=words, at=len(words.split()) - 1)
    done = subprocess.run(
        ["bash", "-c", text, "-", "./script"], capture_output=True, text=True, check=True,
        cwd=tmp_path,
    )  # fmt: skip

    assert done.stdout.split() == expected.split()
