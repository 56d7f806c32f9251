"""Requests that are decided together, each once, each all or nothing.

Called by `Datastore.commit`, which gives the transaction. What deciding reads is looked up for
the whole group at once; outcomes are noted as they come, and stored with the rest.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from wig import codec, errors, results
from wig.commands import AnyCommand, CreatePeer, DeleteInterface, ImportPeers
from wig.decide import decide
from wig.ops import Op
from wig.sqlite import crash, rows, sql
from wig.sqlite.transaction import Transaction

_REQUEST_KNOWN = sql.query("request_known")


class Request(NamedTuple):
    """One command, by whom and under which id; an empty id promises nothing about repeats."""

    actor: str
    id: str
    command: AnyCommand


class Outcome(NamedTuple):
    """What is answered to a request, once the stream has reached `head`."""

    reply: bytes
    """`{"ok": …, "position": …}` or `{"error": …}`, as it travels."""
    head: int
    """The head of the log after the request was decided."""
    repeated: bool = False
    """It was decided earlier; `reply` is what was recorded then."""


def refusal(error: errors.WigError, head: int) -> Outcome:
    """Return the outcome of a request that failed."""
    return Outcome(codec.encode({"error": error.body()}), head)


class Group:
    """The requests of one transaction.

    Undoing a command costs a savepoint, so only commands of several ops get one: others fail
    before their op. A command that meets damage may fail within it; that raises `Damaged`, and
    the transaction must be rolled back. `careful` gives every command a savepoint, and answers
    damage like other errors.
    """

    def __init__(self, transaction: Transaction, now: datetime, *, careful: bool = False) -> None:
        """Use a transaction that will be open when `decide` is called."""
        self._transaction = transaction
        self._now = now
        self._careful = careful
        self._recorded: dict[tuple[str, str], Outcome] = {}
        self._noted: dict[tuple[str, str], Outcome] = {}

    def decide(self, requests: Sequence[Request]) -> list[Outcome]:
        """Decide requests in order; each sees what those before it did."""
        self._look_up(requests)
        return [self._decide(request) for request in requests]

    def record(self) -> None:
        """Store what was answered to requests with an id."""
        time = rows.micros(self._now)
        noted = [
            (*key, time, outcome.head, bytearray(outcome.reply))
            for key, outcome in self._noted.items()
        ]
        sql.insert_all(self._transaction.connection, "request_insert", noted)

    def _look_up(self, requests: Sequence[Request]) -> None:
        """Read at once what deciding would read one by one: each statement costs 3 µs."""
        keys = [(request.actor, request.id) for request in requests if request.id]
        if keys:
            query = codec.encode(keys).decode()
            found = self._transaction.connection.execute(_REQUEST_KNOWN, (query,))
            for actor, id_, reply, head in found:
                outcome = Outcome(reply, head, repeated=True)
                self._recorded[actor.decode(), id_.decode()] = outcome
        new_peers = [
            request.command.public_key
            for request in requests
            if isinstance(request.command, CreatePeer)
        ]
        if len(new_peers) > 1:
            self._transaction.view.expect(new_peers)

    def _decide(self, request: Request) -> Outcome:
        """Return the recorded outcome, or decide and note it."""
        key = request.actor, request.id
        if (found := self._recorded.get(key)) is not None:
            return found
        if (noted := self._noted.get(key)) is not None:
            return noted._replace(repeated=True)
        try:
            outcome = self._carry_out(request)
        except errors.Damaged as error:
            if not self._careful:
                raise
            return refusal(error, self._transaction.head.seq)  # not noted: it may be repaired
        except errors.WigError as error:
            outcome = refusal(error, self._transaction.head.seq)
        if request.id:
            self._noted[key] = outcome
        crash.point("commit: outcome noted")
        return outcome

    def _carry_out(self, request: Request) -> Outcome:
        """Decide one command, all of its ops or none."""
        transaction, command = self._transaction, request.command
        undoable = self._careful or isinstance(command, ImportPeers | DeleteInterface)
        if undoable:
            transaction.savepoint()
        if isinstance(command, ImportPeers):
            transaction.view.expect(spec.public_key for spec in command.peers)
        try:
            made = self._append(request)
        except errors.WigError:
            if undoable:
                transaction.undo()
            raise
        if undoable:
            transaction.release()
        head = transaction.head
        revision = f"{head.epoch}:{head.seq}" if made else ""
        result = results.result(command, made, transaction.view, revision)
        reply: dict[str, Any] = {"ok": result, "position": head.position()}
        return Outcome(codec.encode(reply), head.seq)

    def _append(self, request: Request) -> list[Op]:
        transaction, made = self._transaction, []
        for op in decide(transaction.view, request.command, self._now):
            crash.point("commit: decided")
            transaction.append(op, now=self._now, actor=request.actor, request=request.id)
            crash.point("commit: state changed")
            made.append(op)
        return made
