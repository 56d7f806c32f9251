"""The shape of the source tree, checked like everything else."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    path for folder in ("wig", "bridge", "cmd") for path in (ROOT / folder).rglob("*.py")
)
LINES_MAX = 350
LAST_RESORTS = {
    "bridge/queries.py",  # logs, and answers that it is a defect
    "bridge/transport.py",  # handed to the connection, which raises it where it is watched
    "bridge/supervisor.py",  # logs, counts, backs off, starts again
    "cmd/wig_cli/invoke.py",  # no traceback reaches a user
}


def test_no_module_is_longer_than_350_lines():
    """A module that is longer has two names."""
    long = {
        str(path.relative_to(ROOT)): count
        for path in MODULES
        if (count := len(path.read_text().splitlines())) > LINES_MAX
    }

    assert long == {}


def test_cmd_is_a_source_root_and_no_package():
    """A package named `cmd` would hide the standard library's."""
    assert not (ROOT / "cmd" / "__init__.py").exists()


def test_every_module_says_what_it_is():
    """The first thing in a module is its docstring."""
    silent = [str(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))]

    assert silent == []


def test_only_the_last_resorts_swallow_every_exception():
    """Elsewhere a broad `except` would hide a fault; one that raises again is a clean-up."""
    broad = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in {"Exception", "BaseException"})
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
        and path.relative_to(ROOT).as_posix() not in LAST_RESORTS
    ]

    assert broad == []


def test_every_core_module_is_in_the_contract():
    """A new module of the core must not touch the world either."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    [contract] = [each for each in tools["importlinter"]["contracts"] if "adapters" in each["name"]]
    core = {f"wig.{path.stem}" for path in (ROOT / "wig").glob("*.py")} - {"wig.__init__"}

    assert set(contract["source_modules"]) == core
