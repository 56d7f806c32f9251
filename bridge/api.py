"""The door for requests: who asks, where the answer may go, and who answers. Called by nodes.

A request is answered only if its reply is an inbox of the one who asks: a service publishes with
its own rights, and would otherwise publish for anybody.
"""

import logging
from collections.abc import Callable, Iterable, Mapping

from bridge import frames, subjects, wire
from bridge.connection import Connection, Disconnected, Message, Subscription
from wig import errors

logger = logging.getLogger(__name__)

Take = Callable[[str, str, bytes, str], None]
"""Takes identity, verb, payload and reply; must not block, and answers sooner or later."""


class Api:
    """Subscribed to the requests of some nouns."""

    def __init__(self, bus: Connection, verbs: Mapping[str, Take]) -> None:
        """`verbs` are like `peer.create`."""
        self._bus = bus
        self._verbs = verbs
        self._subscriptions: list[Subscription] = []

    async def open(self, subject_of: Callable[[str], str], names: Iterable[str]) -> None:
        """Listen on `subject_of(name)` for each of `names`."""
        for name in names:
            self._subscriptions.append(await self._bus.subscribe(subject_of(name), self._requested))

    async def close(self) -> None:
        """Listen no more."""
        while self._subscriptions:
            await self._subscriptions.pop().stop()

    def _requested(self, message: Message) -> None:
        parsed = subjects.parse_api(message.subject) or _from_node(message.subject)
        if parsed is None:
            logger.warning("strange subject", extra={"subject": message.subject})
            return
        identity, verb = parsed
        if not subjects.may_answer(message.reply, identity):
            logger.warning(
                "request refused: its reply is not an inbox of its sender",
                extra={"identity": identity, "verb": verb, "reply": message.reply},
            )
            return
        take = self._verbs.get(verb)
        if take is None:
            self._refuse(message.reply, verb)
            return
        take(identity, verb, message.data, message.reply)

    def _refuse(self, reply: str, verb: str) -> None:
        error = errors.Unsupported(
            f"verb: {errors.quoted(verb)} is not known here",
            field="verb",
            hint="is the primary older than the program that asks?",
        )
        try:
            self._bus.send(frames.message(reply, wire.failed(error)))
        except Disconnected:
            logger.info("an answer was lost with the connection", extra={"verb": verb})


def _from_node(subject: str) -> tuple[str, str] | None:
    parsed = subjects.parse_node(subject)
    return (parsed[1], parsed[2]) if parsed else None
