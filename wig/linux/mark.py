"""Whether the operator has this gateway drained: a file in the run directory.

Called by the gateway's program. It outlives restarts and upgrades of the gateway, and is gone
after a reboot, like everything in the run directory. The file is all there is: where the bus
cannot be reached, `touch` and `rm` do what `wig gateway drain` and `undrain` do.
"""

from pathlib import Path

from wig import errors


class DrainMark:
    """The mark of one gateway."""

    def __init__(self, directory: Path, name: str) -> None:
        """`directory` is the gateway's run directory."""
        self._path = directory / f"{name}.drained"

    def on(self) -> bool:
        """Say whether it is there."""
        return self._path.exists()

    def set(self, on: bool) -> None:  # noqa: FBT001  # what it is set to
        """Make or remove it; raise `Unusable` when that is not possible."""
        try:
            if on:
                self._path.touch(mode=0o600)
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            raise errors.Unusable(
                f"run directory: {self._path.name!r} cannot be changed: {error.strerror}"
            ) from error
