"""Checking that a command fails as the rules for errors say."""

import pytest

from tests.world import World, replay
from wig import errors
from wig.commands import AnyCommand


def refused(
    world: World, command: AnyCommand, kind: type[errors.WigError], field: str, text: str
) -> errors.WigError:
    """Check that a command fails with one clear error, and changes nothing."""
    before = world.state.state_digest

    with pytest.raises(errors.WigError) as caught:
        world.run(command)

    error = caught.value
    assert (type(error), error.field) == (kind, field)
    assert error.message.startswith(f"{field}: ")
    assert text in error.message
    assert world.state.state_digest == before == replay(world.log).state_digest
    return error
