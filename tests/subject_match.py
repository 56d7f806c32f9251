"""Which subjects a pattern of NATS covers: what a server decides, said once more for tests."""

from collections.abc import Iterable


def covers(pattern: str, subject: str) -> bool:
    """Say whether all of `subject`, which may have wildcards itself, is inside `pattern`."""
    have, want = pattern.split("."), subject.split(".")
    for number, token in enumerate(have):
        if token == ">":
            return len(want) > number
        if number >= len(want) or want[number] == ">":
            return False
        if token not in {"*", want[number]}:
            return False
    return len(have) == len(want)


def allowed(patterns: Iterable[str], subject: str) -> bool:
    return any(covers(pattern, subject) for pattern in patterns)
