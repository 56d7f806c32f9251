"""Named points between the steps of the commit path, where a test may end the process.

Called by everything in this folder that writes. A point does nothing unless a test installed
something, and costs one look-up of a global.
"""

from collections.abc import Callable

POINTS = (
    "commit: before begin",
    "commit: begun",
    "commit: decided",
    "commit: state changed",
    "commit: outcome noted",
    "commit: peers written",
    "commit: entries written",
    "commit: outcomes written",
    "commit: position written",
    "commit: committed",
)
"""Every point of `Datastore.commit`, in the order in which it passes them."""

LOAD_POINTS = (
    "load: cleared",
    "load: objects stored",
    "load: indexes made",
    "load: islands stored",
    "load: head stored",
)
"""Every further point of `Datastore.load`."""

HISTORY_POINTS = (
    "history: before begin",
    "history: names written",
    "history: peers written",
    "history: sessions written",
    "history: edges written",
    "history: committed",
)
"""Every point of `History.commit`."""

_installed: Callable[[str], None] | None = None


def point(name: str) -> None:
    """Tell the installed hook, if there is one, that this point was reached."""
    if _installed is not None:
        _installed(name)


def install(hook: Callable[[str], None] | None) -> None:
    """Call `hook` at every point from now on; None: nothing any more. For tests."""
    global _installed  # noqa: PLW0603 - one hook per process is what a crash is about
    _installed = hook
