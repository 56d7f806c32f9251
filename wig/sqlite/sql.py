"""The queries of `queries.sql` by name. Called by every module of this folder at import."""

import re
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def _load() -> dict[str, str]:
    """Return the statements without their comments."""
    text = resources.files(__package__).joinpath("queries.sql").read_text("utf-8")
    _, *parts = _NAME.split(text)
    return {
        name: " ".join(
            line.strip() for line in body.splitlines() if not line.startswith("--")
        ).strip("; ")
        for name, body in zip(parts[::2], parts[1::2], strict=True)
    }


_QUERIES = _load()


def query(name: str) -> str:
    """Return the statement of one name; a name that is not in the file raises KeyError."""
    return _QUERIES[name]


def names() -> frozenset[str]:
    """Return every name in the file."""
    return frozenset(_QUERIES)


def schema() -> str:
    """Return the statements that make an empty database of the current version."""
    return resources.files(__package__).joinpath("schema.sql").read_text("utf-8")
