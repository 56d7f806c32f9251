"""A primary without its parts: commands are decided, applied, and undone when they fail."""

from collections.abc import Sequence
from datetime import datetime

from tests import builders
from wig import errors, ops, results
from wig.commands import AnyCommand
from wig.decide import decide
from wig.state import State

EPOCH = "e1"


class World:
    """The state after some commands, and the log that led there."""

    def __init__(self, *commands: AnyCommand) -> None:
        self.log: list[ops.Op] = []
        self.state = State()
        for command in commands:
            self.run(command)

    def run(self, command: AnyCommand, now: datetime = builders.NOON) -> list[ops.Op]:
        """Carry out a command and return its ops; undo them all if it fails."""
        made: list[ops.Op] = []
        try:
            for op in decide(self.state, command, now):
                made.append(op)
                self.state.apply_op(op, EPOCH, len(self.log) + len(made))
        except errors.WigError:
            if made:
                self.state = replay(self.log)
            raise
        self.log += made
        return made

    def ask(self, command: AnyCommand) -> results.Result:
        """Carry out a command and return its answer."""
        return results.result(command, self.run(command), self.state)


def replay(log: Sequence[ops.Op], *, allocating: bool = True) -> State:
    """Return the state that a log leads to."""
    state = State(allocating=allocating)
    for seq, op in enumerate(log, 1):
        state.apply_op(op, EPOCH, seq)
    return state
