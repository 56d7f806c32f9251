"""The implementations of `ports.View`, each ready for ops: add a new one to `SUBJECTS`."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime

from tests import builders
from wig import log, ops
from wig.commands import AnyCommand
from wig.decide import decide
from wig.ports import View
from wig.sqlite import migrations
from wig.sqlite.view import View as SqliteView
from wig.state import State

EPOCH = "e1"


class Subject:
    """A view under test, with the ops that led there."""

    def __init__(
        self,
        view: View,
        apply_op: Callable[[ops.Op, str, int], None],
        digest: Callable[[], str],
    ) -> None:
        self.view = view
        self.digest = digest
        self.log: list[ops.Op] = []
        self._apply_op = apply_op

    def apply(self, op: ops.Op) -> None:
        self.log.append(op)
        self._apply_op(op, EPOCH, len(self.log))

    def run(self, command: AnyCommand, now: datetime = builders.NOON) -> list[ops.Op]:
        """Decide and apply, op by op, like a datastore does."""
        start = len(self.log)
        for op in decide(self.view, command, now):
            self.apply(op)
        return self.log[start:]


@contextmanager
def memory() -> Iterator[Subject]:
    """The state in memory."""
    state = State()
    yield Subject(state, state.apply_op, lambda: state.state_digest)


@contextmanager
def sqlite() -> Iterator[Subject]:
    """The writer's view of a database, with everything that it holds back."""
    with _database() as (view, digest):
        yield Subject(view, view.apply_op, digest)


@contextmanager
def sqlite_cold() -> Iterator[Subject]:
    """The same, remembering nothing from one op to the next."""
    with _database() as (view, digest):
        total = 0

        def apply_op(op: ops.Op, epoch: str, seq: int) -> None:
            nonlocal total
            view.apply_op(op, epoch, seq)
            view.flush()
            total += view.digest_change
            view.forget()

        yield Subject(view, apply_op, lambda: digest(total))


@contextmanager
def _database() -> Iterator[tuple[SqliteView, Callable[..., str]]]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.text_factory = bytes
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("BEGIN IMMEDIATE")
    migrations.create(connection)
    view = SqliteView(connection)
    yield view, lambda more=0: log.state_digest_text((view.digest_change + more) % (1 << 256))
    connection.close()


SUBJECTS: dict[str, Callable[[], AbstractContextManager[Subject]]] = {
    "memory": memory,
    "sqlite": sqlite,
    "sqlite-cold": sqlite_cold,
}
