"""Another version of the project, to upgrade to: with a number and with rules of its own."""

from pathlib import Path

import wig

VERSION = "0.0.0+other"
MARK = "chain clamp_other"
"""What only the other version's nftables table has."""

_CHANGES = {
    "__init__.py": (f'"{wig.__version__}"', f'"{VERSION}"'),
    "linux/firewall.py": ("chain clamp {{", MARK + " {{"),
}


def other(directory: Path) -> tuple[str, ...]:
    """Put the version into a directory, and return what runs a Python program with it: a prefix.

    What is the same is linked: an emulated machine takes long to copy and to compile.
    """
    package = Path(wig.__file__).parent
    for path in (package, package / "linux"):
        mine = directory / "wig" / path.relative_to(package)
        mine.mkdir()
        for each in path.iterdir():
            if each.name != "linux":
                (mine / each.name).symlink_to(each)
    for name, (before, after) in _CHANGES.items():
        text = (package / name).read_text()
        assert text.count(before) == 1, f"{name} has changed"
        (directory / "wig" / name).unlink()
        (directory / "wig" / name).write_text(text.replace(before, after))
    python = ("PYTHONSAFEPATH=1", "PYTHONDONTWRITEBYTECODE=1")
    return ("env", *python, f"PYTHONPATH={directory}:{Path.cwd()}")
